"""Run a checkpoint with torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from ..data.inputs import as_texts
from ..data.sentence import Sentence
from ..text.cleaning import for_model
from .batching import batches_by_length
from .folder import read_codebook, read_info
from .info import ModelInfo
from .predictor import Predictions

#: Sentences per batch when no gradients are kept.
PREDICT_BATCH = 64


def checkpoint_logits(
    model: Any, tokenizer: Any, texts: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Run a torch classifier on texts, in batches of similar length.

    Returns:
        Logits (n, k) and flags (n,) of truncated texts, in the order of the texts.
    """
    texts = [for_model(text) for text in texts]
    encodings = tokenizer(texts, truncation=True)
    ids = encodings["input_ids"]
    if tokenizer.is_fast:
        cut = [bool(encoding.overflowing) for encoding in encodings.encodings]
    else:  # A tokenizer written in Python does not record what it truncated.
        cut = [len(whole) > len(kept) for whole, kept in zip(tokenizer(texts)["input_ids"], ids, strict=True)]
    truncated = np.array(cut, np.bool_)
    logits = np.zeros((len(ids), model.config.num_labels), np.float32)
    with torch.inference_mode():
        for rows in batches_by_length([len(one) for one in ids], max_rows=PREDICT_BATCH):
            batch = tokenizer.pad({"input_ids": [ids[i] for i in rows]}, return_tensors="pt").to(model.device)
            logits[rows] = model(**batch).logits.float().cpu().numpy()
    return logits, truncated


class CheckpointClassifier:
    """A checkpoint in fp32, for its evaluation and export; temperature is part of its weights.

    Args:
        folder: The checkpoint's folder.
        info: Its `bundle.json`, if it has been read already.
    """

    def __init__(self, folder: str | Path, *, info: ModelInfo | None = None) -> None:
        self.info = info or read_info(folder, "checkpoint")
        self.codebook = read_codebook(folder, self.info)
        self.model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder, model_max_length=self.info.max_tokens)

    def predict(
        self, texts: str | Iterable[str] | Iterable[Sentence], *, languages: Sequence[str] | None = None
    ) -> Predictions:
        """Label texts or sentences, in their order; the model does not use `languages`."""
        return Predictions.from_logits(self.info, *checkpoint_logits(self.model, self.tokenizer, as_texts(texts)))

    def predict_proba(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Give probabilities (n, k) in the codebook's order."""
        return self.predict(sentences).probabilities
