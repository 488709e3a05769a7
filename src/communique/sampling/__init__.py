"""Draw sentences for people to code: probability samples for estimates, and informative sentences for training."""
