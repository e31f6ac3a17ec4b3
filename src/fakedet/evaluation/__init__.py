"""Scores to numbers with intervals, and the report."""
