"""Implement the commands; `cli/app.py` defines what can be typed."""
