"""Model folders and the classifiers in them."""
