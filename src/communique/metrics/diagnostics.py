"""Diagnostics that scores do not show: calibration, thresholds, co-occurrence of labels, and the most costly errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.sentence import Sentence
from ..reporting.format import without_nan
from .bootstrap import RESAMPLES, Resamples, inverted_interval
from .calibration import EDGE, to_logits
from .calibration import probabilities as of_logits
from .report import ScoreCI
from .scores import Array, BoolArray, bin_sums, brier_skill, expected_calibration_error, indicator, precision_recall_f1
from .slices import documents, random_rows

#: Number of simulations in which labels are drawn with the model's own probabilities. They show how large a calibration error
#: chance alone produces.
CHANCE = 200

#: Thresholds at which the curves are computed.
THRESHOLDS = np.round(np.arange(0.02, 0.981, 0.02), 2)


@dataclass(frozen=True)
class Bin:
    """Rows with similar probabilities.

    Attributes:
        n: Number of rows.
        probability: Mean probability of the rows.
        share: Proportion of the rows that have the label in gold.
    """

    n: int
    probability: float
    share: ScoreCI


@dataclass(frozen=True)
class LabelCalibration:
    """Calibration of the probabilities of one label.

    `ece_plain` is the measured expected calibration error, over bins with equal numbers of rows. `ece_by_chance` is the average
    that perfectly calibrated probabilities would show on the same number of rows. `ece` is an estimate without the error that
    sampling adds (see `calibration_error`). `skill` is the Brier skill score relative to the base rate.
    """

    label: str
    gold: int
    ece: ScoreCI
    ece_plain: float
    ece_by_chance: float
    brier: ScoreCI
    skill: ScoreCI
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class Calibration:
    """Calibration with the temperature and biases of the model (`after`) and without them (`before`).

    If `before` is None, `before_reason` explains why.
    """

    rows: str
    n: int
    documents: int
    temperature: float
    after: tuple[LabelCalibration, ...]
    before: tuple[LabelCalibration, ...] | None
    before_reason: str | None


@dataclass(frozen=True)
class Curve:
    """Precision, recall and F1 of a label at each of `THRESHOLDS`, and the threshold that the model uses."""

    label: str
    threshold: float
    thresholds: tuple[float, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    f1: tuple[float, ...]


@dataclass(frozen=True)
class CoOccurrence:
    """Numbers of rows in which labels occur together.

    If several labels can apply, `gold` and `predicted` (k + 1, k + 1) count the rows that have both labels, and the last label
    is `none`, for rows without a label. If exactly one label applies, `confusion` (k, k) counts the rows by gold label (rows)
    and predicted label (columns). Values that do not apply are None.
    """

    labels: tuple[str, ...]
    gold: tuple[tuple[int, ...], ...] | None
    predicted: tuple[tuple[int, ...], ...] | None
    confusion: tuple[tuple[int, ...], ...] | None


@dataclass(frozen=True)
class CostlyError:
    """A sentence with a wrong prediction, and its log loss.

    `previous` is the preceding sentence. It comes from the field `previous` of the sentence or, if that is empty, from the same
    document by its index.
    """

    id: str
    document: str
    language: str
    source: str | None
    previous: str | None
    text: str
    gold: tuple[str, ...]
    predicted: tuple[str, ...]
    probabilities: dict[str, float]
    loss: float


@dataclass(frozen=True)
class Diagnostics:
    """All diagnostics of one model on one set of sentences. `warnings` are lines about the gold labels."""

    calibration: Calibration
    curves: tuple[Curve, ...]
    co_occurrence: CoOccurrence
    errors: tuple[CostlyError, ...]
    warnings: tuple[str, ...]

    @classmethod
    def from_predictions(
        cls,
        sentences: Sequence[Sentence],
        predicted: BoolArray,
        probability: NDArray[np.floating],
        codebook: Codebook,
        *,
        temperature: float,
        bias: Sequence[float] | None = None,
        thresholds: Sequence[float] | None,
        errors: int,
        seed: int = 0,
        resamples: int = RESAMPLES,
    ) -> Diagnostics:
        """Compute the diagnostics of a model.

        Args:
            sentences: n labelled sentences, at least one.
            predicted: Predicted labels (n, k) in the order of the codebook.
            probability: Probabilities (n, k), after temperature and biases.
            codebook: The labels.
            temperature: Divisor of the model's logits. It is 1 if the weights already contain the temperature.
            bias: Values (k,) that the model then adds. Default: 0.
            thresholds: Thresholds (k,), or None if the most probable label is predicted.
            errors: Number of most costly errors to keep.
            seed: Seed of the bootstrap.
            resamples: Number of resamples.
        """
        gold = indicator(sentences, codebook)
        p: Array = np.asarray(probability, np.float64)
        rows = random_rows(sentences)
        at_random = [sentences[i] for i in rows]
        resampled = Resamples.draw(documents(sentences, rows), seed=seed, resamples=resamples)
        cold = before_calibration(p, temperature, bias, multilabel=codebook.multilabel)
        uncalibrated = temperature == 1 and not any(bias or ())

        def calibrated(given: Array) -> tuple[LabelCalibration, ...]:
            return tuple(
                label_calibration(name, gold[rows, i], given[rows, i], resampled, seed=seed)
                for i, name in enumerate(codebook.names)
            )

        calibration = Calibration(
            rows="all rows" if len(rows) == len(sentences) else "rows drawn at random",
            n=len(at_random),
            documents=resampled.clusters,
            temperature=temperature,
            after=calibrated(p),
            before=None if uncalibrated else calibrated(cold),
            before_reason="the model's weights contain its temperature and biases" if uncalibrated else None,
        )
        return cls(
            calibration,
            threshold_curves(gold, p, codebook.names, thresholds),
            co_occurrence(gold, predicted, codebook),
            costly_errors(sentences, gold, predicted, p, codebook, errors),
            warnings(gold, predicted, codebook.names),
        )

    def to_dict(self, *, texts: bool) -> dict[str, Any]:
        """Return plain values for JSON. `texts` says whether to include the sentences of the errors."""
        plain: dict[str, Any] = without_nan(asdict(self))
        if not texts:
            for error in plain["errors"]:
                del error["text"], error["previous"]
        return plain


def before_calibration(
    probability: Array, temperature: float, bias: Sequence[float] | None, *, multilabel: bool
) -> Array:
    """Return the probabilities (n, k) of the same logits without the temperature and the biases (k,)."""
    logits = to_logits(probability, multilabel=multilabel) - (0 if bias is None else np.array(bias))
    return of_logits(logits * temperature, multilabel=multilabel).astype(np.float64)


def label_calibration(
    label: str, gold: BoolArray, probability: Array, resampled: Resamples, *, seed: int
) -> LabelCalibration:
    """Measure the calibration of one label.

    Args:
        label: Name of the label.
        gold: Whether each row has the label in gold (n,).
        probability: Probability of the label (n,).
        resampled: Resamples of the n rows.
        seed: Seed of the simulations for `ece_by_chance`.
    """
    of_bins = bin_sums(gold, probability)
    sums, drawn = of_bins.sum(axis=0), resampled.sums(of_bins)
    squared = np.column_stack([(probability - gold) ** 2, gold, np.ones(len(gold))])
    total, total_drawn = squared.sum(axis=0), resampled.sums(squared)
    chance = np.random.default_rng(seed).random((CHANCE, len(gold))) < probability
    by_chance = np.stack(np.broadcast_arrays(sums[:, 0], sums[:, 1], chance @ of_bins[:, :, 0]), axis=-1)

    def value(point: Any, of_resamples: Array, undefined: str) -> ScoreCI:
        return ScoreCI.from_bootstrap(float(point), of_resamples, resampled.clusters, undefined)

    with np.errstate(invalid="ignore", divide="ignore"):
        shares = drawn[..., 2] / drawn[..., 0]
    return LabelCalibration(
        label,
        gold=int(gold.sum()),
        ece=calibration_error(sums, drawn, resampled.clusters),
        ece_plain=float(expected_calibration_error(sums)),
        ece_by_chance=float(expected_calibration_error(by_chance).mean()),
        brier=value(total[0] / total[2], total_drawn[:, 0] / total_drawn[:, 2], "there is no row"),
        skill=value(
            brier_skill(total[0], total[1], total[2]),
            brier_skill(total_drawn[:, 0], total_drawn[:, 1], total_drawn[:, 2]),
            "either all rows or no rows have the label, so the base rate makes no error",
        ),
        bins=tuple(
            Bin(int(n), p / n, value(positive / n, shares[:, b], "there is no row"))
            for b, (n, p, positive) in enumerate(sums.tolist())
        ),
    )


def calibration_error(sums: Array, drawn: Array, clusters: int) -> ScoreCI:
    """Estimate the expected calibration error of the model, rather than that of the sample, with its interval.

    The error of a sample overestimates that of the model, because the distances in bins do not cancel out, and the error of
    resamples overestimates it even more. Kumar, Liang, Ma (2019, "Verified Uncertainty Calibration") resample the distances of
    the bins and subtract the excess. Here the distances are resampled by document, and tests are inverted, which also works
    near 0. For a hypothetical true error, the resampled noise is added to distances that are in the same proportions as the
    measured ones. The interval contains the errors for which the measured error is within the middle 95 % of the results. The
    estimate is the error for which half of the results are larger.

    In simulations, 150 samples of 25 documents with 12 rows each were drawn for each true error. Rows were independent for
    the first error, and similar within documents for the other two:

    =====================================  ======  ======  ======
    true error                              0.001   0.011   0.066
    =====================================  ======  ======  ======
    coverage of these intervals            98.7 %  98.0 %  96.0 %
    coverage of basic bootstrap intervals  55.3 %  81.3 %  90.7 %
    mean error of the samples               0.058   0.060   0.089
    mean estimate                           0.026   0.025   0.064
    =====================================  ======  ======  ======

    Args:
        sums: Sums of `bin_sums` over the rows (bins, 3).
        drawn: The same sums in each resample (resamples, bins, 3).
        clusters: Number of documents that were drawn from.
    """
    measured = float(expected_calibration_error(sums))
    if not len(sums):
        return ScoreCI(measured, measured, measured, "there is no row")
    distances = (sums[:, 1] - sums[:, 2]) / sums[:, 0].sum()
    noise = (drawn[..., 1] - drawn[..., 2]) / drawn[..., 0].sum(axis=-1, keepdims=True) - distances
    shape = distances / (measured or 1.0)
    low, value, high = inverted_interval(
        measured,
        lambda truth: np.asarray(np.abs(shape * truth + noise).sum(axis=-1)),
        measured + float(np.abs(noise).sum(axis=-1).max()),
        clusters=clusters if clusters > 1 else None,
    )
    return ScoreCI.from_bootstrap(value, noise, clusters, "there is no row", ends=lambda: (low, high))


def threshold_curves(
    gold: BoolArray, probability: Array, names: Sequence[str], thresholds: Sequence[float] | None
) -> tuple[Curve, ...]:
    """Return the curve of each label, or no curve if the most probable label is predicted, so that there are no thresholds."""
    if thresholds is None:
        return ()
    curves = []
    for i, name in enumerate(names):
        above = probability[:, i] >= THRESHOLDS[:, None]
        found = (above & gold[:, i]).sum(axis=1)
        counts = np.stack([found, above.sum(axis=1) - found, gold[:, i].sum() - found], axis=-1)
        precision, recall, f1 = precision_recall_f1(counts).T.tolist()
        curves.append(
            Curve(name, float(thresholds[i]), tuple(THRESHOLDS.tolist()), tuple(precision), tuple(recall), tuple(f1))
        )
    return tuple(curves)


def co_occurrence(gold: BoolArray, predicted: BoolArray, codebook: Codebook) -> CoOccurrence:
    """Count how often labels occur together in gold and in predictions."""
    if not codebook.multilabel:
        return CoOccurrence(codebook.names, None, None, _counts(gold.T.astype(int) @ predicted.astype(int)))

    def both(labels: BoolArray) -> tuple[tuple[int, ...], ...]:
        whole = np.column_stack([labels, ~labels.any(axis=1)]).astype(int)
        return _counts(whole.T @ whole)

    return CoOccurrence((*codebook.names, "none"), both(gold), both(predicted), None)


def _counts(matrix: NDArray[np.integer[Any]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())


def costly_errors(
    sentences: Sequence[Sentence],
    gold: BoolArray,
    predicted: BoolArray,
    probability: Array,
    codebook: Codebook,
    n: int,
) -> tuple[CostlyError, ...]:
    """Return the n wrong predictions with the greatest log loss. If several labels can apply, it is summed over labels."""
    p = np.clip(probability, EDGE, 1 - EDGE)
    loss = -np.where(gold, np.log(p), np.log1p(-p) if codebook.multilabel else 0.0).sum(axis=1)
    wrong = np.flatnonzero((gold != predicted).any(axis=1))
    order = wrong[np.argsort(-loss[wrong], kind="stable")][:n]

    by_place = {(*s.document_key, s.index): s.text for s in sentences}

    def named(row: BoolArray) -> tuple[str, ...]:
        return tuple(name for name, yes in zip(codebook.names, row, strict=True) if yes)

    return tuple(
        CostlyError(
            id=(s := sentences[i]).id,
            document=s.document,
            language=s.language,
            source=s.source,
            previous=s.previous or by_place.get((*s.document_key, s.index - 1)),
            text=s.text,
            gold=named(gold[i]),
            predicted=named(predicted[i]),
            probabilities={name: round(float(v), 4) for name, v in zip(codebook.names, probability[i], strict=True)},
            loss=round(float(loss[i]), 4),
        )
        for i in order
    )


def warnings(gold: BoolArray, predicted: BoolArray, names: Sequence[str]) -> tuple[str, ...]:
    """Return one warning for each gold label that occurs in no or all rows, or that seems to be swapped or inverted."""
    lines = []
    tp = gold.T.astype(float) @ predicted.astype(float)
    total = gold.sum(axis=0)[:, None] + predicted.sum(axis=0)[None, :]
    f1 = 2 * tp / np.maximum(total, 1)
    for i, name in enumerate(names):
        if not gold[:, i].any():
            lines.append(f"{name}: no gold row has this label, so its recall and average precision are not defined")
        elif gold[:, i].all():
            lines.append(
                f"{name}: all gold rows have this label, so the scores do not show whether the model can distinguish it"
            )
        for j in range(i + 1, len(names)):
            if min(f1[i, j], f1[j, i]) > 0.5 and max(f1[i, i], f1[j, j]) < 0.5 * min(f1[i, j], f1[j, i]):
                lines.append(
                    f"{name} and {names[j]}: the gold labels of each agree with the predictions of the other (F1 {f1[i, j]:.2f}, "
                    f"{f1[j, i]:.2f}) rather than with its own (F1 {f1[i, i]:.2f}, {f1[j, j]:.2f}). Check whether their columns "
                    "are swapped"
                )
        if gold[:, i].any() and not gold[:, i].all() and predicted[:, i].any() and not predicted[:, i].all():
            correlation = float(np.corrcoef(gold[:, i], predicted[:, i])[0, 1])
            if correlation < -0.3:
                lines.append(
                    f"{name}: the gold labels contradict the predictions (MCC {correlation:.2f}). Check whether 0 and 1 are "
                    "swapped in gold"
                )
    return tuple(lines)
