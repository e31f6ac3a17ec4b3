"""One file a data set: its tree on disk to manifest rows."""
