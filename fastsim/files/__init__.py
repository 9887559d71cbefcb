"""Plan changes to the user's files, and carry them out; no other code changes files."""
