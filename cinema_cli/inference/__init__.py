"""Floor 2: from a cine study to masks, ED and ES and phenotypes, with a trained head."""
