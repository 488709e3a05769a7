"""The cluster bootstrap: draw whole documents with replacement, and compute intervals from the resamples.

Sentences of the same document resemble each other, so a bootstrap of single sentences would give intervals that are too
narrow (Cameron, Gelbach, Miller 2008, "Bootstrap-Based Improvements for Inference with Clustered Errors").
`scipy.stats.bootstrap` over documents gives the same percentiles, which a test verifies. It is not used here because the base
install does not include scipy, and because all scores of a report use the same resamples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from ..data.codes import factorize

Array = NDArray[np.float64]

#: Default number of resamples. With 2,000 resamples of a few hundred rows, the 2.5 % and 97.5 % points vary by about 0.002.
RESAMPLES = 2000

#: Minimum number of documents for an interval. With 4 documents there are only 35 different resamples.
MIN_CLUSTERS = 5

#: Added to both counts of a score before its log-odds are computed, so that those of 0 and 1 fit the number of rows.
START = 1 / 6

#: Maximum number of array elements that are held in memory at once.
_CHUNK = 4_000_000


@dataclass(frozen=True)
class Resamples:
    """Bootstrap samples of clusters.

    `of_row` (n,) contains the number of the cluster of each row. `draws` (resamples, clusters) contains how often each
    cluster was drawn.
    """

    of_row: NDArray[np.int64]
    draws: NDArray[np.uint16]

    @classmethod
    def draw(cls, clusters: Sequence[Hashable], *, seed: int, resamples: int = RESAMPLES) -> Resamples:
        """Draw resamples. Each resample has as many clusters as the sample, drawn with replacement.

        Args:
            clusters: The document of each row.
            seed: Seed of the random draws.
            resamples: Number of resamples.
        """
        of_row, names = factorize(clusters)
        generator, n = np.random.default_rng(seed), len(names)
        draws = np.zeros((resamples, n), np.uint16)
        step = max(1, _CHUNK // max(n, 1))
        for start in range(0, resamples if n else 0, step):
            part = draws[start : start + step]
            part[:] = generator.multinomial(n, np.full(n, 1 / n), size=len(part))
        return cls(of_row, draws)

    @property
    def clusters(self) -> int:
        """Number of different clusters."""
        return int(self.draws.shape[1])

    def sums(self, rows: NDArray[np.number]) -> Array:
        """Return the sums (resamples, ...) of row values (n, ...) over each resample."""
        by_cluster = np.zeros((self.clusters, *rows.shape[1:]))
        np.add.at(by_cluster, self.of_row, rows)
        flat = by_cluster.reshape(self.clusters, int(np.prod(rows.shape[1:])))
        drawn = np.concatenate([draws @ flat for draws in self._chunks(self.clusters)])
        return drawn.reshape(len(self.draws), *rows.shape[1:])

    def row_weights(self) -> Iterator[Array]:
        """Yield how often each row occurs in each resample, as arrays (some resamples, n)."""
        for draws in self._chunks(len(self.of_row)):
            yield draws[:, self.of_row]

    def _chunks(self, width: int) -> Iterator[Array]:
        step = max(1, _CHUNK // max(width, 1))
        for start in range(0, len(self.draws), step):
            yield self.draws[start : start + step].astype(np.float64)


def interval(values: Array, level: float = 0.95, *, clusters: int | None = None) -> tuple[float, float]:
    """Return the percentile interval of bootstrap values. NaNs are ignored; if all values are NaN, so are both ends.

    Args:
        values: One value per resample (resamples,).
        level: Nominal coverage of the interval.
        clusters: Number of clusters that were drawn from: at least 2, preferably at least `MIN_CLUSTERS`. With few clusters,
            percentile intervals are too narrow. They are therefore widened by as much as Student's interval of a mean is
            wider than the bootstrap interval (expanded percentiles: Hesterberg 2015, "What Teachers Should Know about the
            Bootstrap"). Default: plain percentiles.
    """
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    tail = _tail(level, clusters)
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def interval_or_nan(
    value: float, resampled: Array, clusters: int, ends: Callable[[], tuple[float, float]] | None = None
) -> tuple[float, float, float]:
    """Return a value and the two ends of its 95 % interval. The ends are NaN if no interval can be computed.

    No interval can be computed if the value is NaN, if there are fewer clusters than `MIN_CLUSTERS`, or if the interval would have
    no width because every resample gives the same value.

    Args:
        value: The value in the sample.
        resampled: The value in each resample (resamples,).
        clusters: Number of clusters that were drawn from.
        ends: Computes the interval. Default: `interval` of the resampled values.

    Returns:
        Value, lower end, upper end.
    """
    if math.isnan(value) or clusters < MIN_CLUSTERS:
        return value, math.nan, math.nan
    low, high = ends() if ends else interval(resampled, clusters=clusters)
    return (value, math.nan, math.nan) if math.isclose(low, high, abs_tol=1e-12) else (value, low, high)


def log_odds_interval(
    value: float, values: Array, level: float = 0.95, *, clusters: int, rows: int
) -> tuple[float, float]:
    """Return the interval of a score from 0 to 1 with a skewed sampling distribution, such as average precision.

    This is Student's interval on the log-odds scale, centred on the value minus the bias that the bootstrap shows (Efron,
    Tibshirani 1993, "An Introduction to the Bootstrap", chapters 10 and 12). Log-odds are those of started counts (Tukey 1977,
    "Exploratory Data Analysis", chapter 15). Without them, resamples with a score of 1 would decide the width of the interval.

    In simulations, 300 samples of documents with similar sentences were drawn for each number of documents. The intervals of
    average precision contained the true value in these percentages of samples:

    =====================================  =====  =====  =====  =====
    documents                                 15     25     50    100
    =====================================  =====  =====  =====  =====
    40 % of rows have the label: log-odds   95.0   95.7   94.3   94.7
    40 % of rows: `interval`                91.3   89.7   90.0   91.7
    9 % of rows have the label: log-odds    97.0   94.3   93.0
    9 % of rows: `interval`                 89.7   93.7   92.3
    =====================================  =====  =====  =====  =====

    If scores are near 1 (0.97), the coverage is 95.0 % with 40 documents of one row (`interval`: 91.3 %), and the mean width 0.25.

    Args:
        value: Score of the sample.
        values: One score per resample (resamples,). NaNs are ignored.
        level: Nominal coverage of the interval.
        clusters: Number of clusters that were drawn from: at least 2, preferably at least `MIN_CLUSTERS`.
        rows: Number of rows of the sample.

    Returns:
        Lower and upper end, or NaNs if all scores of the resamples are NaN.
    """
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    drawn, found = _log_odds(values, rows), float(_log_odds(np.array(value), rows))
    middle = 2 * found - float(drawn.mean())
    width = _student((1 + level) / 2, clusters - 1) * float(drawn.std()) * (clusters / (clusters - 1)) ** 0.5
    started = 1 / (1 + np.exp(-np.array([middle - width, middle + width])))
    low, high = np.clip(started + (2 * started - 1) * START / rows, 0, 1)
    return float(low), float(high)


def _log_odds(share: Array, rows: int) -> Array:
    """Return the log-odds of started counts: of `share * rows` and of the other rows, each plus `START`."""
    return np.asarray(np.log(share * rows + START) - np.log((1 - share) * rows + START))


def inverted_interval(
    observed: float,
    simulate: Callable[[float], Array],
    most: float,
    level: float = 0.95,
    *,
    clusters: int | None = None,
) -> tuple[float, float, float]:
    """Return an interval for a quantity of at least 0 that samples overestimate, such as a calibration error.

    The interval consists of all true values under which the observed value would not be exceptional. It is found by inverting
    bootstrap tests (Carpenter 1999, "Test Inversion Bootstrap Confidence Intervals").

    Args:
        observed: Value in the sample.
        simulate: Returns the values that resamples (resamples,) would show for a given true value. They must increase with
            the true value.
        most: Largest true value to try.
        level: Nominal coverage of the interval.
        clusters: See `interval`.

    Returns:
        Lower end, median-unbiased estimate, upper end, all at least 0. The estimate is the true value under which half of
        the resamples show more than was observed. If the observed value is smaller than a true value of 0 would produce, the
        upper end is the observed value.
    """
    tail = _tail(level, clusters)

    def truth(quantile: float) -> float:
        low, high = 0.0, most
        if np.quantile(simulate(low), quantile) >= observed:
            return 0.0
        for _ in range(30):
            middle = (low + high) / 2
            low, high = (middle, high) if np.quantile(simulate(middle), quantile) < observed else (low, middle)
        return high

    return truth(1 - tail), truth(0.5), truth(tail) or observed


def _tail(level: float, clusters: int | None) -> float:
    """Return the proportion of resamples on each side of an interval. It is smaller for few clusters (see `interval`)."""
    tail = (1 - level) / 2
    if clusters is None:
        return tail
    return NormalDist().cdf(-_student(1 - tail, clusters - 1) * (clusters / (clusters - 1)) ** 0.5)


def _student(probability: float, freedom: int) -> float:
    """Return a quantile of Student's t (Abramowitz, Stegun 1964, 26.7.5), within 0.002 for 4 or more degrees of freedom."""
    z = NormalDist().inv_cdf(probability)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum((term / freedom**power for power, term in enumerate(terms, 1)), 0.0)
