"""Run a checkpoint with torch."""

from __future__ import annotations

import logging
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

#: Most bytes of a settings file, which is searched for a mention of code.
MAX_SETTINGS = 10_000_000

#: Most layers of a network: building one of millions takes hours.
MAX_LAYERS = 1000


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
    """Turn any failure of transformers to load or run a model into one line, and silence its reports.

    Every loader in the block is called with `trust_remote_code=False`: transformers would otherwise ask on standard input whether
    it may run the Python code that a folder or a hub brings along.

    Args:
        what: The model, as the message names it.
        error: Raised for a model that cannot be loaded.
        remedy: What to do about it.
    """
    reports = transformers.utils.logging
    bars, verbosity = reports.is_progress_bar_enabled(), reports.get_verbosity()
    reports.disable_progress_bar()  # type: ignore[no-untyped-call]
    # It logs thirty lines about weights of a wrong shape before it raises the error.
    reports.set_verbosity(logging.CRITICAL)
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
        if ("safetensors" in str(cause) and isinstance(cause, OSError)) or "weights_only" in str(cause):
            # torch refuses to run what a pickle calls, and then says how to run it.
            # The message of transformers does not say that a pickle next to it is not read.
            raise error(
                f"{what}: no model.safetensors. Weights are read from that format alone, because a pickle such as "
                "pytorch_model.bin can run code. Save the model with save_pretrained of a current transformers"
            ) from cause
        line = next((line.strip() for line in str(cause).splitlines() if line.strip()), type(cause).__name__)
        raise error(f"{what}: {line[:300]}. {remedy}") from cause
    finally:
        reports.set_verbosity(verbosity)
        if bars:
            reports.enable_progress_bar()  # type: ignore[no-untyped-call]


def _check_files(folder: Path) -> None:
    """Check that a folder names no Python code, and that its files are files.

    Raises:
        BundleError: A settings file has an `auto_map` or is too large, or a device, a pipe or a broken link is in the folder.
    """
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            continue
        if not path.is_file():
            # transformers would read a device or a pipe without end.
            raise BundleError(f"{path}: not a file. Copy the model's folder again")
        if not path.name.endswith("config.json"):
            continue
        if path.stat().st_size > MAX_SETTINGS:
            raise BundleError(f"{path}: more than {MAX_SETTINGS:,} bytes. Copy the model's folder again")
        if b"auto_map" in path.read_bytes():
            raise BundleError(
                f"{path}: the model brings Python code of its own (auto_map), which communique never runs. Name the folder that "
                "`communique train` wrote"
            )


def _check_size(folder: Path) -> None:
    """Check that the network that a folder's settings describe is not larger than its file of weights.

    transformers builds the network before it reads the weights, and a network of 10**12 weights takes all memory.

    Raises:
        BundleError: It is larger, or has too many layers.
    """
    config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
    if (layers := getattr(config, "num_hidden_layers", None) or 0) > MAX_LAYERS:
        raise BundleError(
            f"{folder / 'config.json'}: {layers:,} layers, more than {MAX_LAYERS:,}. Copy the model's folder again"
        )
    auto: Any = transformers.AutoModelForSequenceClassification
    with torch.device("meta"):  # Allocates no memory for the weights.
        network = auto.from_config(config, trust_remote_code=False)
    weights = sum(parameter.numel() for parameter in network.parameters())
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    if size and weights > size:  # A weight takes at least one byte.
        raise BundleError(
            f"{folder / 'config.json'}: a network of {weights:,} weights, but the file of weights has {size:,} bytes. Copy the "
            "model's folder again"
        )


class CheckpointClassifier:
    """A checkpoint in fp32, for its evaluation and export; temperature is part of its weights.

    Args:
        folder: The checkpoint's folder.
        info: Its `bundle.json`, if it has been read already.
    """

    def __init__(self, folder: str | Path, *, info: ModelInfo | None = None) -> None:
        self.folder = Path(folder)
        self.info = info or read_info(folder, "checkpoint")
        self.codebook = read_codebook(folder, self.info)
        _check_files(self.folder)
        with loading(str(folder), BundleError, "Copy the model's folder again"):
            _check_size(self.folder)
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
        texts = as_texts(texts)
        # A tokenizer without a padding token, or with another vocabulary, loads without an error and fails here.
        with loading(str(self.folder), BundleError, "Copy the model's folder again"):
            logits, truncated = checkpoint_logits(self.model, self.tokenizer, texts)
        return Predictions.from_logits(self.info, logits, truncated)

    def predict_proba(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Compute probabilities (n, k) in the codebook's order."""
        return self.predict(sentences).probabilities
