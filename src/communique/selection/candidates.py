"""The classifiers that `communique train` compares: each can be fitted, timed and saved. Encoders require the extra `train`."""

from __future__ import annotations

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
from ..models.info import ModelInfo, Score
from ..reporting.format import number
from ..training.recipe import DESCRIPTIVE, Recipe
from ..training.saving import TrainedNetwork, fold_calibration, write_checkpoint
from ..training.soft_labels import SoftLabels
from ..training.splits import DataSplits
from .durations import Duration, timed_part

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from ..training.trainer import TransformerClassifier

#: Minimum number of rows for the transformer to be a candidate. With fewer rows, the result of fine-tuning is mostly chance.
MIN_TRANSFORMER_ROWS = 200

#: Number of folds of the cross-validation in which linear models choose the strength of their penalty.
INNER_FOLDS = 3

#: Fields of a recipe that every candidate uses.
USED_BY_ALL = frozenset((*DESCRIPTIVE, "codebook", "corpora", "seed"))


@dataclass(frozen=True)
class Target:
    """Where to write a fitted classifier, and the results of the cross-validation that are written with it.

    `commit` is that of the source code when the training began, or None outside a clone. `warnings` lists reasons why the
    classifier is unfit for use. `texts` is the file or folder with the texts for stand-off labels. `out_of_fold` has the
    out-of-fold labels by id of the row.
    """

    out: Path
    data: DataSplits
    tuning: Tuning
    score: Score
    commit: str | None
    warnings: tuple[str, ...] = ()
    texts: str | Path | None = None
    overwrite: bool = False
    out_of_fold: Mapping[str, tuple[str, ...]] | None = None


class Candidate(ABC):
    """A classifier that can be compared with others.

    `kind` is the method of training. `name` is unique among the candidates of a comparison, because it also contains the name of
    the encoder, if there is one. `backbones` are the encoders from which training may start. `uses` are the fields of a recipe that
    affect the classifier.

    Args:
        recipe: Settings of the model.
        codebook: Codebook with the labels.
    """

    kind: ClassVar[str]
    uses: ClassVar[frozenset[str]] = USED_BY_ALL
    name: str

    #: Seconds of the last fit that passed in interrupted runs, which this run resumed.
    earlier_seconds = 0.0

    #: The tokenizer of the encoder, which `estimate` opens. None: the candidate has no encoder.
    tokenizer: PreTrainedTokenizerBase | None = None

    def __init__(self, recipe: Recipe, codebook: Codebook) -> None:
        self.recipe, self.codebook = recipe, codebook
        self.name = self.kind
        self.backbones: tuple[str, ...] = ()

    @property
    def unused(self) -> tuple[str, ...]:
        """The fields of the recipe that have no effect on the classifier, although they differ from their defaults."""
        fields = Recipe.model_fields.items()
        return tuple(
            name for name, one in fields if name not in self.uses and getattr(self.recipe, name) != one.default
        )

    def prepare(self, scores: Mapping[str, float]) -> str | None:
        """Choose the encoder from the scores that are known before the first fit, and return a line for the report, or None.

        Args:
            scores: Out-of-fold average precision of the frozen vectors, by backbone.
        """
        return None

    @abstractmethod
    def fit(self, corpus: Corpus, steps: Path | None = None) -> Self:
        """Train on labelled rows.

        Args:
            corpus: The rows.
            steps: A folder for the training state. If it contains the state of an interrupted fit on the same rows, candidates
                whose training takes long resume from it. Default: no state is kept.
        """

    @abstractmethod
    def predict_logits(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Compute logits (n, k)."""

    @abstractmethod
    def estimate(self, corpus: Corpus) -> Duration:
        """Estimate how long fits on almost all rows will take, by timing a part of the work."""

    def warnings(self, corpus: Corpus) -> list[str]:
        """Return a warning that counts the rows of which the encoder reads only the beginning. Call `estimate` first."""
        if self.tokenizer is None:
            return []
        from ..models.checkpoint import truncation_warnings

        return truncation_warnings(self.tokenizer, [s.text for s in corpus])

    @abstractmethod
    def write(self, target: Target) -> ModelInfo:
        """Write the fitted classifier as a model folder."""


class _Baseline(Candidate):
    """A baseline that is saved as arrays."""

    def fit(self, corpus: Corpus, steps: Path | None = None) -> Self:
        """Train on labelled rows. `steps` is not used."""
        start = time.monotonic()
        self._fitted = make(self.kind, self.codebook, seed=self.recipe.seed).fit(corpus)
        self._seconds = time.monotonic() - start
        return self

    def predict_logits(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Compute logits (n, k)."""
        return to_logits(self._fitted.predict_proba(sentences), multilabel=self.codebook.multilabel).astype(np.float32)

    def estimate(self, corpus: Corpus) -> Duration:
        """Estimate how long fits will take, by timing one fit on a few rows."""
        part = timed_part(corpus, self.recipe.seed)
        self.fit(part)
        return Duration(0.0, self._seconds * len(corpus) / len(part))

    def write(self, target: Target) -> ModelInfo:
        """Write a model folder with arrays and JSON."""
        recipe = self.recipe
        return save(
            self._fitted,
            target.out,
            training=target.data.train,
            tuned=target.tuning,
            scores=(target.score,),
            warnings=target.warnings,
            commit=target.commit,
            seconds=self._seconds,
            name=recipe.name,
            version=recipe.version,
            license=recipe.license,
            description=recipe.description,
            notes=recipe.notes,
            overwrite=target.overwrite,
        )


class PriorCandidate(_Baseline):
    """A candidate that predicts the proportion of each label for every text."""

    kind = "prior"


class TfidfCandidate(_Baseline):
    """A candidate with TF-IDF of words and characters and logistic regression."""

    kind = "tfidf-logreg"


class FrozenCandidate(Candidate):
    """A candidate with a frozen encoder and logistic regression. Each text is embedded once.

    Args:
        recipe: Settings of the model.
        codebook: Codebook with the labels.
        vectors: A folder in which sentence vectors are stored. Default: vectors are kept in memory only.
        precision: The precision of the encoder. Default: that of the recipe.
    """

    kind = "frozen-encoder"
    uses = USED_BY_ALL | {"backbone", "max_tokens", "precision"}

    def __init__(
        self, recipe: Recipe, codebook: Codebook, vectors: Path | None = None, precision: str | None = None
    ) -> None:
        super().__init__(recipe, codebook)
        self.name = name_with_encoder(self.kind, recipe.backbone)
        self.backbones = (recipe.backbone,)
        self._classifier = FrozenEncoder(
            codebook,
            seed=recipe.seed,
            backbone=recipe.backbone,
            max_tokens=recipe.max_tokens,
            folds=INNER_FOLDS,
            precision=precision or recipe.precision,
            cache=vectors,
        )

    def fit(self, corpus: Corpus, steps: Path | None = None) -> Self:
        """Train on labelled rows. `steps` is not used."""
        start = time.monotonic()
        self._classifier.fit(corpus)
        self._seconds = time.monotonic() - start
        return self

    def predict_logits(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Compute logits (n, k)."""
        return self._classifier.predict_logits(sentences)

    def estimate(self, corpus: Corpus) -> Duration:
        """Estimate how long embedding all rows once and each fit will take, by timing both on a few rows."""
        self.tokenizer = self._classifier.tokenizer
        self._classifier.embed([""])  # The first pass takes longer.
        part = timed_part(corpus, self.recipe.seed)
        start = time.monotonic()
        self._classifier.embed([s.model_text for s in part])
        embedding = time.monotonic() - start
        self.fit(part)
        scale = len(corpus) / len(part)
        return Duration(embedding * scale, self._seconds * scale)

    def write(self, target: Target) -> ModelInfo:
        """Write a checkpoint whose head is the logistic regression."""
        # The card and the export must not read settings that were not used, such as another pooling or teachers.
        settings = {name: Recipe.model_fields[name].default for name in self.unused}
        recipe = self.recipe.model_copy(update=settings | {"pooling": "mean", "freeze_embeddings": True})
        network = TrainedNetwork(*self._classifier.network(), self._seconds, self._classifier.precision_)
        return _write_checkpoint(self, target, recipe, network)


class TransformerCandidate(Candidate):
    """A candidate with a transformer that is fine-tuned as specified in the recipe.

    Args:
        recipe: Settings of the model.
        codebook: Codebook with the labels.
        backbones: Encoders from which training may start. If there are several, `prepare` chooses the one whose frozen vectors
            scored best. Default: the encoder of the recipe.
        soft: The teachers of the recipe. Default: the recipe has none.
        precision: The precision of the training. Default: that of the recipe.
    """

    kind = "transformer"
    #: In cross-validation, no rows are held out.
    uses = frozenset(Recipe.model_fields) - {"validation_share"}

    def __init__(
        self,
        recipe: Recipe,
        codebook: Codebook,
        backbones: Sequence[str] = (),
        soft: SoftLabels | None = None,
        precision: str | None = None,
    ) -> None:
        super().__init__(recipe, codebook)
        self.soft, self.precision = soft, precision
        self.backbones = tuple(backbones) or (recipe.backbone,)
        if len(self.backbones) == 1:
            self.name = name_with_encoder(self.kind, self.backbones[0])

    def prepare(self, scores: Mapping[str, float]) -> str | None:
        """Choose the encoder whose frozen vectors scored best, or the first of several with the same score."""
        if len(self.backbones) == 1:
            return None
        best, *others = sorted(self.backbones, key=lambda one: -np.nan_to_num(scores[one], nan=-1.0))
        self.recipe = self.recipe.model_copy(update={"backbone": best})
        self.name = name_with_encoder(self.kind, best)
        compared = ", ".join(f"{encoder_name(one)} {number(scores[one])}" for one in (best, *others))
        return (
            f"The transformer started from {encoder_name(best)}, because its frozen vectors scored better (out-of-fold average "
            f"precision: {compared})."
        )

    def fit(self, corpus: Corpus, steps: Path | None = None) -> Self:
        """Train on labelled rows, or resume training from the state in the folder `steps`."""
        self._fitted = self._train(self.recipe, corpus, steps)
        self.earlier_seconds = self._fitted.earlier_seconds_
        return self

    def predict_logits(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Compute logits (n, k)."""
        return np.asarray(self._fitted.predict_logits(sentences))

    def estimate(self, corpus: Corpus) -> Duration:
        """Estimate how long fits will take, by timing single steps on a few rows."""
        recipe, unlabelled = self.recipe, 0 if self.soft is None else len(self.soft.sentences)
        part = timed_part(corpus, recipe.seed, recipe.batch_size)
        # A few rows may have no acts, which would be an error. The heads for acts take hardly any time.
        plain = {"acts": False, "augment": False, "teachers": (), "soup": 1}
        one_step = recipe.model_copy(update={"epochs": 1, "min_steps": 0} | plain)
        steps = recipe.soup * recipe.steps(recipe.rows(len(corpus), unlabelled))
        fitted = self._train(one_step, part)
        self.tokenizer = fitted.tokenizer_
        return Duration(0.0, steps * fitted.seconds_per_step_)

    def write(self, target: Target) -> ModelInfo:
        """Write a checkpoint."""
        return _write_checkpoint(self, target, self.recipe, self._fitted.network())

    def _train(self, recipe: Recipe, corpus: Corpus, steps: Path | None = None) -> TransformerClassifier:
        from ..training.trainer import TransformerClassifier

        soft = self.soft if recipe.teachers else None
        return TransformerClassifier(recipe, self.codebook, steps=steps, soft=soft, precision=self.precision).fit(
            corpus
        )


def encoder_name(backbone: str) -> str:
    """Return the short name of a backbone, which is the last part of its path or hub name."""
    return Path(backbone).name


def name_with_encoder(kind: str, backbone: str) -> str:
    """Return the name of a candidate that starts from a backbone."""
    return f"{kind} ({encoder_name(backbone)})"


def candidates_for(
    recipe: Recipe,
    codebook: Codebook,
    rows: int | None,
    backbones: Sequence[str],
    vectors: Path | None = None,
    soft: SoftLabels | None = None,
    precision: str | None = None,
) -> list[Candidate]:
    """Return the candidates that are suitable for a number of rows, in order of preference.

    Frozen encoders come first, because they perform best with few rows and are cheap at any size. The transformer comes last,
    because it has to be better to justify its cost. TF-IDF does not transfer between languages.

    Args:
        recipe: Settings of the model.
        codebook: Codebook with the labels.
        rows: Number of labelled rows. None: also return candidates that require many rows.
        backbones: The encoders to compare, in order of preference.
        vectors: A folder in which sentence vectors are stored. Default: vectors are kept in memory only.
        soft: The teachers of the recipe, from which only the transformer learns. Default: the recipe has none.
        precision: The precision of the encoders. Default: that of the recipe.
    """
    frozen = [
        FrozenCandidate(recipe.model_copy(update={"backbone": one}), codebook, vectors, precision) for one in backbones
    ]
    found: list[Candidate] = [PriorCandidate(recipe, codebook), *frozen, TfidfCandidate(recipe, codebook)]
    if rows is None or rows >= MIN_TRANSFORMER_ROWS:
        found.append(
            TransformerCandidate(
                recipe.model_copy(update={"backbone": backbones[0]}), codebook, backbones, soft, precision
            )
        )
    return found


def _write_checkpoint(candidate: Candidate, target: Target, recipe: Recipe, network: TrainedNetwork) -> ModelInfo:
    fold_calibration(network.model, target.tuning)
    return write_checkpoint(
        target.out,
        network,
        recipe,
        candidate.codebook,
        target.data,
        target.tuning,
        texts=target.texts,
        out_of_fold=target.out_of_fold,
        overwrite=target.overwrite,
        classifier=candidate.kind,
        scores=(target.score,),
        warnings=target.warnings,
        commit=target.commit,
    )
