"""Robustness of labels: swapped actors, changed surfaces, and errors by the actor named."""

from .measure import TESTS, measure
from .report import Robustness
from .swaps import augment, plan_swaps

__all__ = ["TESTS", "Robustness", "augment", "measure", "plan_swaps"]
