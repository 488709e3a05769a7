"""SetFit: contrastive fine-tuning of a sentence encoder, then logistic regression. Needs the extra `setfit`.

Tunstall et al. 2022, "Efficient Few-Shot Learning Without Prompts". Model and trainer are those of the package `setfit`, which
works with transformers 5 from its version 1.2 on.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..data.sentence import Sentence
from ..errors import MissingExtraError, require_extra
from ..training.backbones import load_backbone
from ..training.e5 import E5_SMALL
from .base import Baseline, gold


class SetFit(Baseline):
    """SetFit with its own trainer.

    Args:
        codebook: Labels.
        seed: Of the pairs, their order and dropout.
        backbone: `e5-small`, a folder or a hub name; mean pooling is put on top.
        max_tokens: Longest input; the rest is cut.
        batch_size: Pairs a step.
        max_steps: Steps of the contrastive phase at most. Pairs grow with the square of the sentences: without an end, a
            corpus of thousands takes days. The trainer says "-1" for no end.
        learning_rate: Peak rate of the encoder.

    After `fit`: `model_`, a `setfit.SetFitModel`, whose own `save_pretrained` keeps it (with a pickle for the head, which is
    why `baselines.save` does not).
    """

    name = "setfit"
    files = ("backbone",)

    def __init__(
        self,
        codebook: Codebook,
        *,
        seed: int = 0,
        backbone: str = E5_SMALL,
        max_tokens: int = 160,
        batch_size: int = 16,
        max_steps: int = 500,
        learning_rate: float = 2e-5,
    ) -> None:
        super().__init__(codebook, seed=seed)
        self.backbone, self.max_tokens, self.batch_size = backbone, max_tokens, batch_size
        self.max_steps, self.learning_rate = max_steps, learning_rate

    def fit(self, corpus: Corpus) -> Self:
        """Fine-tune the encoder on pairs, then fit logistic regression on its embeddings.

        Raises:
            MissingExtraError: `setfit` is not installed, or does not work with the installed transformers.
        """
        setfit = _setfit()
        import transformers
        from datasets import Dataset
        from sklearn.linear_model import LogisticRegression
        from sklearn.multiclass import OneVsRestClassifier

        labels = gold(corpus, self.codebook)
        # A head cannot learn a label that all sentences carry, or none; its share is its probability.
        self.learned_ = np.flatnonzero(labels.any(axis=0) & ~labels.all(axis=0))
        self.share_ = labels.mean(axis=0).astype(np.float32)
        left_out = [name for i, name in enumerate(self.codebook.names) if i not in self.learned_]
        self.notes_ = tuple(f"{name}: all training sentences carry it, or none" for name in left_out)
        if not len(self.learned_):
            return self
        transformers.set_seed(self.seed)
        head = LogisticRegression(max_iter=1000, random_state=self.seed)
        multilabel = self.codebook.multilabel
        self.model_: Any = setfit.SetFitModel(
            model_body=self._body(),
            model_head=OneVsRestClassifier(head) if multilabel else head,
            multi_target_strategy="one-vs-rest" if multilabel else None,
            normalize_embeddings=True,
        )
        targets = labels[:, self.learned_].astype(int).tolist() if multilabel else labels.argmax(axis=1).tolist()
        with tempfile.TemporaryDirectory() as folder:
            trainer = setfit.Trainer(
                model=self.model_,
                args=setfit.TrainingArguments(
                    output_dir=folder,
                    batch_size=self.batch_size,
                    num_epochs=1,
                    max_steps=self.max_steps,
                    body_learning_rate=self.learning_rate,
                    seed=self.seed,
                    report_to="none",
                    save_strategy="no",
                    show_progress_bar=False,
                ),
                train_dataset=Dataset.from_dict({"text": [s.model_text for s in corpus], "label": targets}),
            )
            trainer.train()
        return self

    def predict_proba(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Give probabilities (n, k) in the codebook's order."""
        probability = np.tile(self.share_, (len(sentences), 1))
        if len(self.learned_) and sentences:
            texts = [s.model_text for s in sentences]
            found = self.model_.predict_proba(texts, as_numpy=True, show_progress_bar=False)
            if self.codebook.multilabel:
                probability[:, self.learned_] = found
            else:
                probability[:] = 0
                probability[:, self.model_.model_head.classes_] = found
        return probability

    def _body(self) -> Any:
        """Build a sentence encoder by way of a folder, which is what sentence-transformers reads."""
        sentence_transformers = import_module("sentence_transformers")
        modules = import_module("sentence_transformers.sentence_transformer.modules")

        classifier, tokenizer = load_backbone(self.backbone, self.codebook, max_tokens=self.max_tokens)
        base: Any = classifier.base_model
        with tempfile.TemporaryDirectory() as folder:
            encoder = Path(folder)
            base.save_pretrained(encoder)
            tokenizer.save_pretrained(encoder)
            transformer = modules.Transformer(str(encoder))
            pooling = modules.Pooling(classifier.config.hidden_size, pooling_mode="mean")
            return sentence_transformers.SentenceTransformer(
                modules=[transformer, pooling], device="cpu", trust_remote_code=False
            )


def _setfit() -> Any:
    """Import `setfit`.

    Raises:
        MissingExtraError: It is not installed, or its version is older than the installed transformers.
    """
    require_extra("torch", "the baseline 'setfit'")
    try:
        return import_module("setfit")
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "setfit", "the baseline 'setfit'") from None
    except ImportError as error:
        raise MissingExtraError(
            "setfit>=1.2", "setfit", f"the baseline 'setfit' cannot use the installed one ({error}) and"
        ) from error
