"""Leaks between splits and shortcuts around the picture, in any manifest."""
