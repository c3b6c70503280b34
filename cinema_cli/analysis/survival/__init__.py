"""One survival analysis: its table, its sections, what may be released."""
