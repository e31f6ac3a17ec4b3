"""What is shipped: one file in, verdicts out, without torch."""
