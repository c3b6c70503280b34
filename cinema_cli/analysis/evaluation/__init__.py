"""Predictions beside what they should be: pairs, one table of their errors, summaries."""
