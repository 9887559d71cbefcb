"""Process videos: which frames are worth keeping, and which videos show the same thing."""
