"""Verification: tell a copy from a look-alike by local features, a geometric transform and the pixels under it."""
