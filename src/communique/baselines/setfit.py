"""SetFit: contrastive fine-tuning of a sentence encoder, then logistic regression. Requires the extra `setfit`.

The method is from Tunstall et al. 2022, "Efficient Few-Shot Learning Without Prompts". The model and the trainer come from the
package `setfit`, which works with transformers 5 from version 1.2.
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
from ..training.recipe import MAX_TOKENS
from .base import Baseline, gold


class SetFit(Baseline):
    """SetFit, trained with the trainer of the package `setfit`.

    Args:
        codebook: Codebook with the labels.
        seed: Seed of the pairs, their order and dropout.
        backbone: `e5-small`, a folder or a hub name. Mean pooling is added.
        max_tokens: Maximum input length in tokens; longer texts are truncated.
        batch_size: Number of pairs per step.
        max_steps: Maximum number of steps of the contrastive phase; -1 for no limit. The number of pairs grows with the square
            of the number of sentences, so without a limit a corpus of thousands of sentences takes days.
        learning_rate: Peak learning rate of the encoder.

    After `fit`: `model_`, a `setfit.SetFitModel`. Its `save_pretrained` saves it, with the head as a pickle, which is why
    `baselines.save` does not support it.
    """

    name = "setfit"
    files = ("backbone",)

    def __init__(
        self,
        codebook: Codebook,
        *,
        seed: int = 0,
        backbone: str = E5_SMALL,
        max_tokens: int = MAX_TOKENS,
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
            MissingExtraError: `setfit` is not installed, or the installed version does not work with the installed transformers.
        """
        setfit = _setfit()
        import transformers
        from datasets import Dataset
        from sklearn.linear_model import LogisticRegression
        from sklearn.multiclass import OneVsRestClassifier

        labels = gold(corpus, self.codebook)
        # The head cannot learn a label that all sentences have, or none. The probability of such a label is its proportion.
        self.learned_ = np.flatnonzero(labels.any(axis=0) & ~labels.all(axis=0))
        self.share_ = labels.mean(axis=0).astype(np.float32)
        left_out = [name for i, name in enumerate(self.codebook.names) if i not in self.learned_]
        self.notes_ = tuple(f"{name}: either all training sentences have this label, or none" for name in left_out)
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
        """Compute probabilities (n, k), with columns in the codebook's order."""
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
        """Build a sentence encoder. It is saved to a temporary folder first, because sentence-transformers reads folders."""
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
        MissingExtraError: It is not installed, or its version does not support the installed transformers.
    """
    require_extra("torch", "the baseline 'setfit'")
    try:
        return import_module("setfit")
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "setfit", "the baseline 'setfit'") from None
    except ImportError as error:
        raise MissingExtraError(
            "setfit>=1.2", "setfit", f"the baseline 'setfit' cannot use the installed version of setfit ({error}) and"
        ) from error
