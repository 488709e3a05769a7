"""Linear models that scikit-learn fits and that are stored as two arrays.

Probabilities are the sigmoid (several labels) or the softmax (exactly one label) of ``features @ coefficients.T + intercepts``.
This holds for logistic regression and for support vector machines, whose sigmoid calibration is linear in the decision value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..data.splits import assign_folds
from ..metrics.calibration import log_loss
from .base import BoolArray

#: Maximum number of solver iterations; text needs 20 to 60.
MAX_STEPS = 5000

Machine = Literal["logistic", "svm"]

#: Weights (c, d) and offsets (c,) of an affine map.
Map = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Linear:
    """A linear model: coefficients (k, d) and intercepts (k,)."""

    coefficients: NDArray[np.float32]
    intercepts: NDArray[np.float32]

    def logits(self, features: Any) -> NDArray[np.float32]:
        """Compute logits (n, k) from dense or sparse features (n, d)."""
        return np.asarray(features @ self.coefficients.T + self.intercepts, np.float32)


@dataclass(frozen=True)
class Fitted:
    """A linear model, the value of C chosen for each problem, and notes on what could not be learned from the data."""

    model: Linear
    strengths: dict[str, float]
    notes: tuple[str, ...]


def folds(
    classes: NDArray[np.int64], documents: NDArray[np.int64], number: int, seed: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return the training rows and the test rows of each fold that `assign_folds` makes.

    The number of folds is at most the number of documents that contain the rarest class. The list is empty if a class would be
    missing from the training rows of some fold.
    """
    present = np.unique(classes)
    number = min([number, *(len(np.unique(documents[classes == c])) for c in present)])
    of_row = assign_folds(documents, [[c] for c in classes.tolist()], number, seed=seed)
    splits = [(np.flatnonzero(of_row != fold), np.flatnonzero(of_row == fold)) for fold in np.unique(of_row)]
    return splits if all(len(np.unique(classes[train])) == len(present) for train, _ in splits) else []


def fit_linear(
    features: Any,
    gold: BoolArray,
    documents: NDArray[np.int64],
    names: Sequence[str],
    *,
    machine: Machine,
    multilabel: bool,
    strengths: Sequence[float],
    number: int,
    seed: int,
) -> Fitted:
    """Fit a linear model: one binary problem per label if several labels can apply, or one problem over all labels.

    A sigmoid that is fitted on held-out documents turns the decision values of a support vector machine into probabilities
    (Platt 1999, "Probabilistic Outputs for Support Vector Machines"). If exactly one label applies, multinomial logistic
    regression on the k decision values replaces the sigmoid.

    Args:
        features: Dense or sparse features (n, d).
        gold: Labels (n, k).
        documents: Unit of each row (n,), see `split_units`. Cross-validation keeps units whole.
        names: Names of the labels, for the notes.
        machine: Logistic regression (`logistic`) or support vector machine (`svm`).
        multilabel: Whether several labels can apply.
        strengths: Candidates for C, the inverse strength of the L2 penalty. Grouped cross-validation chooses the one with the
            lowest log loss. If there are too few documents for that, the middle one is used.
        number: Number of folds.
        seed: Seed of the folds and the solver.
    """
    from threadpoolctl import threadpool_limits

    solver = _Solver(features, documents, strengths, number, seed, machine)
    # The product of a matrix and a vector is limited by memory bandwidth. More threads only wait at full load: they turned
    # 5 seconds of CPU time into 45 (5,928 rows, 384 features, two cores that were also doing other work).
    with threadpool_limits(1, user_api="blas"):
        return _fit_labels(solver, gold, names) if multilabel else _fit_exclusive(solver, gold, names)


@dataclass(frozen=True)
class _Solver:
    """A solver that fits one problem with the value of C that performs best on held-out documents."""

    features: Any
    documents: NDArray[np.int64]
    strengths: Sequence[float]
    number: int
    seed: int
    machine: Machine

    def solve(self, classes: NDArray[np.int64], *, exclusive: bool) -> tuple[Map, float, str | None]:
        """Fit the classes 0 to c - 1.

        Args:
            classes: Class of each row (n,).
            exclusive: Whether each class has its own logit. Otherwise there are two classes, and the only logit is that of class 1.

        Returns:
            Coefficients and intercepts, the value of C, and a note on what could not be learned from the data, or None.
        """
        svm = self.machine == "svm"
        best, calibrate, note = self.strengths[len(self.strengths) // 2], None, None
        if svm or len(self.strengths) > 1:
            if splits := folds(classes, self.documents, self.number, self.seed):
                tried = [
                    self._judge(classes, values, exclusive) for values in self._held_out(classes, splits, exclusive)
                ]
                (_, calibrate), best = min(zip(tried, self.strengths, strict=True), key=lambda one: one[0][0])
            else:
                effect = "probabilities are not calibrated" if svm else f"the default C = {best:g} is used"
                note = f"too few documents for grouped cross-validation, so {effect}"
        coefficients, intercepts = _map(self._machine().set_params(C=best).fit(self.features, classes), exclusive)
        if calibrate is not None:
            weights, shifts = calibrate
            coefficients, intercepts = weights @ coefficients, weights @ intercepts + shifts
        return (coefficients, intercepts), best, note

    def _machine(self) -> Any:
        from sklearn.linear_model import LogisticRegression
        from sklearn.svm import LinearSVC

        machine = LinearSVC if self.machine == "svm" else LogisticRegression
        return machine(max_iter=MAX_STEPS, random_state=self.seed)

    def _held_out(
        self, classes: NDArray[np.int64], splits: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]], exclusive: bool
    ) -> NDArray[np.float64]:
        """Return decision values (s, n, c) on held-out documents at each of s values of C."""
        # These fits only choose C and are discarded. On dense features, single precision halves the memory traffic, and each fit
        # starts from the previous one. This takes a third of the time. Log losses agree to 3e-5, within the solver's tolerance.
        path = self.machine == "logistic" and isinstance(self.features, np.ndarray)
        features = self.features.astype(np.float32) if path else self.features
        values = np.zeros((len(self.strengths), len(classes), len(np.unique(classes)) if exclusive else 1))
        for train, test in splits:
            known, unseen = features[train], features[test]
            machine = self._machine()
            if path:
                machine.set_params(warm_start=True)
            for i, c in enumerate(self.strengths):
                coefficients, intercepts = _map(machine.set_params(C=c).fit(known, classes[train]), exclusive)
                values[i, test] = unseen @ coefficients.T + intercepts
        return values

    def _judge(
        self, classes: NDArray[np.int64], values: NDArray[np.float64], exclusive: bool
    ) -> tuple[float, Map | None]:
        """Return the log loss of decision values (n, c), and the map from them to logits, or None if they are logits."""
        from sklearn.linear_model import LogisticRegression

        calibrate = None
        if self.machine == "svm":
            model = LogisticRegression(max_iter=MAX_STEPS, random_state=self.seed).fit(values, classes)
            calibrate = _map(model, exclusive)
            values = values @ calibrate[0].T + calibrate[1]
        target = np.eye(values.shape[1], dtype=np.bool_)[classes] if exclusive else classes[:, None] == 1
        return log_loss(values, target, multilabel=not exclusive), calibrate


def _map(model: Any, exclusive: bool) -> Map:
    """Return the map of a fitted model. For two exclusive classes, scikit-learn stores only the difference of their logits."""
    if exclusive and len(model.classes_) == 2:
        return np.vstack([-model.coef_, model.coef_]) / 2, np.concatenate([-model.intercept_, model.intercept_]) / 2
    return model.coef_, model.intercept_


def _fit_labels(solver: _Solver, gold: BoolArray, names: Sequence[str]) -> Fitted:
    """Fit one problem per label. A label that all sentences have, or none, gets its smoothed log odds as constant logit."""
    n, k = gold.shape
    coefficients = np.zeros((k, solver.features.shape[1]), np.float32)
    intercepts = np.zeros(k, np.float32)
    strengths: dict[str, float] = {}
    notes: list[str] = []
    for label, name in enumerate(names):
        positive = int(gold[:, label].sum())
        if positive in (0, n):
            intercepts[label] = np.log((positive + 0.5) / (n - positive + 0.5))
            notes.append(
                f"{name}: {positive} of {n} training sentences have this label, so its probability is constant"
            )
            continue
        (weights, shifts), strengths[name], note = solver.solve(gold[:, label].astype(np.int64), exclusive=False)
        coefficients[label], intercepts[label] = weights[0], shifts[0]
        if note:
            notes.append(f"{name}: {note}")
    return Fitted(Linear(coefficients, intercepts), strengths, tuple(notes))


def _fit_exclusive(solver: _Solver, gold: BoolArray, names: Sequence[str]) -> Fitted:
    """Fit one problem over all labels. A label that no training sentence has gets the probability 0."""
    k = gold.shape[1]
    present = np.flatnonzero(gold.any(axis=0))
    coefficients = np.zeros((k, solver.features.shape[1]), np.float32)
    intercepts = np.full(k, -np.inf, np.float32)
    notes = [
        f"{names[i]}: no training sentence has this label, so its probability is 0"
        for i in range(k)
        if i not in present
    ]
    strengths: dict[str, float] = {}
    if len(present) == 1:
        intercepts[present] = 0
    else:
        classes = np.searchsorted(present, gold.argmax(axis=1))
        (weights, shifts), strengths["all"], note = solver.solve(classes, exclusive=True)
        coefficients[present], intercepts[present] = weights, shifts
        if note:
            notes.append(note)
    return Fitted(Linear(coefficients, intercepts), strengths, tuple(notes))
