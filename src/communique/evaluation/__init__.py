"""Evaluate a model on labelled sentences."""
