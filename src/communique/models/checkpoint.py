"""Run a checkpoint with torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from ..data.inputs import as_texts
from ..data.sentence import Sentence
from ..errors import BundleError, CommuniqueError
from ..text.cleaning import for_model
from .batching import batches_by_length
from .folder import read_codebook, read_info
from .info import ModelInfo
from .predictor import Predictions

#: Sentences per batch when no gradients are kept.
PREDICT_BATCH = 64

#: Bytes of a settings file that are searched for a mention of code.
MAX_SETTINGS = 10_000_000


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


@contextmanager
def loading(what: str, error: type[CommuniqueError], remedy: str) -> Iterator[None]:
    """Turn any failure of transformers to load a model into one line.

    Every loader in the block is called with `trust_remote_code=False`: transformers would otherwise ask on standard input whether
    it may run the Python code that a folder or a hub brings along.

    Args:
        what: The model, as the message names it.
        error: Raised for a model that cannot be loaded.
        remedy: What to do about it.
    """
    try:
        yield
    except CommuniqueError:
        raise
    except Exception as cause:  # A folder can be broken in as many ways as there are libraries that read it.
        if "trust_remote_code" in str(cause):
            raise error(
                f"{what}: the model brings Python code of its own (auto_map), which communique never runs. Use a model whose "
                "architecture transformers itself has"
            ) from cause
        if "safetensors" in str(cause) and isinstance(cause, OSError):
            # transformers names a file that it looked for, and a pickle next to it is no help.
            raise error(
                f"{what}: no model.safetensors. Weights are read from that format alone, because a pickle such as "
                "pytorch_model.bin can run code. Save the model with save_pretrained of a current transformers"
            ) from cause
        line = next((line.strip() for line in str(cause).splitlines() if line.strip()), type(cause).__name__)
        raise error(f"{what}: {line[:300]}. {remedy}") from cause


def _refuse_code(folder: Path) -> None:
    """Refuse a folder that names Python code: no checkpoint of ours does.

    Raises:
        BundleError: A settings file has an `auto_map`.
    """
    for path in sorted(folder.glob("*.json")):
        if path.name.endswith("config.json") and b"auto_map" in path.read_bytes()[:MAX_SETTINGS]:
            raise BundleError(
                f"{path}: the model brings Python code of its own (auto_map), which communique never runs. Give the folder that "
                "`communique train` wrote"
            )


class CheckpointClassifier:
    """A checkpoint in fp32, for its evaluation and export; temperature is part of its weights.

    Args:
        folder: The checkpoint's folder.
        info: Its `bundle.json`, if it has been read already.
    """

    def __init__(self, folder: str | Path, *, info: ModelInfo | None = None) -> None:
        self.info = info or read_info(folder, "checkpoint")
        self.codebook = read_codebook(folder, self.info)
        _refuse_code(Path(folder))
        with loading(str(folder), BundleError, "Copy the model's folder again"):
            # Weights are read from safetensors alone, which hold numbers; a pickle could hold code.
            self.model = transformers.AutoModelForSequenceClassification.from_pretrained(
                folder, trust_remote_code=False, use_safetensors=True
            ).eval()
            self.tokenizer = transformers.AutoTokenizer.from_pretrained(
                folder, trust_remote_code=False, model_max_length=self.info.max_tokens
            )
        if self.model.config.num_labels != len(self.codebook.names):
            raise BundleError(
                f"{folder}: the network has {self.model.config.num_labels} outputs, its codebook {len(self.codebook.names)} labels"
                ". Copy the model's folder again"
            )

    def predict(
        self, texts: str | Iterable[str] | Iterable[Sentence], *, languages: Sequence[str] | None = None
    ) -> Predictions:
        """Label texts or sentences, in their order; the model does not use `languages`."""
        return Predictions.from_logits(self.info, *checkpoint_logits(self.model, self.tokenizer, as_texts(texts)))

    def predict_proba(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Give probabilities (n, k) in the codebook's order."""
        return self.predict(sentences).probabilities
