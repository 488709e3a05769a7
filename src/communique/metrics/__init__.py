"""Scores, intervals, calibration and agreement. No module of this package imports a model."""
