"""Draw the sentences that people read: designs with known inclusion probabilities, and picks for training."""
