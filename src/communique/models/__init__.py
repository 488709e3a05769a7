"""Model folders and the classifiers they hold."""
