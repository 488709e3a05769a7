"""Scores, intervals, calibration and agreement. Nothing here imports a model."""
