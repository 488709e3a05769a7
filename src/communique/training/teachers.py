"""Teachers: models whose probabilities a student learns.

A teacher must not have seen the rows on which the student is scored. A model that another run trained is therefore refused if it
was trained on such rows. The models of a cross-validation label only for a student whose training rows contain all of theirs: each
of them for a student that is trained on all rows, and the one of the same fold for a student of a cross-validation.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..errors import LeakError, RecipeError
from ..metrics.calibration import fit_calibration, probabilities
from ..metrics.scores import indicator
from ..models.classifier import Classifier
from ..models.distillation import TeacherInfo
from ..models.folder import held_out_ids, read_info, verify_files
from ..reporting.format import counted
from .fold_predictions import FoldPredictions
from .steps import read_arrays, write_arrays

Probabilities = NDArray[np.float32]


class Teacher(Protocol):
    """A source of probabilities."""

    info: TeacherInfo

    def probabilities(
        self, corpus: Corpus, unlabelled: Corpus, cache: Path | None
    ) -> tuple[Probabilities, list[Probabilities]]:
        """Return out-of-fold probabilities (n, k) of a student's training rows, and probabilities (m, k) of unlabelled rows.

        Probabilities of labelled rows are NaN if there are none. There is one array of unlabelled rows per model that may label.

        Args:
            corpus: The rows that train the student.
            unlabelled: Sentences without labels.
            cache: A folder in which probabilities are stored, so that a resumed run does not compute them again. None: they are
                not stored.
        """
        ...


class ModelTeacher:
    """A model folder, which labels unlabelled rows.

    Args:
        folder: A checkpoint or a bundle.
        codebook: The codebook of the student.
        scored: The rows on which the student is scored.

    Raises:
        RecipeError: The model has no network, or other labels or another task than the codebook.
        LeakError: The model was trained on some of the scored rows.
        BundleError: The folder is not a complete model.
    """

    def __init__(self, folder: Path, codebook: Codebook, scored: Corpus) -> None:
        self.folder, self.model_info, self.codebook = folder, read_info(folder), codebook
        if self.model_info.kind == "baseline":
            raise RecipeError(
                f"teachers: {folder} is a baseline. Name a checkpoint, a bundle, or a folder of `train --folds`"
            )
        _check_codebook(folder, self.model_info.labels, self.model_info.task, codebook)
        verify_files(folder, self.model_info)
        self._check_scored(scored)
        self.info = TeacherInfo(name=self.model_info.name, kind="model", sha256=self.model_info.sha256)

    def _check_scored(self, scored: Corpus) -> None:
        trained = self.model_info.training.fingerprint
        # The hashes also contain the rows that were held out when the teacher was trained.
        unseen = held_out_ids(self.folder, self.model_info)
        seen = [s for s in scored if s.id not in unseen and trained.overlap(s)]
        if seen:
            raise LeakError(
                f"teachers: {self.folder} was trained on {counted(len(seen), 'row')} of {len(scored)} on which the new model is "
                f"scored (first: id {seen[0].id!r}), so its scores would be too high. Name the folder of `train --folds` for the "
                "same corpora instead, or name corpora with the role 'validation' that did not train the teacher"
            )

    def probabilities(
        self, corpus: Corpus, unlabelled: Corpus, cache: Path | None
    ) -> tuple[Probabilities, list[Probabilities]]:
        """Return only probabilities of unlabelled rows, because the model may have memorised the labelled ones."""
        k = len(self.codebook.names)
        none = np.full((len(corpus), k), np.nan, np.float32)
        digest = hashlib.sha256("\n".join((self.info.sha256, *(s.sha256 for s in unlabelled))).encode()).hexdigest()
        path = None if cache is None else cache / f"{self.info.name}-{digest[:16]}.npz"
        stored = read_arrays(path) if path else None
        if stored is not None and stored["probabilities"].shape == (len(unlabelled), k):
            return none, [stored["probabilities"]]
        columns = [self.model_info.labels.index(name) for name in self.codebook.names]
        found = self._open().predict(unlabelled.sentences).probabilities[:, columns]
        if path:
            write_arrays(path, probabilities=found)
        return none, [found]

    def _open(self) -> Classifier:
        if self.model_info.kind == "bundle":
            from ..models.predictor import Predictor

            return Predictor(self.folder, info=self.model_info)
        from ..models.checkpoint import CheckpointClassifier

        return CheckpointClassifier(self.folder, info=self.model_info)


class FoldTeacher:
    """The models of a cross-validation, whose predictions are stored in a folder.

    Args:
        folder: A folder that `communique train --folds` wrote.
        codebook: The codebook of the student.

    Raises:
        RecipeError: The predictions are missing, or for other labels or another task than those of the codebook.
    """

    def __init__(self, folder: Path, codebook: Codebook) -> None:
        self.folder, self.codebook, self.predictions = folder, codebook, FoldPredictions.read(folder)
        _check_codebook(folder, self.predictions.labels, self.predictions.task, codebook)
        self.info = TeacherInfo(name=self.predictions.name, kind="folds", sha256=self.predictions.sha256)

    def probabilities(
        self, corpus: Corpus, unlabelled: Corpus, cache: Path | None
    ) -> tuple[Probabilities, list[Probabilities]]:
        """Return out-of-fold probabilities of labelled rows, and those of unlabelled rows by each model that may label.

        Logits become probabilities with a temperature and biases that fit the out-of-fold logits of the student's rows.

        Raises:
            LeakError: Each model was trained on rows that do not train the student.
            RecipeError: The folder has no predictions for some unlabelled sentences.
        """
        found, codebook = self.predictions, self.codebook
        columns = [found.labels.index(name) for name in codebook.names]
        logits, unlabelled_logits = found.logits[:, columns], self._unlabelled(unlabelled)[..., columns]
        rows = found.positions(corpus.sentences)
        inside = np.isin(np.arange(len(found.rows)), rows)
        predicted = ~np.isnan(logits[:, 0])
        usable = [fold for fold in np.unique(found.folds[predicted]).tolist() if inside[found.folds != fold].all()]
        if not usable:
            raise LeakError(
                f"teachers: each model of {self.folder} was trained on rows that do not train the new model, on which it may be "
                "scored, so its scores would be too high. Train with --kind transformer and the same corpora and seed as the "
                "recipe of these models"
            )
        known = np.flatnonzero(rows >= 0)
        known = known[predicted[rows[known]]]
        temperature, bias = fit_calibration(
            logits[rows[known]], indicator(corpus.sentences, codebook)[known], multilabel=codebook.multilabel
        )

        def calibrated(values: NDArray[np.float32]) -> Probabilities:
            return probabilities(values, multilabel=codebook.multilabel, temperature=temperature, bias=bias)

        labelled = np.full((len(corpus), len(codebook.names)), np.nan, np.float32)
        known = known[np.isin(found.folds[rows[known]], usable)]
        labelled[known] = calibrated(logits[rows[known]])
        return labelled, [calibrated(unlabelled_logits[fold]) for fold in usable] if len(unlabelled) else []

    def _unlabelled(self, unlabelled: Corpus) -> NDArray[np.float32]:
        position = {digest: i for i, digest in enumerate(self.predictions.texts)}
        missing = sum(s.sha256 not in position for s in unlabelled)
        if missing:
            raise RecipeError(
                f"teachers: {self.folder} has no predictions for {missing} of {counted(len(unlabelled), 'unlabelled sentence')}. "
                f"Name the same texts in 'unlabelled' of its recipe, and run `communique train RECIPE --folds {self.folder}` again"
            )
        return self.predictions.unlabelled[:, [position[s.sha256] for s in unlabelled]]


def _check_codebook(folder: Path, labels: tuple[str, ...], task: str | None, codebook: Codebook) -> None:
    if set(labels) != set(codebook.names):
        raise RecipeError(
            f"teachers: {folder} has the labels {', '.join(labels)}, but the codebook has {', '.join(codebook.names)}. Name a "
            "teacher with the labels of the codebook"
        )
    if task not in (None, codebook.task):
        raise RecipeError(
            f"teachers: {folder} was trained for task {task!r}, but the codebook has task {codebook.task!r}. Name another teacher"
        )
