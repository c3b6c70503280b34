"""Floor 3: figures and self-contained HTML pages from plain numbers."""
