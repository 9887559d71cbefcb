"""Search a set of images by image: the index file, its building, matches, and a network that stays loaded."""
