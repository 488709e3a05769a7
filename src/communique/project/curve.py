"""The learning curve: scores for growing numbers of coded rows, and how much more coding is likely to help."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..baselines import make
from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..data.splits import document_folds, split_units
from ..errors import DataError
from ..io.atomic import replacing
from ..metrics.bootstrap import MIN_CLUSTERS, RESAMPLES, Resamples, interval_or_nan
from ..metrics.calibration import to_logits
from ..metrics.scores import indicator, macro_f1, outcomes
from ..reporting.format import without_nan
from ..selection.folds import FoldedRows, cross_fitted_decisions

Floats = NDArray[np.float64]

#: Proportions of the training rows on which the quick curve is computed.
FRACTIONS = (0.125, 0.25, 0.5, 1.0)

#: Minimum number of points for an extrapolation. It starts from the last point and the gain since an earlier one, with at most
#: 1 / `MIN_RATIO` of the rows.
MIN_POINTS, MIN_RATIO = 3, 1.5

#: How far the curve is extrapolated: to this multiple of the rows.
REACH = 2.0

#: A gain in macro-F1 below this is not worth much coding: intervals of scores on a few hundred rows are several times as wide.
SMALL = 0.02

#: Range of the exponents of the power law. A few points do not determine the exponent. With these exponents, a doubling of the rows
#: gains between 0.5 and 1.3 times as much as the doubling before. More than 1 occurs with few rows, before the curve bends: on 12
#: halves of data/authored (about 590 training rows), TF-IDF gained 0.056 by doubling the rows, and 0.05 by the doubling before.
EXPONENTS = (-0.4, 1.0)

#: Minimum number of documents for a curve of its own.
_MIN_DOCUMENTS = 2 * MIN_CLUSTERS

#: The classifiers of the quick curve, and the names of the baselines.
KINDS = {"tfidf": "tfidf-logreg", "frozen-encoder": "frozen-encoder"}

#: Number of folds of the quick curve.
_FOLDS = 5


@dataclass(frozen=True)
class Point:
    """The out-of-fold macro-F1 of a classifier that was trained on `rows` rows, with its 95 % interval."""

    rows: int
    value: float | None
    low: float | None
    high: float | None
    name: str = ""


@dataclass(frozen=True)
class Projection:
    """The macro-F1 that is expected with `rows` coded rows, and the gain over the present score, with 95 % intervals."""

    rows: int
    value: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float

    @property
    def advice(self) -> str:
        """Return what the projection says about more coding: `stop`, `code` or `unclear`."""
        if self.gain_high < SMALL:
            return "stop"
        return "code" if self.gain_low > 0 and self.gain >= SMALL else "unclear"


@dataclass(frozen=True)
class Curve:
    """A learning curve.

    Attributes:
        classifier: Name of the classifier, or empty if the points come from different models.
        points: The scores, by number of training rows.
        projection: The extrapolation to `REACH` times as many rows, or None if it is not known.
        reason: Why there is no projection.
        coded: Number of coded rows when the curve was computed.
    """

    classifier: str
    points: tuple[Point, ...]
    projection: Projection | None
    reason: str | None
    coded: int

    def dump(self, path: Path) -> None:
        """Write the curve as JSON. `load` reads the file back as an equal object."""
        with replacing(path) as handle:
            handle.write(json.dumps(without_nan(asdict(self)), indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """Read a curve, or return None if there is no readable file. A curve can be computed again."""
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            points = tuple(Point(**point) for point in content.pop("points"))
            projection = content.pop("projection")
            return cls(points=points, projection=projection and Projection(**projection), **content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


def compute_curve(
    corpus: Corpus,
    codebook: Codebook,
    *,
    kind: str = "tfidf",
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> Curve:
    """Compute a learning curve on nested subsets of the documents. Requires the extra `analysis`, or `train` for encoders.

    Every row is scored by a classifier that was trained on other documents. For each fold, the classifier is trained on growing
    numbers of the other documents, so that all points of the curve are scores of the same rows.

    Args:
        corpus: Coded rows.
        codebook: The codebook.
        kind: `tfidf` or `frozen-encoder`.
        seed: Seed of the folds, of the order of documents and of the bootstrap.
        say: Function that receives one line per point.

    Raises:
        DataError: There are too few documents.
    """
    documents = int(split_units(corpus.sentences).max(initial=-1)) + 1
    if documents < _MIN_DOCUMENTS:
        raise DataError(
            f"a learning curve needs coded rows from at least {_MIN_DOCUMENTS} documents, but there are {documents}. Code "
            "sentences of more documents"
        )
    folds = document_folds(corpus.sentences, _FOLDS, seed=seed)
    gold = indicator(corpus.sentences, codebook)
    resamples = Resamples.draw([s.document_key for s in corpus], seed=seed)
    points: list[Point] = []
    draws = []
    for fraction in FRACTIONS:
        decided, rows = _decisions(corpus, codebook, folds, fraction, kind, seed)
        counts = outcomes(gold, decided)
        draws.append(macro_f1(resamples.sums(counts)))
        value = float(macro_f1(counts.sum(axis=0)))
        scored = interval_or_nan(value, draws[-1], resamples.clusters)
        points.append(Point(rows, *map(without_nan, scored)))
        say(f"learning curve: {len(points)} of {len(FRACTIONS)} points")
    projection, reason = extrapolate(points, np.stack(draws, axis=1), seed=seed)
    return Curve(kind, tuple(points), projection, reason, len(corpus))


def curve_of_models(points: Sequence[Point], coded: int, *, seed: int = 0) -> Curve:
    """Build a curve from the scores that trained models recorded. Of models with the same number of rows, the last one counts.

    Args:
        points: The scores, from the oldest to the newest model.
        coded: Number of coded rows now.
        seed: Seed of the interval of the projection.
    """
    ordered = tuple(sorted({point.rows: point for point in points}.values(), key=lambda point: point.rows))
    ends = np.array([[p.value, p.low, p.high] for p in ordered], np.float64).reshape(-1, 3)
    noise = np.random.default_rng(seed).normal(size=(RESAMPLES, len(ordered)))
    draws = ends[:, 0] + noise * (ends[:, 2] - ends[:, 1]) / 3.92
    return Curve("", ordered, *extrapolate(ordered, draws, seed=seed), coded)


def extrapolate(points: Sequence[Point], draws: Floats, *, seed: int = 0) -> tuple[Projection | None, str | None]:
    """Extrapolate a learning curve to `REACH` times as many rows.

    The curve follows a power law, score = a - b rows^-c, through the last point and the point with about half as many rows. Earlier
    points are not used, because the first part of a curve is often flat. The exponent c differs in each simulated curve (see
    `EXPONENTS`), so the interval contains the uncertainty of the exponent and the errors of the two scores. Scores do not fall with
    more rows.

    Args:
        points: The p scores, in increasing order of rows.
        draws: Resampled scores (resamples, p).
        seed: Seed of the exponents.

    Returns:
        The projection and None, or None and the reason why it is not known.
    """
    known = [i for i in range(len(points)) if np.isfinite(draws[:, i]).mean() > 0.5]
    if len(known) < MIN_POINTS or known[-1] != len(points) - 1:
        return None, f"there are {len(known)} scores with an interval, but at least {MIN_POINTS} are needed"
    rows = np.array([point.rows for point in points])
    last = known[-1]
    earlier = [i for i in known if rows[last] >= MIN_RATIO * rows[i]]
    if not earlier:
        return None, f"no earlier score is from less than {1 / MIN_RATIO:.0%} of the rows"
    half = min(earlier, key=lambda i: abs(np.log(rows[i] * REACH / rows[last])))
    usable = draws[np.isfinite(draws[:, [half, last]]).all(axis=1)]
    # One exponent per simulated curve, spread evenly over the range.
    exponents = np.random.default_rng(seed).permutation(np.linspace(*EXPONENTS, len(usable)))
    exponents[np.abs(exponents) < 1e-6] = 1e-6
    ratio = (1 - REACH**-exponents) / ((rows[last] / rows[half]) ** exponents - 1)
    gains = np.maximum(usable[:, last] - usable[:, half], 0) * ratio
    scores = np.minimum(usable[:, last] + gains, 1)
    quantiles = [np.quantile(part, [0.5, 0.025, 0.975]).tolist() for part in (scores, gains)]
    return Projection(round(REACH * rows[last]), *quantiles[0], *quantiles[1]), None


def _decisions(
    corpus: Corpus, codebook: Codebook, folds: NDArray[np.int64], fraction: float, kind: str, seed: int
) -> tuple[NDArray[np.bool_], int]:
    """Return out-of-fold decisions (n, k) of classifiers trained on a proportion of the rows, and the mean number of these rows."""
    logits = np.zeros((len(corpus), len(codebook.names)), np.float32)
    # Every fold has another order of documents, so that the score depends less on one choice of documents.
    sizes, classifier = [], make(KINDS[kind], codebook, seed=seed)
    for fold in np.unique(folds).tolist():
        inside = folds == fold
        chosen = nested(corpus, ~inside, fraction, seed + fold)
        probabilities = classifier.fit(corpus.rows(chosen)).predict_proba(corpus.rows(inside).sentences)
        logits[inside] = to_logits(probabilities, multilabel=codebook.multilabel)
        sizes.append(int(chosen.sum()))
    rows = FoldedRows(corpus, codebook, folds)
    return cross_fitted_decisions(rows, logits), round(float(np.mean(sizes)))


def nested(corpus: Corpus, allowed: NDArray[np.bool_], fraction: float, seed: int) -> NDArray[np.bool_]:
    """Return a mask (n,) of about a proportion of the allowed rows, in whole documents. Smaller proportions are subsets of larger.

    Args:
        corpus: n rows.
        allowed: The rows (n,) that may be chosen.
        fraction: Proportion of the allowed rows.
        seed: Seed of the order of documents.
    """
    units = split_units(corpus.sentences)
    order = np.random.default_rng(seed).permutation(int(units.max(initial=-1)) + 1)
    sizes = np.bincount(units[allowed], minlength=len(order))[order]
    reached = np.cumsum(sizes) - sizes
    chosen: NDArray[np.bool_] = np.isin(units, order[reached < fraction * allowed.sum()]) & allowed
    return chosen
