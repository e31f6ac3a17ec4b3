"""From a download to batches."""
