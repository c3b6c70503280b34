"""Floor 2: synthetic beating hearts whose true volumes, landmarks and labels are known."""
