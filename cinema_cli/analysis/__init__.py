"""From tables to estimates: statistics that agree with R, and what a report says with them."""
