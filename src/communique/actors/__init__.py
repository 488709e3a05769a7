"""Names of states and organisations, and their grammar."""
