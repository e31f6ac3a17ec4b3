"""Labels and scores to numbers: the one place that defines each metric."""
