"""Measure the robustness of labels: swapped actors, changes of the surface, and error rates by actor."""

from .measure import TESTS, measure
from .report import Robustness
from .swaps import augment, plan_swaps

__all__ = ["TESTS", "Robustness", "augment", "measure", "plan_swaps"]
