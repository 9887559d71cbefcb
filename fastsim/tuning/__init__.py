"""Threshold advice from the user's own images."""
