"""Plans, and the only code that changes the user's files."""
