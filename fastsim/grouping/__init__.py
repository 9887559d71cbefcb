"""From similar pairs to groups, and which file of a group is kept."""
