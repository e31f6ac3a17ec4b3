"""Arrays to matplotlib figures and HTML pages: drawn once, shown everywhere."""
