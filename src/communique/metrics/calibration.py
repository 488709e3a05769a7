"""Tune the temperature, biases and thresholds of a model on rows that it was not trained on.

All logits are divided by one temperature (Guo et al. 2017, "On Calibration of Modern Neural Networks"), and then one bias per
label is added. The biases correct the base rates: a model predicts a label too often if the label was enriched in its training
data. If the task is multilabel, each label also has its own threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

#: Thresholds whose F1 is within this distance of the best F1 count as equally good. A few hundred rows cannot distinguish them.
PLATEAU = 0.01

#: Probabilities are clipped to [EDGE, 1 - EDGE] before their logarithm is taken, because float32 cannot represent values much
#: closer to 1.
EDGE = 1e-7

#: With fewer positive rows than this, a threshold is mainly determined by the theoretical optimum (see `fit_thresholds`).
MIN_POSITIVES = 50

FloatArray = NDArray[np.floating]
BoolArray = NDArray[np.bool_]

#: Thresholds that are tried. A finer grid would fit the noise of a few hundred rows.
GRID = np.round(np.arange(0.02, 0.901, 0.01), 2)

#: Weight of the theoretical optimum, as a number of positive rows. train/LOG.md reports the measurements behind it.
PRIOR_POSITIVES = 100


#: Standard deviations of the normal priors of `fit_calibration`, for 1/temperature (with mean 1) and for each bias (with mean 0).
SPREADS = 0.5, 0.5

#: Lowest and highest temperature.
TEMPERATURES = 0.25, 4.0


@dataclass(frozen=True)
class Tuning:
    """Parameters that turn logits into probabilities and decisions, and the rows that they were tuned on.

    Logits are divided by `temperature`, and then `bias` (k,) is added. `thresholds` (k,) is None if exactly one label
    applies. `rows` is the number of rows, and `by` says how they were predicted.
    """

    temperature: float
    bias: NDArray[np.float64]
    thresholds: NDArray[np.float64] | None
    rows: int
    by: Literal["validation", "out-of-fold"] = "validation"

    @classmethod
    def none(cls, labels: int, *, multilabel: bool) -> Tuning:
        """Return the parameters for a model without rows to tune on: unchanged logits, and thresholds of 0.5."""
        return cls(1.0, np.zeros(labels), np.full(labels, 0.5) if multilabel else None, 0)

    @property
    def plain_thresholds(self) -> tuple[float, ...] | None:
        """The thresholds as plain numbers, for JSON."""
        return None if self.thresholds is None else tuple(self.thresholds.tolist())

    def probabilities(self, logits: FloatArray) -> NDArray[np.float32]:
        """Return the calibrated probabilities (n, k) of logits (n, k)."""
        multilabel = self.thresholds is not None
        return probabilities(logits, multilabel=multilabel, temperature=self.temperature, bias=self.bias)

    def decide(self, logits: FloatArray) -> BoolArray:
        """Return the predicted labels (n, k) of logits (n, k)."""
        return decide(self.probabilities(logits), self.thresholds)


def probabilities(
    logits: FloatArray, *, multilabel: bool, temperature: float = 1.0, bias: Sequence[float] | FloatArray | None = None
) -> NDArray[np.float32]:
    """Convert logits (n, k) to probabilities (n, k), by the sigmoid if several labels can apply, or else by the softmax.

    Args:
        logits: Logits (n, k).
        multilabel: Whether several labels can apply.
        temperature: Divisor of the logits.
        bias: Values (k,) that are then added. Default: 0.
    """
    scaled = np.asarray(logits, np.float64) / temperature + (0 if bias is None else np.asarray(bias, np.float64))
    if multilabel:
        return (0.5 * (1 + np.tanh(scaled / 2))).astype(np.float32)
    exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares: NDArray[np.float32] = (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def to_logits(probability: FloatArray, *, multilabel: bool) -> NDArray[np.float64]:
    """Return logits (n, k) for which `probabilities` returns these probabilities (n, k).

    These are log-odds if several labels can apply, or else logarithms. Probabilities are clipped to [EDGE, 1 - EDGE], so that
    a temperature can also scale probabilities of exactly 0 or 1.
    """
    p = np.clip(np.asarray(probability, np.float64), EDGE, 1 - EDGE)
    return np.asarray(np.log(p) - np.log1p(-p) if multilabel else np.log(p))


def decide(probability: FloatArray, thresholds: FloatArray | None) -> BoolArray:
    """Return the predicted labels (n, k): all labels that reach their threshold, or the most probable one without thresholds."""
    if thresholds is not None:
        return np.asarray(probability) >= np.asarray(thresholds, np.float32)
    chosen = np.zeros(probability.shape, np.bool_)
    if len(chosen):
        chosen[np.arange(len(chosen)), probability.argmax(axis=1)] = True
    return chosen


def certainty(probability: FloatArray, decisions: BoolArray) -> NDArray[np.float64]:
    """Return the probability (n,) that the least certain decision about a label is right.

    A decision for a label is right with the probability p of the label, and a decision against it with 1 - p. If exactly one label
    applies, the least certain decision is the one for this label.

    Args:
        probability: Calibrated probabilities (n, k).
        decisions: Predicted labels (n, k).
    """
    p = np.asarray(probability, np.float64)
    return np.asarray(np.where(decisions, p, 1 - p).min(axis=1))


def check_abstention(minimum: float) -> float:
    """Return a probability below which a model may abstain from a decision.

    Raises:
        ValueError: It is not more than 0.5 and less than 1. With 0.5 or less, decisions would be kept that are probably wrong.
    """
    if 0.5 < minimum < 1:
        return minimum
    # Closer to 0 or 0.5, the advice would be rounded to 1 or 0.5, which are refused too.
    hint = (
        f". To accept a probability of {minimum:g} of an error, write {1 - minimum:g}"
        if 0.001 <= minimum <= 0.49
        else ""
    )
    raise ValueError(
        f"{minimum:g} is not allowed. Write the probability that a decision must at least have of being right: more than 0.5 and "
        f"less than 1, such as 0.9{hint}"
    )


def log_loss(logits: FloatArray, gold: BoolArray, *, multilabel: bool) -> float:
    """Return the mean negative log-likelihood of gold labels (n, k). If several labels can apply, it is also averaged over them."""
    p = np.clip(probabilities(logits, multilabel=multilabel).astype(np.float64), EDGE, 1 - EDGE)
    if multilabel:
        return float(-np.where(gold, np.log(p), np.log1p(-p)).mean())
    return float(-np.log(p[gold]).mean())


def fit_calibration(logits: FloatArray, gold: BoolArray, *, multilabel: bool) -> tuple[float, NDArray[np.float64]]:
    """Fit the temperature, between 0.25 and 4, and the biases (k,) by penalised logistic regression.

    The objective is the sum of the log losses plus a ridge penalty: half the squared distance of 1/temperature from 1 and of
    each bias from 0, in units of `SPREADS`. For a rare label, the penalty weighs as much as four positive rows. It therefore
    shrinks the bias towards 0 if there are few positive rows, and hardly matters if there are a hundred. Without the penalty,
    biases fitted on 20 rows would on average make the log loss worse than no calibration. The objective is convex in
    1/temperature and the biases, so Newton's method finds its only minimum.

    Args:
        logits: Logits (n, k) of rows that the model was not trained on.
        gold: Gold labels (n, k).
        multilabel: Whether several labels can apply.
    """
    z = np.asarray(logits, np.float64)
    start = np.r_[1.0, np.zeros(z.shape[1])]
    weights = np.r_[SPREADS[0], np.full(z.shape[1], SPREADS[1])] ** -2.0
    low, high = 1 / TEMPERATURES[1], 1 / TEMPERATURES[0]

    def loss(point: FloatArray) -> float:
        return _loss(z * point[0] + point[1:], gold, multilabel) + float(weights @ (point - start) ** 2) / 2

    point, value = start, loss(start)
    for _ in range(100):
        gradient, curvature = _derivatives(z, gold, point, multilabel)
        gradient += weights * (point - start)
        # If the temperature is at a limit and would leave its range, only the biases are updated.
        free = np.full(len(point), True)
        free[0] = low < point[0] < high or (point[0] == low) == (gradient[0] < 0)
        step = np.zeros_like(point)
        step[free] = np.linalg.solve((curvature + np.diag(weights))[np.ix_(free, free)], gradient[free])
        for halvings in range(30):
            new = point - step / 2**halvings
            new[0] = np.clip(new[0], low, high)
            if (reached := loss(new)) <= value:
                break
        else:
            break
        gained, point, value = value - reached, new, reached
        if gained <= 1e-10 * (1 + abs(value)):
            break
    return float(1 / point[0]), point[1:]


def _loss(x: FloatArray, gold: BoolArray, multilabel: bool) -> float:
    """Return the sum of the log losses of logits x (n, k)."""
    if multilabel:
        return float(np.logaddexp(0, x).sum() - x[gold].sum())
    highest = x.max(axis=1)
    return float((highest + np.log(np.exp(x - highest[:, None]).sum(axis=1))).sum() - x[gold].sum())


def _derivatives(
    z: FloatArray, gold: BoolArray, point: FloatArray, multilabel: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the gradient (1 + k,) and the Hessian (1 + k, 1 + k) of the loss at the logits z * point[0] + point[1:]."""
    p = probabilities(z * point[0] + point[1:], multilabel=multilabel).astype(np.float64)
    if multilabel:
        w = p * (1 - p)
        mixed, biases, scale = (w * z).sum(axis=0), np.diag(w.sum(axis=0)), (w * z * z).sum()
    else:
        centred = p * (z - (p * z).sum(axis=1, keepdims=True))
        mixed, biases, scale = centred.sum(axis=0), np.diag(p.sum(axis=0)) - p.T @ p, (centred * z).sum()
    error = p - gold
    gradient = np.r_[(error * z).sum(), error.sum(axis=0)]
    return gradient, np.block([[np.array([[scale]]), mixed[None, :]], [mixed[:, None], biases]])


def fit_thresholds(probability: FloatArray, gold: BoolArray) -> NDArray[np.float64]:
    """Fit the threshold of each label: the threshold with the greatest F1, shrunk towards the theoretical optimum.

    If probabilities are calibrated, the greatest expected F1 is reached at a threshold of half that F1, which is never above
    0.5 (Lipton, Elkan, Naryanaswamy 2014, "Optimal Thresholding of Classifiers to Maximize F1 Measure"). This theoretical
    optimum only depends on the probabilities, and varies little from sample to sample. The threshold with the greatest F1 on
    gold labels also corrects probabilities that are not calibrated, but with few positive rows it is mostly noise. Its weight
    is therefore m / (m + `PRIOR_POSITIVES`), where m is the number of positive rows.

    Args:
        probability: Calibrated probabilities (n, k) of rows that the model was not trained on.
        gold: Gold labels (n, k).

    Returns:
        Thresholds (k,). The threshold is 0.5 for a label without a positive row.
    """
    thresholds = np.full(gold.shape[1], 0.5)
    for label in np.flatnonzero(gold.any(axis=0)):
        p, positives = probability[:, label].astype(np.float64), int(gold[:, label].sum())
        weight = positives / (positives + PRIOR_POSITIVES)
        mixed = weight * _best_threshold(p, gold[:, label]) + (1 - weight) * theoretical_threshold(p)
        thresholds[label] = round(float(mixed), 4)
    return thresholds


def describe_few_positives(labels: Sequence[str], positives: Sequence[int], rows: str) -> list[str]:
    """Return a line about labels with few positive rows, or an empty list if there are none.

    Args:
        labels: The k labels.
        positives: Number of positive rows of each label among those that thresholds are tuned on.
        rows: What the line calls these rows, such as `held-out rows`.
    """
    few = [f"{name} {n}" for name, n in zip(labels, positives, strict=True) if n < MIN_POSITIVES]
    if not few:
        return []
    return [
        f"There are few {rows} with these labels: {', '.join(few)}. With fewer than {MIN_POSITIVES} rows, a threshold is mostly "
        "the theoretical optimum, half of the F1 that calibrated probabilities would reach"
    ]


def theoretical_threshold(p: FloatArray) -> float:
    """Return the threshold with the greatest expected F1 for calibrated probabilities (n,), which is half of that F1."""
    # Expected numbers of true positives if the label is predicted for the most probable row, for the two most probable, and so on.
    true = np.cumsum(np.sort(np.asarray(p, np.float64))[::-1])
    return float((true / (np.arange(1, len(true) + 1) + true[-1])).max())


def _best_threshold(p: FloatArray, gold: BoolArray) -> float:
    above = p[None, :] >= GRID[:, None]
    f1 = 2 * (above & gold).sum(axis=1) / (above.sum(axis=1) + gold.sum())
    # The curve is flat around its maximum, whose position is partly noise. The mean of all near-optimal thresholds is more stable.
    return float(GRID[f1 >= f1.max() - PLATEAU].mean())


def tune(
    logits: FloatArray,
    gold: BoolArray,
    *,
    multilabel: bool,
    by: Literal["validation", "out-of-fold"] = "validation",
) -> Tuning:
    """Fit the temperature and the biases, and then the thresholds of the calibrated probabilities.

    Args:
        logits: Logits (n, k) of rows that the model was not trained on. If there are no rows, nothing is tuned.
        gold: Gold labels (n, k).
        multilabel: Whether a sentence can have several labels.
        by: How the rows were predicted.
    """
    if not len(gold):
        return Tuning.none(gold.shape[1], multilabel=multilabel)
    temperature, bias = fit_calibration(logits, gold, multilabel=multilabel)
    thresholds = None
    if multilabel:
        calibrated = probabilities(logits, multilabel=True, temperature=temperature, bias=bias)
        thresholds = fit_thresholds(calibrated, gold)
    return Tuning(temperature, bias, thresholds, len(gold), by)
