"""Detect manipulated and synthetic images: from raw downloads to one detector file."""
