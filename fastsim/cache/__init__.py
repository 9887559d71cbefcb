"""What earlier runs worked out, on disk: vectors, rows of video frames, compiled networks."""
