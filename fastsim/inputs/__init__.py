"""Determine which files take part, what they are, and what belongs to them."""
