"""Compute intervals and tests from an estimate, its variance and its degrees of freedom."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..reporting.format import score, signed_score
from .sample import Influence, Sample, Target, variance

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate with its standard error, degrees of freedom, 95 % interval and p-value against 0."""

    value: float
    error: float
    freedom: float
    low: float
    high: float

    @property
    def p(self) -> float:
        """Two-sided p-value of Student's t-test against 0."""
        if not self.error > 0:
            return float("nan")
        from scipy.special import stdtr

        return float(2 * stdtr(self.freedom, -abs(self.value) / self.error))

    @property
    def width(self) -> float:
        """Length of the interval."""
        return self.high - self.low

    def at(self, level: float) -> Interval:
        """Return the interval with another confidence level, in (0, 1). It is not cut to [0, 1]."""
        from scipy.special import stdtrit

        half = float(stdtrit(self.freedom, 0.5 + level / 2)) * self.error
        return Interval(self.value, self.error, self.freedom, self.value - half, self.value + half)

    def __str__(self) -> str:
        return score(self.value, self.low, self.high)

    @property
    def signed(self) -> str:
        """The estimate as a difference, with its sign."""
        return signed_score(self.value, self.low, self.high)


def interval(sample: Sample, value: float, influence: Influence, target: Target, *, share: bool = False) -> Interval:
    """Compute the interval of an estimate from Student's t distribution.

    Args:
        sample: The gold sample.
        value: The estimate.
        influence: The influence of the estimate.
        target: What is estimated, see `sample`.
        share: Whether the estimate is a proportion, so that the interval is cut to [0, 1].
    """
    spread, freedom = variance(sample, influence, target)
    found = Interval(value, float(np.sqrt(spread)), freedom, float("nan"), float("nan")).at(LEVEL)
    if not share:
        return found
    # Cut both ends, because the whole interval of a corrected proportion can lie below 0.
    low, high = (min(max(end, 0.0), 1.0) if end == end else end for end in (found.low, found.high))
    return replace(found, low=low, high=high)
