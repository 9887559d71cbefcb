"""The data that stages exchange. Every record names files by `MediaFile.id`, never by a position in a list."""
