"""What the pages of all analyses share: looking up estimates, their words, lines of figures, forests."""
