"""Floor 2: how the heads are trained."""
