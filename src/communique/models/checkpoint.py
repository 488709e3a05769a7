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
from ..data.units import describe_truncated
from ..errors import BundleError, CommuniqueError
from ..text.cleaning import for_model
from .act_heads import ActHeads, run_features
from .acts import decode_spans
from .batching import batches_by_length
from .folder import read_codebook, read_info, require_acts
from .info import ModelInfo
from .outputs import NetworkOutputs
from .predictions import Predictions

#: Number of sentences per batch when no gradients are computed.
PREDICT_BATCH = 64

#: Maximum size of a settings file in bytes. The whole file is searched for references to code.
MAX_SETTINGS = 10_000_000

#: Maximum number of layers. Building a network with millions of layers would take hours.
MAX_LAYERS = 1000


def checkpoint_outputs(
    model: Any, tokenizer: Any, texts: Sequence[str], heads: ActHeads | None = None
) -> NetworkOutputs:
    """Compute the outputs of a torch classifier for texts, in batches of similar length.

    Args:
        model: The classifier.
        tokenizer: Its tokenizer.
        texts: The texts.
        heads: Its auxiliary heads. Default: kinds, holders and targets are not computed.
    """
    encodings, truncated = tokenize(tokenizer, texts, offsets=heads is not None)
    ids = encodings["input_ids"]
    found = NetworkOutputs.empty(len(texts), model.config.num_labels, None if heads is None else heads.info)
    found.truncated[:], found.lengths[:] = truncated, [len(one) for one in ids]
    with torch.inference_mode():
        for rows in batches_by_length(found.lengths.tolist(), max_rows=PREDICT_BATCH):
            batch = tokenizer.pad({"input_ids": [ids[i] for i in rows]}, return_tensors="pt").to(model.device)
            if heads is None:
                found.logits[rows] = _array(model(**batch).logits)
                continue
            features = run_features(model, **batch)
            found.logits[rows] = _array(features.output.logits)
            if heads.kinds is not None:
                found.kinds[rows] = _array(heads.kinds(features.pooled.float()))
            offsets = [encodings["offset_mapping"][i] for i in rows]
            tags = _array(heads.tags(features.tokens.float()))
            found.spans[rows] = decode_spans([texts[i] for i in rows], offsets, tags)
    return found


def token_lengths(tokenizer: Any, texts: Sequence[str]) -> NDArray[np.int32]:
    """Return the number of tokens (n,) that a checkpoint reads of each text."""
    return np.array([len(ids) for ids in tokenize(tokenizer, texts)[0]["input_ids"]], np.int32)


def truncation_warnings(tokenizer: Any, texts: Sequence[str]) -> list[str]:
    """Return a warning that counts the labelled texts of which a checkpoint reads only the beginning, if there are any."""
    return describe_truncated(int(tokenize(tokenizer, texts)[1].sum()), len(texts), tokenizer.model_max_length)


def _array(values: torch.Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = values.float().cpu().numpy()
    return array


def tokenize(tokenizer: Any, texts: Sequence[str], *, offsets: bool = False) -> tuple[Any, NDArray[np.bool_]]:
    """Tokenize texts, and mark truncated texts (n,). With `offsets`, the positions of the tokens are included."""
    if not texts:  # Tokenizers raise an error.
        return {"input_ids": [], "offset_mapping": []}, np.zeros(0, np.bool_)
    texts = [for_model(text) for text in texts]
    encodings = tokenizer(texts, truncation=True, return_offsets_mapping=offsets)
    if tokenizer.is_fast:
        cut = [bool(encoding.overflowing) for encoding in encodings.encodings]
    else:  # A tokenizer written in Python does not record what it truncated.
        kept = encodings["input_ids"]
        cut = [len(whole) > len(part) for whole, part in zip(tokenizer(texts)["input_ids"], kept, strict=True)]
    return encodings, np.array(cut, np.bool_)


@contextmanager
def loading(what: str, error: type[CommuniqueError], remedy: str) -> Iterator[None]:
    """Silence transformers inside the block, and convert any failure to load or run a model into a one-line error.

    Call every loader in the block with `trust_remote_code=False`. Otherwise transformers asks on standard input whether it may
    run the Python code that comes with a model.

    Args:
        what: Name of the model in the message.
        error: Type of the error to raise.
        remedy: What the user can do about the error.
    """
    reports = transformers.utils.logging
    bars, verbosity = reports.is_progress_bar_enabled(), reports.get_verbosity()
    reports.disable_progress_bar()  # type: ignore[no-untyped-call]
    # transformers logs thirty lines about weights of the wrong shape before it raises an error.
    reports.set_verbosity(logging.CRITICAL)
    try:
        yield
    except CommuniqueError:
        raise
    except Exception as cause:  # Each library that reads the folder raises its own exceptions.
        if "trust_remote_code" in str(cause):
            raise error(
                f"{what}: the model comes with its own Python code (auto_map), which communique never runs. Use a model whose "
                "architecture is part of transformers"
            ) from cause
        if ("safetensors" in str(cause) and isinstance(cause, OSError)) or "weights_only" in str(cause):
            # The message of torch explains how to load the pickle anyway, and that of transformers does not say that pickles are
            # ignored.
            raise error(
                f"{what}: the model has no model.safetensors. communique reads no other format of weights, because a pickle such "
                "as pytorch_model.bin can run code. Save the model with save_pretrained of a current version of transformers"
            ) from cause
        line = next((line.strip() for line in str(cause).splitlines() if line.strip()), type(cause).__name__)
        raise error(f"{what}: {line[:300]}. {remedy}") from cause
    finally:
        reports.set_verbosity(verbosity)
        if bars:
            reports.enable_progress_bar()  # type: ignore[no-untyped-call]


def _check_files(folder: Path) -> None:
    """Check that a model folder refers to no Python code and contains only regular files.

    Raises:
        BundleError: A settings file has an `auto_map` or is too large, or the folder contains a device, a pipe or a broken
            link.
    """
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            continue
        if not path.is_file():
            # transformers would never finish reading a device or a pipe.
            raise BundleError(f"{path}: this is not a regular file. Copy the model folder again")
        if not path.name.endswith("config.json"):
            continue
        if path.stat().st_size > MAX_SETTINGS:
            raise BundleError(f"{path}: the file is larger than {MAX_SETTINGS:,} bytes. Copy the model folder again")
        if b"auto_map" in path.read_bytes():
            raise BundleError(
                f"{path}: the model comes with its own Python code (auto_map), which communique never runs. Name the folder that "
                "`communique train` wrote"
            )


def read_config(name: str, what: str, error: type[CommuniqueError], remedy: str, **settings: Any) -> Any:
    """Read the settings of a network, and check that they describe at most `MAX_LAYERS` layers.

    Args:
        name: Folder or hub name of the network.
        what: Name of the settings in the message.
        error: As for `loading`.
        remedy: As for `loading`.
        settings: Settings to change.
    """
    config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False, **settings)
    if (layers := getattr(config, "num_hidden_layers", None) or 0) > MAX_LAYERS:
        raise error(f"{what}: the network has {layers:,} layers; the maximum is {MAX_LAYERS:,}. {remedy}")
    return config


def without_memory(config: Any) -> Any:
    """Build a classifier with some settings on a device that stores no weights."""
    auto: Any = transformers.AutoModelForSequenceClassification
    with torch.device("meta"):
        return auto.from_config(config, trust_remote_code=False)


def _check_size(folder: Path) -> None:
    """Check that the size of the weights file is enough for the network that the folder's settings describe.

    transformers builds the network before it reads the weights, so settings with 10**12 weights would exhaust the memory.

    Raises:
        BundleError: The network has more weights than fit into the file, or too many layers.
    """
    config = read_config(str(folder), str(folder / "config.json"), BundleError, "Copy the model folder again")
    weights = sum(parameter.numel() for parameter in without_memory(config).parameters())
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    if size and weights > size:  # A weight takes at least one byte.
        raise BundleError(
            f"{folder / 'config.json'}: the network has {weights:,} weights, but the weights file has only {size:,} bytes. Copy "
            "the model folder again"
        )


class CheckpointClassifier:
    """A checkpoint that runs in fp32, to evaluate or export it. The temperature is part of the weights.

    Args:
        folder: The checkpoint folder.
        info: The content of its `bundle.json`. Default: read from the folder.
    """

    def __init__(self, folder: str | Path, *, info: ModelInfo | None = None) -> None:
        self.folder = Path(folder)
        self.info = info or read_info(folder, "checkpoint")
        self.codebook = read_codebook(folder, self.info)
        _check_files(self.folder)
        with loading(str(folder), BundleError, "Copy the model folder again"):
            _check_size(self.folder)
            # A safetensors file contains only numbers; a pickle could contain code.
            self.model = transformers.AutoModelForSequenceClassification.from_pretrained(
                folder, trust_remote_code=False, use_safetensors=True
            ).eval()
            self.tokenizer = transformers.AutoTokenizer.from_pretrained(
                folder, trust_remote_code=False, model_max_length=self.info.max_tokens
            )
        self.heads = (
            None
            if self.info.acts is None
            else ActHeads.load(self.folder, self.info.acts, len(self.codebook.names)).to(self.model.device)
        )
        if self.model.config.num_labels != len(self.codebook.names):
            raise BundleError(
                f"{folder}: the network has {self.model.config.num_labels} outputs, but the codebook has "
                f"{len(self.codebook.names)} labels. Copy the model folder again"
            )

    def predict(
        self,
        texts: str | Iterable[str] | Iterable[Sentence],
        *,
        languages: Sequence[str] | None = None,
        acts: bool = False,
    ) -> Predictions:
        """Label texts or sentences and return predictions in the same order. `languages` is ignored.

        With `acts`, the predictions also have kinds, holders and targets.

        Raises:
            BundleError: `acts` is set, but the model was trained without these outputs.
        """
        texts = as_texts(texts)
        if acts:
            require_acts(self.folder, self.info)
        # A tokenizer that has no padding token or the wrong vocabulary loads without an error and fails only here.
        with loading(str(self.folder), BundleError, "Copy the model folder again"):
            found = checkpoint_outputs(self.model, self.tokenizer, texts, self.heads if acts else None)
            return found.predictions(self.info)

    def predict_proba(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Compute probabilities (n, k), with columns in the codebook's order."""
        return self.predict(sentences).probabilities
