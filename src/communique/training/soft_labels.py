"""The targets of a student that learns from the labels of people and from the probabilities of teachers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..data.sentence import Sentence
from ..errors import RecipeError
from ..metrics.scores import indicator
from ..models.distillation import Distillation
from ..models.info import INFO, short_path
from .fold_predictions import FOLD_FILE
from .recipe import Recipe
from .steps import IDENTITY
from .teachers import FoldTeacher, ModelTeacher, Probabilities, Teacher
from .unlabelled import Unlabelled

#: Name of the folder with the probabilities of teachers in the folder of a run.
TEACHERS = "teachers"


class SoftTargets(NamedTuple):
    """Targets (n, k) of labelled rows, a mask (n,) of those that teachers predicted too, and targets (m, k) of unlabelled rows."""

    labelled: Probabilities
    soft: NDArray[np.bool_]
    unlabelled: Probabilities


@dataclass(frozen=True)
class SoftLabels:
    """The teachers of a recipe and the unlabelled sentences that they label.

    Args:
        recipe: The recipe.
        codebook: Its codebook.
        unlabelled: The sentences.
        teachers: The teachers.
        cache: A folder in which the probabilities of models are stored, so that a resumed run does not compute them again. None:
            they are not stored.
    """

    recipe: Recipe
    codebook: Codebook
    unlabelled: Unlabelled
    teachers: tuple[Teacher, ...]
    cache: Path | None = None

    @classmethod
    def open(
        cls,
        recipe: Recipe,
        codebook: Codebook,
        unlabelled: Unlabelled,
        scored: Corpus,
        *,
        cache: Path | None = None,
    ) -> SoftLabels | None:
        """Open the teachers of a recipe. Return None if it has none.

        Args:
            recipe: The recipe.
            codebook: Its codebook.
            unlabelled: Its unlabelled sentences.
            scored: The rows that tune or score the model. In cross-validation, these are all labelled rows.
            cache: As for the class.

        Raises:
            CommuniqueError: A teacher cannot be used.
        """
        if not recipe.teachers:
            return None
        teachers = tuple(_open(Path(path), codebook, scored) for path in recipe.teachers)
        if not len(unlabelled.corpus) and all(isinstance(teacher, ModelTeacher) for teacher in teachers):
            raise RecipeError(
                "teachers: there is nothing that these models could label. Name texts in 'unlabelled', or the folder of "
                "`train --folds` in 'teachers'"
            )
        return cls(recipe, codebook, unlabelled, teachers, cache)

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """The unlabelled sentences."""
        return self.unlabelled.corpus.sentences

    @property
    def identity(self) -> dict[str, object]:
        """What determines the targets, in addition to the recipe and the labelled rows."""
        teachers = [teacher.info.sha256 for teacher in self.teachers]
        return {"teachers": teachers, "unlabelled": self.unlabelled.sha256}

    def targets(self, corpus: Corpus) -> SoftTargets:
        """Compute the targets of training.

        The target of a labelled row is a weighted mean of its labels and the mean of the out-of-fold probabilities. A row without
        such probabilities keeps its labels. The target of an unlabelled row is the mean of the probabilities of all models.

        Args:
            corpus: The labelled training rows.

        Raises:
            CommuniqueError: A teacher cannot be used.
        """
        labelled, unlabelled = [], []
        for teacher in self.teachers:
            out_of_fold, of_unlabelled = teacher.probabilities(corpus, self.unlabelled.corpus, self.cache)
            labelled.append(out_of_fold)
            unlabelled += of_unlabelled
        known = ~np.isnan(np.stack(labelled))
        soft: NDArray[np.bool_] = np.asarray(known[..., 0].any(axis=0))
        mean = np.where(known, np.stack(labelled), 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        gold, weight = indicator(corpus.sentences, self.codebook).astype(np.float64), self.recipe.soft_weight
        mixed = np.where(soft[:, None], (1 - weight) * gold + weight * mean, gold)
        none = np.zeros((0, len(self.codebook.names)))
        return SoftTargets(
            mixed.astype(np.float32), soft, (np.mean(unlabelled, axis=0) if unlabelled else none).astype(np.float32)
        )

    def describe(self, targets: SoftTargets) -> Distillation:
        """Return the record of the teachers and of what they labelled."""
        corpus = self.unlabelled.corpus
        return Distillation(
            teachers=tuple(teacher.info for teacher in self.teachers),
            labelled=int(targets.soft.sum()),
            unlabelled=len(corpus),
            files={short_path(name): digest for name, digest in corpus.files.items()},
            left_out=self.unlabelled.left_out,
        )


def _open(folder: Path, codebook: Codebook, scored: Corpus) -> Teacher:
    """Open a teacher.

    Raises:
        CommuniqueError: It cannot be used.
    """
    if (folder / INFO).is_file():
        return ModelTeacher(folder, codebook, scored)
    if (folder / FOLD_FILE).is_file():
        return FoldTeacher(folder, codebook)
    if not folder.is_dir():
        problem = "there is no such folder"
    elif (folder / IDENTITY).is_file():
        raise RecipeError(
            f"teachers: {folder}: this training has not finished. Run its communique train command again to resume it"
        )
    else:
        problem = f"this folder contains neither a model ({INFO}) nor out-of-fold predictions ({FOLD_FILE})"
    raise RecipeError(f"teachers: {folder}: {problem}. Name a model folder, or a folder that `train --folds` wrote")
