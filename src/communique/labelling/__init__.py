"""Label corpora of any size."""
