"""Checkpoint -> the one shipped file, held to what the checkpoint says before it gets its name."""
