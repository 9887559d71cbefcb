"""What each command does; `cli.py` says what can be typed."""
