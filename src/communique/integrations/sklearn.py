"""A trained or trainable model as a scikit-learn estimator, for pipelines, cross-validation and grid searches."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..data.inputs import as_texts
from ..errors import DataError, MissingExtraError
from ..load import load_model
from ..models.classifier import Classifier
from ..training.recipe import MAX_SEED
from .targets import label_rows

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils.validation import check_is_fitted, check_random_state
except ModuleNotFoundError:
    raise MissingExtraError("scikit-learn", "analysis", "communique.integrations.sklearn") from None


class StanceClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no type hints
    """Label texts with a trained model, or with a classifier that `fit` chooses and trains.

    Args:
        model: A model folder, or `communique-small` for the shipped model. Default: the folder in the environment variable
            COMMUNIQUE_MODEL, or else the shipped model.
        threads: Number of CPU threads of that model. Default: all cores.
        kind: With `auto`, `fit` chooses a classifier by cross-validation and trains it. With `tfidf`, `frozen-encoder` or
            `transformer`, it trains this classifier. Default: `fit` learns nothing, and the model is used.
        random_state: Seed of the folds and of the training. With None or a generator, a seed is drawn.
        verbose: If greater than 0, `fit` prints how long it will take, and what is finished. Default: it prints nothing.

    Attributes:
        classes_: The classes in the order of the columns of probabilities: the classes in `y` if `kind` is set, and otherwise the
            names of the model's labels.
        selection_: The comparison of classifiers and the choice, if `kind` is set. `selection_.render()` returns the report.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        threads: int | None = None,
        kind: str | None = None,
        random_state: int | np.random.RandomState | None = 0,
        verbose: int = 0,
    ) -> None:
        self.model = model
        self.threads = threads
        self.kind = kind
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, groups: Any = None) -> Self:  # scikit-learn's name
        """Choose and train a classifier if `kind` is set. Otherwise check that the model can use the texts and labels.

        A `UserWarning` says so if the trained classifier has learned nothing.

        Args:
            X: Texts in any form that `data.inputs.as_texts` accepts.
            y: Labels: one name per text, a list of names per text, or an array (n, k) of 0 and 1. Required if `kind` is set.
            groups: Document of each text (n,). Cross-validation keeps documents whole. Default: each text is a separate document.

        Raises:
            DataError: An element is not a text, a label is not in the model's codebook, or the numbers of texts and labels differ.
        """
        texts = as_texts(X)
        if self.kind is not None:
            if y is None:
                raise DataError(
                    "y: there are no labels, but training a classifier requires them. Pass y, or do not set `kind` to use a model"
                )
            from .trainable import train_on_texts

            self._trained = train_on_texts(
                texts, y, groups, kind=self.kind, seed=self._seed(), verbose=bool(self.verbose)
            )
            if self._trained.unfit:
                warnings.warn(self._trained.unfit, UserWarning, stacklevel=2)
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
            If a text can have several labels, an array (n, k) of 0 and 1 with columns as in `classes_`. Otherwise classes (n,).
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
        """Compute probabilities (n, k) with columns as in `classes_`. If a text can have several labels, rows may not sum to 1."""
        if self.kind is not None:
            check_is_fitted(self, "classes_")
            return self._trained.probabilities(as_texts(X))
        return self._opened().predict(as_texts(X)).probabilities

    def _seed(self) -> int:
        """Return a seed, which is drawn if `random_state` is not a number.

        Raises:
            DataError: `random_state` is neither a seed, nor a generator, nor None.
        """
        if isinstance(self.random_state, (int, np.integer)) and 0 <= self.random_state <= MAX_SEED:
            return int(self.random_state)
        try:
            return int(check_random_state(self.random_state).randint(2**31))
        except ValueError as error:
            raise DataError(f"random_state: {error}. Pass a whole number from 0 to {MAX_SEED}") from error

    def _opened(self) -> Classifier:
        key = (self.model, self.threads)
        if getattr(self, "_open", None) is None or self._open[0] != key:
            self._open: tuple[Any, Classifier] = (key, load_model(self.model, threads=self.threads))
        return self._open[1]

    def __getstate__(self) -> dict[str, Any]:
        # A network that is open can be neither copied nor sent to another process, so the copy opens it again.
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
    given = label_rows(y)
    if len(given) != n:
        raise DataError(f"y: {len(given)} labels for {n} texts. Pass one label, or a list of labels, per text")
    for i, one in enumerate(given):
        row = list(one) if isinstance(one, (list, tuple, set, np.ndarray)) else [one]
        if len(row) == len(names) and all(value in (0, 1) for value in row):
            continue
        for name in row:
            if name not in names:
                raise DataError(
                    f"y[{i}]: {name!r} is not a label; allowed: {', '.join(names)}, or an array (n, {len(names)}) of 0 and 1"
                )
