"""Measure the robustness of labels: swapped actors, changes of the surface, and error rates by actor."""

from .measure import TESTS, measure
from .report import Robustness

__all__ = ["TESTS", "Robustness", "measure"]
