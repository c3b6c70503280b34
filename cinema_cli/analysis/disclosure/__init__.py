"""What may be released of a table of estimates: small counts go, and what would give them away."""
