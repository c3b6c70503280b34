"""For whom it works and for whom it does not: metrics by groups of people, who is lost, and what chance would show."""
