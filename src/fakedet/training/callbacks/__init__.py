"""Callbacks: each hands one thing to the trackers, or guards the run."""
