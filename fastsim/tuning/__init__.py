"""Suggest a threshold from the user's own images."""
