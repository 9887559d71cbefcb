"""`fastsim video-duplicates`: which videos, or parts of them, show the same thing."""
