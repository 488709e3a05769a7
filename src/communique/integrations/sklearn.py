"""A trained or trainable model as a scikit-learn estimator, for pipelines, cross-validation tables and `ColumnTransformer`s."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..data.inputs import as_texts
from ..errors import DataError, MissingExtraError
from ..load import load_model
from ..models.classifier import Classifier

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils.validation import check_is_fitted
except ModuleNotFoundError:
    raise MissingExtraError("scikit-learn", "analysis", "communique.integrations.sklearn") from None


class StanceClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Label texts with a trained model, or with a classifier that `fit` chooses and trains.

    Args:
        model: Folder of a model. Default: the one that ships.
        threads: Number of CPU threads of that model. Default: all cores.
        kind: `auto` to let `fit` choose a classifier by cross-validation and train it, or `tfidf`, `frozen-encoder` or
            `transformer` to train that one. Default: `fit` learns nothing, and the model labels.
        random_state: Seed of the folds and of the training.

    Attributes:
        classes_: With a model the names of its labels, else the classes in `y`, in the order of the columns of probabilities.
        selection_: What was compared, what was kept and why, if `kind` is given; `selection_.render()` is the report.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        threads: int | None = None,
        kind: str | None = None,
        random_state: int = 0,
    ) -> None:
        self.model = model
        self.threads = threads
        self.kind = kind
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, groups: Any = None) -> Self:  # scikit-learn's name
        """Choose and train a classifier if `kind` is given; else check that texts and labels suit the model.

        Args:
            X: Texts, as `data.inputs.as_texts` takes them.
            y: Labels: one name per text, a list of names per text, or 0 and 1 of shape (n, k). Needed if `kind` is given.
            groups: Document of each text (n,). Cross-validation keeps documents whole. Default: each text is a document of its
                own.

        Raises:
            DataError: An element is not a text, a label is not in the model's codebook, or texts and labels are not equally many.
        """
        texts = as_texts(X)
        if self.kind is not None:
            if y is None:
                raise DataError(
                    "y: no labels; a classifier that is trained needs some. Without `kind`, `fit` needs none"
                )
            from .trainable import train_on_texts

            self._trained = train_on_texts(texts, y, groups, kind=self.kind, seed=self.random_state)
            self.classes_, self.selection_ = self._trained.classes, self._trained.selection
            return self
        names = self._opened().codebook.names
        if y is not None:
            _check_labels(y, len(texts), names)
        self.classes_ = np.array(names)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Label texts.

        Returns:
            If a text can have several labels 0 and 1 of shape (n, k), columns as in `classes_`; else classes (n,).
        """
        if self.kind is not None:
            check_is_fitted(self, "classes_")
            classes, multilabel = self.classes_, self._trained.multilabel
            decisions = self._trained.decisions(as_texts(X))
        else:
            opened = self._opened()
            classes, multilabel = np.array(opened.codebook.names), opened.info.multilabel
            decisions = opened.predict(as_texts(X)).decisions
        return decisions.astype(np.int64) if multilabel else np.asarray(classes[decisions.argmax(axis=1)])

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """Compute probabilities (n, k), columns as in `classes_`; rows need not sum to 1 if a text can have several labels."""
        if self.kind is not None:
            check_is_fitted(self, "classes_")
            return self._trained.probabilities(as_texts(X))
        return self._opened().predict(as_texts(X)).probabilities

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
        tags.target_tags.required = self.kind is not None
        tags.target_tags.multi_output = True
        tags.classifier_tags.multi_label = True
        tags.requires_fit = self.kind is not None
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
