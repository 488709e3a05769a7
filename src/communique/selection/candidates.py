"""The classifiers that are compared. Each can be fitted, timed, and written as a model folder. Needs the extra `train`."""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ..baselines import make, save
from ..baselines.frozen_encoder import FrozenEncoder
from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..data.sentence import Sentence
from ..metrics.calibration import Tuning, to_logits
from ..models.info import ModelInfo, Score, git_commit
from ..reporting.format import number
from ..training.recipe import Recipe
from ..training.saving import describe_checkpoint, fold_calibration, write_checkpoint
from ..training.splits import DataSplits

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from ..training.trainer import TransformerClassifier

    Network = tuple[PreTrainedModel, PreTrainedTokenizerBase]

#: The transformer is a candidate from this many rows. With fewer, fine-tuning is a lottery.
MIN_TRANSFORMER_ROWS = 200

#: Rows on which the duration of a fit is measured.
TIMED_ROWS = 64

#: Folds with which linear models choose the strength of their penalty.
INNER_FOLDS = 3


@dataclass(frozen=True)
class Target:
    """Where a fitted classifier is written, and what the cross-validation found out about it.

    `warnings` are the reasons why it is not fit for use. `texts` is the file or folder of texts for stand-off labels.
    """

    out: Path
    data: DataSplits
    tuning: Tuning
    score: Score
    warnings: tuple[str, ...] = ()
    texts: str | Path | None = None
    overwrite: bool = False


class Candidate(ABC):
    """A classifier that can be compared with others.

    `kind` says how it is trained. `name` is unique among the candidates of a comparison: it also names the encoder, if there is
    one. `backbones` are the encoders that it may start from.

    Args:
        recipe: Settings of the model to be trained.
        codebook: Labels.
    """

    kind: ClassVar[str]
    name: str

    def __init__(self, recipe: Recipe, codebook: Codebook) -> None:
        self.recipe, self.codebook = recipe, codebook
        self.name = self.kind
        self.backbones: tuple[str, ...] = ()

    def prepare(self, scores: Mapping[str, float]) -> str | None:
        """Take into account what is known before the first fit, and return a line for the report if that decided something.

        Args:
            scores: Out-of-fold average precision of the frozen vectors by backbone.
        """
        return None

    @abstractmethod
    def fit(self, corpus: Corpus, steps: Path | None = None) -> Self:
        """Train from the beginning on labelled rows.

        Args:
            corpus: The rows.
            steps: A folder for the state of the training. If it holds some of an interrupted fit on the same rows, a long training
                resumes from it. Default: none is kept.
        """

    @abstractmethod
    def predict_logits(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Compute logits (n, k)."""

    @abstractmethod
    def estimate(self, corpus: Corpus, fits: int) -> float:
        """Estimate the seconds of some fits, each on almost all rows, from a measured part of the work."""

    @abstractmethod
    def write(self, target: Target) -> ModelInfo:
        """Write the fitted classifier as a model folder."""


class _Baseline(Candidate):
    """A baseline that is kept as arrays."""

    def fit(self, corpus: Corpus, steps: Path | None = None) -> Self:
        """Train from the beginning on labelled rows."""
        start = time.monotonic()
        self._fitted = make(self.kind, self.codebook, seed=self.recipe.seed).fit(corpus)
        self._seconds = time.monotonic() - start
        return self

    def predict_logits(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Compute logits (n, k)."""
        return to_logits(self._fitted.predict_proba(sentences), multilabel=self.codebook.multilabel).astype(np.float32)

    def estimate(self, corpus: Corpus, fits: int) -> float:
        """Estimate the seconds of some fits from one on a few rows."""
        part = timed_part(corpus, self.recipe.seed)
        self.fit(part)
        return fits * self._seconds * len(corpus) / len(part)

    def write(self, target: Target) -> ModelInfo:
        """Write arrays and JSON."""
        recipe = self.recipe
        return save(
            self._fitted,
            target.out,
            training=target.data.train,
            tuned=target.tuning,
            scores=(target.score,),
            warnings=target.warnings,
            seconds=self._seconds,
            name=recipe.name,
            version=recipe.version,
            license=recipe.license,
            description=recipe.description,
            overwrite=target.overwrite,
        )


class PriorCandidate(_Baseline):
    """The proportion of each label, whatever the text says."""

    kind = "prior"


class TfidfCandidate(_Baseline):
    """TF-IDF of words and characters with logistic regression."""

    kind = "tfidf-logreg"


class FrozenCandidate(Candidate):
    """A frozen encoder with logistic regression; every text is embedded once.

    Args:
        recipe: Settings.
        codebook: Labels.
        vectors: A folder that keeps sentence vectors. Default: they are kept in memory only.
    """

    kind = "frozen-encoder"

    def __init__(self, recipe: Recipe, codebook: Codebook, vectors: Path | None = None) -> None:
        super().__init__(recipe, codebook)
        self.name = name_with_encoder(self.kind, recipe.backbone)
        self.backbones = (recipe.backbone,)
        self._classifier = FrozenEncoder(
            codebook,
            seed=recipe.seed,
            backbone=recipe.backbone,
            max_tokens=recipe.max_tokens,
            folds=INNER_FOLDS,
            precision=recipe.precision,
            cache=vectors,
        )

    def fit(self, corpus: Corpus, steps: Path | None = None) -> Self:
        """Train from the beginning on labelled rows."""
        start = time.monotonic()
        self._classifier.fit(corpus)
        self._seconds = time.monotonic() - start
        return self

    def predict_logits(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Compute logits (n, k)."""
        return self._classifier.predict_logits(sentences)

    def estimate(self, corpus: Corpus, fits: int) -> float:
        """Estimate the seconds of embedding all rows once and of some fits, from a few rows."""
        self._classifier.embed([""])  # Loads the encoder.
        part = timed_part(corpus, self.recipe.seed)
        start = time.monotonic()
        self._classifier.embed([s.model_text for s in part])
        embedding = time.monotonic() - start
        self.fit(part)
        return (embedding + fits * self._seconds) * len(corpus) / len(part)

    def write(self, target: Target) -> ModelInfo:
        """Write a checkpoint whose head is the logistic regression."""
        recipe = self.recipe.model_copy(update={"pooling": "mean", "freeze_embeddings": True})
        network = self._classifier.network()
        return _write_checkpoint(self, target, recipe, network, seconds=self._seconds, precision="fp32")


class TransformerCandidate(Candidate):
    """A transformer, fine-tuned as its recipe says.

    Args:
        recipe: Settings.
        codebook: Labels.
        backbones: The encoders it may start from. Of several, `prepare` chooses the one whose frozen vectors scored best. Default:
            that of the recipe.
    """

    kind = "transformer"

    def __init__(self, recipe: Recipe, codebook: Codebook, backbones: Sequence[str] = ()) -> None:
        super().__init__(recipe, codebook)
        self.backbones = tuple(backbones) or (recipe.backbone,)
        if len(self.backbones) == 1:
            self.name = name_with_encoder(self.kind, self.backbones[0])

    def prepare(self, scores: Mapping[str, float]) -> str | None:
        """Start from the encoder whose frozen vectors scored best; of equal scores, from the first."""
        if len(self.backbones) == 1:
            return None
        best, *others = sorted(self.backbones, key=lambda one: -np.nan_to_num(scores[one], nan=-1.0))
        self.recipe = self.recipe.model_copy(update={"backbone": best})
        self.name = name_with_encoder(self.kind, best)
        compared = ", ".join(f"{encoder_name(one)} {number(scores[one])}" for one in (best, *others))
        return (
            f"The transformer started from {encoder_name(best)}, because its frozen vectors scored better (average precision out "
            f"of fold: {compared})."
        )

    def fit(self, corpus: Corpus, steps: Path | None = None) -> Self:
        """Train on labelled rows, from the beginning or from the state in a folder."""
        self._fitted = self._train(self.recipe, corpus, steps)
        return self

    def predict_logits(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Compute logits (n, k)."""
        return np.asarray(self._fitted.predict_logits(sentences))

    def estimate(self, corpus: Corpus, fits: int) -> float:
        """Estimate the seconds of some fits from the seconds of a step on a few rows."""
        part = timed_part(corpus, self.recipe.seed, self.recipe.batch_size)
        one_step = self.recipe.model_copy(update={"epochs": 1, "min_steps": 0})
        return fits * self.recipe.steps(len(corpus)) * self._train(one_step, part).seconds_per_step_

    def write(self, target: Target) -> ModelInfo:
        """Write a checkpoint."""
        fitted = self._fitted
        return _write_checkpoint(
            self,
            target,
            self.recipe,
            (fitted.model_, fitted.tokenizer_),
            seconds=fitted.seconds_,
            precision=fitted.precision_,
        )

    def _train(self, recipe: Recipe, corpus: Corpus, steps: Path | None = None) -> TransformerClassifier:
        from ..training.trainer import TransformerClassifier

        return TransformerClassifier(recipe, self.codebook, steps=steps).fit(corpus)


def timed_part(corpus: Corpus, seed: int, rows: int = TIMED_ROWS) -> Corpus:
    """Draw the rows on which the duration of a fit is measured."""
    drawn = random.Random(seed).sample(list(corpus), min(rows, len(corpus)))
    return Corpus(tuple(drawn), corpus.files)


def encoder_name(backbone: str) -> str:
    """Return a short name of a backbone: the last part of its path or hub name."""
    return Path(backbone).name


def name_with_encoder(kind: str, backbone: str) -> str:
    """Return the name of a candidate that starts from a backbone."""
    return f"{kind} ({encoder_name(backbone)})"


def candidates_for(
    recipe: Recipe, codebook: Codebook, rows: int, backbones: Sequence[str], vectors: Path | None = None
) -> list[Candidate]:
    """Return the candidates that make sense for a number of rows, in order of preference.

    Frozen encoders come first, because they are the best with few rows and cheap at any size; the transformer must show that it is
    worth its cost. TF-IDF does not transfer between languages.

    Args:
        recipe: Settings.
        codebook: Labels.
        rows: Number of labelled rows.
        backbones: The encoders to compare, in order of preference.
        vectors: A folder that keeps sentence vectors. Default: they are kept in memory only.
    """
    frozen = [FrozenCandidate(recipe.model_copy(update={"backbone": one}), codebook, vectors) for one in backbones]
    found: list[Candidate] = [PriorCandidate(recipe, codebook), *frozen, TfidfCandidate(recipe, codebook)]
    if rows >= MIN_TRANSFORMER_ROWS:
        found.append(TransformerCandidate(recipe.model_copy(update={"backbone": backbones[0]}), codebook, backbones))
    return found


def _write_checkpoint(
    candidate: Candidate, target: Target, recipe: Recipe, network: Network, *, seconds: float, precision: str
) -> ModelInfo:
    model, tokenizer = network
    tuning, data = target.tuning, target.data
    fold_calibration(model, tuning)
    info = describe_checkpoint(
        recipe,
        candidate.codebook,
        data,
        texts=target.texts,
        classifier=candidate.kind,
        thresholds=None if tuning.thresholds is None else tuple(tuning.thresholds.tolist()),
        tuned_on=tuning.rows,
        tuned_by=tuning.by,
        training_seconds=round(seconds, 1),
        precision=precision,
        scores=(target.score,),
        warnings=target.warnings,
        commit=git_commit(),
    )
    return write_checkpoint(target.out, model, tokenizer, info, candidate.codebook, data, overwrite=target.overwrite)
