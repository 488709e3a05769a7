"""Store the out-of-fold logits of a cross-validation, so that other runs can tune and learn from them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.sentence import Sentence
from ..data.splits import NEVER_SCORED
from ..errors import RecipeError
from .steps import read_arrays, write_arrays

#: Name of the file in the folder of `communique train --folds`.
FOLD_FILE = "out-of-fold.npz"


def row_key(sentence: Sentence) -> str:
    """Return the hash that identifies a row: that of its id and its text."""
    return hashlib.sha256(f"{sentence.id}\n{sentence.sha256}".encode()).hexdigest()[:16]


@dataclass(frozen=True)
class FoldPredictions:
    """The predictions of the models of a cross-validation.

    Attributes:
        name: Name of the classifier.
        labels: Names of the k labels.
        rows: `row_key` of each of the n labelled rows.
        folds: Fold of each row (n,).
        logits: Out-of-fold logits (n, k) of the rows; NaN in folds that were not predicted.
        texts: SHA-256 of the text of each of the m unlabelled sentences.
        unlabelled: Logits (folds, m, k) of these sentences by the model of each fold; NaN if it was not trained.
        task: Task of the codebook. None: not known, as in files of earlier versions.
    """

    name: str
    labels: tuple[str, ...]
    rows: tuple[str, ...]
    folds: NDArray[np.int64]
    logits: NDArray[np.float32]
    texts: tuple[str, ...]
    unlabelled: NDArray[np.float32]
    task: str | None = None

    @property
    def sha256(self) -> str:
        """Hash of the predictions."""
        digest = hashlib.sha256("\n".join((*self.labels, *self.rows, *self.texts)).encode())
        for array in (self.folds, self.logits, self.unlabelled):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write the predictions into a folder. The file contains numbers and hashes, but no text."""
        write_arrays(
            folder / FOLD_FILE,
            name=np.array(self.name),
            labels=np.array(self.labels),
            rows=np.array(self.rows),
            folds=self.folds,
            logits=self.logits,
            texts=np.array(self.texts, np.dtype("U64")),
            unlabelled=self.unlabelled,
            task=np.array(self.task or ""),
        )

    @classmethod
    def read(cls, folder: Path) -> FoldPredictions:
        """Read the predictions from a folder.

        Raises:
            RecipeError: The folder has no such file, or the file is damaged.
        """
        content = read_arrays(folder / FOLD_FILE)
        try:
            if content is None:
                raise KeyError
            found = cls(
                str(content["name"]),
                tuple(content["labels"].tolist()),
                tuple(content["rows"].tolist()),
                content["folds"].astype(np.int64),
                content["logits"].astype(np.float32),
                tuple(content["texts"].tolist()),
                content["unlabelled"].astype(np.float32),
                str(content.get("task", "")) or None,
            )
            if not found._is_complete():
                raise KeyError
        except (KeyError, ValueError):
            raise RecipeError(
                f"{folder / FOLD_FILE}: the file is missing or damaged. Run `communique train RECIPE --folds {folder}` to "
                "compute it"
            ) from None
        return found

    def _is_complete(self) -> bool:
        """Return whether the arrays fit each other, and each row and each fold is predicted completely or not at all."""
        n, m, k = len(self.rows), len(self.texts), len(self.labels)
        if (self.folds.shape, self.logits.shape, self.unlabelled.shape[1:]) != ((n,), (n, k), (m, k)):
            return False
        if not all(isinstance(name, str) for name in (*self.labels, *self.rows, *self.texts)):
            return False
        if not ((self.folds >= NEVER_SCORED) & (self.folds < len(self.unlabelled))).all():
            return False
        parts = self.logits, self.unlabelled.reshape(len(self.unlabelled), -1)
        return all(bool((np.isfinite(part).all(axis=1) | np.isnan(part).all(axis=1)).all()) for part in parts)

    def positions(self, sentences: Sequence[Sentence]) -> NDArray[np.int64]:
        """Return the position of each sentence among the rows, or -1 if it is not among them."""
        known = {key: i for i, key in enumerate(self.rows)}
        return np.array([known.get(row_key(s), -1) for s in sentences], np.int64)
