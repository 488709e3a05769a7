"""Convert sentences to the columns of a data set that the trainer reads: tokens and targets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..data.sentence import Sentence
from ..metrics.scores import indicator
from ..models.distillation import Distillation
from ..models.info import ActsInfo
from .act_targets import act_targets
from .augment import training_copies
from .recipe import Recipe
from .soft_labels import SoftLabels

Columns = dict[str, Any]

#: Columns of soft targets: one probability per label, and the weight of the row. They replace the column `labels`.
TARGETS, WEIGHTS = "targets", "weights"


def sentence_columns(
    sentences: Sequence[Sentence], encoded: Any, codebook: Codebook, acts: ActsInfo | None = None
) -> Columns:
    """Return the tokens and the labels of sentences and, if there are auxiliary outputs, the targets of these.

    Args:
        sentences: The sentences, with labels.
        encoded: Their tokens, from `models.checkpoint.tokenize`. If there are auxiliary outputs, with the positions of the tokens.
        codebook: The codebook.
        acts: Description of the auxiliary outputs. Default: there are none.
    """
    gold = indicator(sentences, codebook)
    labels = gold.astype(np.float32).tolist() if codebook.multilabel else gold.argmax(axis=1).tolist()
    columns = {"input_ids": encoded["input_ids"], "labels": labels}
    if acts is not None:
        columns |= act_targets(sentences, encoded["offset_mapping"], acts, codebook)
    return columns


def used_tokens(sets: Iterable[Mapping[str, Any] | None], padding: int | None) -> list[int]:
    """Return the sorted ids of all tokens that occur in the column `input_ids` of some data sets, and of the padding token."""
    used = {id for rows in sets if rows is not None for id in chain.from_iterable(rows["input_ids"])}
    return sorted(used if padding is None else used | {padding})


class TrainingRows:
    """The rows that train a model: those of a corpus, copies of some of them, and unlabelled sentences.

    Args:
        recipe: The settings.
        corpus: The labelled rows.
        soft: Teachers and unlabelled sentences, if any.
    """

    def __init__(self, recipe: Recipe, corpus: Corpus, soft: SoftLabels | None) -> None:
        self.recipe, self.corpus, self.soft = recipe, corpus, soft
        self.copies = (
            training_copies(corpus.sentences, share=recipe.augment_share, seed=recipe.seed) if recipe.augment else []
        )

    @property
    def sentences(self) -> list[Sentence]:
        """The sentences of all rows."""
        unlabelled = () if self.soft is None else self.soft.sentences
        return [*self.corpus, *(copy.sentence for copy in self.copies), *unlabelled]

    def add_targets(self, columns: Columns) -> Distillation | None:
        """Replace the labels of all rows by soft targets if there are teachers. Return what the teachers labelled.

        A copy has the target of its original row.

        Args:
            columns: The columns of `sentences`. They are changed in place.
        """
        if self.soft is None:
            return None
        found = self.soft.targets(self.corpus)
        copied = found.labelled[[copy.row for copy in self.copies]]
        targets = np.concatenate([found.labelled, copied, found.unlabelled])
        weights = np.ones(len(targets))
        weights[len(found.labelled) + len(copied) :] = self.recipe.unlabelled_weight
        del columns["labels"]
        columns |= {TARGETS: targets.tolist(), WEIGHTS: weights.tolist()}
        return self.soft.describe(found)
