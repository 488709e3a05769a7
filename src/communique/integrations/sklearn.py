"""A trained model as a scikit-learn estimator, for pipelines, cross-validation tables and `ColumnTransformer`s."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..data.inputs import as_texts
from ..errors import DataError, MissingExtraError
from ..load import load_model
from ..models.classifier import Classifier
from ..models.predictor import Predictions

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
except ModuleNotFoundError:
    raise MissingExtraError("scikit-learn", "analysis", "communique.integrations.sklearn") from None


class StanceClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Labels texts with a trained model; `fit` learns nothing.

    Args:
        model: Folder of a model; the one that ships where None.
        threads: CPU threads; all cores where None.

    Attributes:
        classes_: Names of the labels in the codebook's order, after `fit`.
    """

    def __init__(self, model: str | Path | None = None, threads: int | None = None) -> None:
        self.model = model
        self.threads = threads

    def fit(self, X: Any, y: Any = None) -> Self:  # scikit-learn's name
        """Check that texts are texts, labels are the model's, and the model opens; nothing is learned.

        Args:
            X: Texts, as `texts.as_texts` takes them.
            y: Labels: names or lists of names of the codebook, or 0 and 1 of shape (n, k); or None.

        Raises:
            DataError: A text is none, a label is not in the codebook, or there are not as many labels as texts.
        """
        texts = as_texts(X)
        names = self._opened().codebook.names
        if y is not None:
            _check_labels(y, len(texts), names)
        self.classes_ = np.array(names)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Label texts.

        Returns:
            Where a text can carry several labels 0 and 1 of shape (n, k), columns as in `classes_`; else names (n,).
        """
        decisions = self._predictions(X).decisions
        if self._opened().info.multilabel:
            return decisions.astype(np.int64)
        return np.asarray(np.array(self._opened().codebook.names)[decisions.argmax(axis=1)])

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """Give probabilities (n, k), columns as in `classes_`; rows need not sum to 1 where labels are several."""
        return self._predictions(X).probabilities

    def _predictions(self, X: Any) -> Predictions:
        return self._opened().predict(as_texts(X))

    def _opened(self) -> Classifier:
        key = (self.model, self.threads)
        if getattr(self, "_open", None) is None or self._open[0] != key:
            self._open: tuple[Any, Classifier] = (key, load_model(self.model, threads=self.threads))
        return self._open[1]

    def __getstate__(self) -> dict[str, Any]:
        # An open network can be neither copied nor sent to another process; it is opened again there.
        return {key: value for key, value in super().__getstate__().items() if key != "_open"}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.target_tags.required = False
        tags.target_tags.multi_output = True
        tags.classifier_tags.multi_label = True
        tags.requires_fit = False
        tags.no_validation = True
        return tags


def _check_labels(y: Any, n: int, names: tuple[str, ...]) -> None:
    given = list(y)
    if len(given) != n:
        raise DataError(f"y: {len(given)} labels for {n} texts; give one, or a list of labels, for each")
    for i, one in enumerate(given):
        row = list(one) if isinstance(one, (list, tuple, set, np.ndarray)) else [one]
        if len(row) == len(names) and all(value in (0, 1) for value in row):
            continue
        for name in row:
            if name not in names:
                raise DataError(f"y[{i}]: {name!r}; allowed: {', '.join(names)}, or 0 and 1 of shape (n, {len(names)})")
