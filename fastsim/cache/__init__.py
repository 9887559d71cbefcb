"""Keep results of earlier runs on disk: vectors, rows of video frames, compiled networks."""
