"""Form groups from similar pairs, and choose the file of a group to keep."""
