"""Floor 0: plain types and formulas of cine cardiac MR; imports numpy and polars only."""
