"""Zero-shot classification with natural language inference: does the sentence entail the label's definition?

The method is from Yin, Hay, Roth 2019, "Benchmarking Zero-shot Text Classification"; the pipeline is that of transformers
(extra `train`). The model is a folder or a hub name, because no package includes one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..data.sentence import Sentence
from ..errors import RecipeError, UnreachableError, require_extra
from .base import Baseline

#: Number of pairs of sentence and hypothesis per batch.
BATCH = 32


class ZeroShotNLI(Baseline):
    """A classifier that returns how likely the sentence entails each label's definition.

    Args:
        codebook: Codebook with the labels.
        seed: Not used, because nothing is random.
        model: A folder or a hub name of a sequence classifier that has a class `entailment`.
        hypotheses: Hypotheses by label. Default: the definitions in the codebook.

    If several labels can apply, a label's probability is the softmax of entailment against contradiction. Otherwise it is the
    softmax of entailment over all labels. `fit` opens the model and learns nothing.
    """

    name = "zero-shot-nli"
    files = ("model",)

    def __init__(
        self, codebook: Codebook, *, seed: int = 0, model: str, hypotheses: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(codebook, seed=seed)
        self.model, self.hypotheses = model, hypotheses

    def fit(self, corpus: Corpus) -> Self:
        """Open the model.

        Raises:
            UnreachableError: The model is not in the folder, or the hub cannot be reached.
            RecipeError: The model has no class `entailment`, or the labels do not each have a different hypothesis.
        """
        require_extra("torch", f"the baseline {self.name!r}")
        from transformers import pipeline

        from ..models.checkpoint import loading

        given = self.hypotheses or {label.name: label.definition for label in self.codebook.labels}
        wanted = ", ".join(self.codebook.names)
        if set(given) != set(self.codebook.names) or len(set(given.values())) != len(given):
            raise RecipeError(
                f"baseline {self.name!r}: hypotheses: the labels do not each have a different hypothesis. "
                f"Write one for each of {wanted}"
            )
        self.hypotheses_ = tuple(given[name] for name in self.codebook.names)
        remedy = "Use a folder with config.json, weights and tokenizer, or a hub name that this machine can reach"
        with loading(f"baseline {self.name!r}: model {self.model!r}", UnreachableError, remedy):
            self._pipeline = cast(
                Any, pipeline("zero-shot-classification", model=self.model, device=-1, trust_remote_code=False)
            )
        if self._pipeline.entailment_id == -1:
            classes = ", ".join(self._pipeline.model.config.id2label.values())
            raise RecipeError(
                f"baseline {self.name!r}: model {self.model!r} has the classes {classes}. Use a model with a class whose name "
                "begins with 'entail'"
            )
        self.notes_ = ()
        return self

    def predict_proba(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Compute probabilities (n, k), with columns in the codebook's order."""
        if not sentences:
            return np.zeros((0, len(self.codebook.names)), np.float32)
        rows = self._pipeline(
            [s.model_text for s in sentences],
            candidate_labels=list(self.hypotheses_),
            hypothesis_template="{}",
            multi_label=self.codebook.multilabel,
            batch_size=BATCH,
        )
        column = {hypothesis: i for i, hypothesis in enumerate(self.hypotheses_)}
        probability = np.zeros((len(sentences), len(column)), np.float32)
        for row, answer in enumerate(rows):
            for hypothesis, score in zip(answer["labels"], answer["scores"], strict=True):
                probability[row, column[hypothesis]] = score
        return probability
