"""Convert a classifier to an OpenVINO model with 8-bit numbers."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from ..errors import ExportError
from ..models.openvino import import_quietly
from .e5 import BLOCK

#: Strength of SmoothQuant (Xiao et al. 2023), from 0 to 1: how much of the activations' range moves into the weights.
SMOOTH_QUANT = 0.8


class _Logits(torch.nn.Module):
    """The classifier as a function from two tensors to one, which OpenVINO's converter requires."""

    model: Any

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


class _FirstTokenLogits(_Logits):
    """The same function for a BERT, whose last layer computes only the first token, because the head reads no other.

    The last layer needs keys and values of all tokens, but query, output and feed-forward only of the first one. With 12 layers
    this saves 7 % of all products, and the results are the same.
    """

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        bert = self.model.bert
        *layers, last = bert.encoder.layer
        hidden = bert.embeddings(input_ids=input_ids)
        kept = attention_mask[:, None, None, :].bool()
        for layer in layers:
            hidden = self._layer(layer, hidden, hidden, kept)
        first = self._layer(last, hidden[:, :1], hidden, kept)
        logits: torch.Tensor = self.model.classifier(bert.pooler(first))
        return logits

    @staticmethod
    def _layer(layer: Any, asking: torch.Tensor, hidden: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        attention = layer.attention.self
        heads, width = attention.num_attention_heads, attention.attention_head_size
        query, key, value = (
            project(states).view(states.shape[0], states.shape[1], heads, width).transpose(1, 2)
            for project, states in ((attention.query, asking), (attention.key, hidden), (attention.value, hidden))
        )
        context = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=kept)
        context = context.transpose(1, 2).reshape(asking.shape)
        between = layer.attention.output(context, asking)
        result: torch.Tensor = layer.output(layer.intermediate(between), between)
        return result


def _traceable(model: Any, example: dict[str, torch.Tensor]) -> _Logits:
    """Return the shorter computation if it gives the same numbers as the model, else the standard one."""
    stock = _Logits(model).eval()
    if not isinstance(model, transformers.BertForSequenceClassification):
        return stock
    shorter = _FirstTokenLogits(model).eval()
    with torch.inference_mode():
        same = torch.allclose(shorter(**example), stock(**example), atol=1e-4)
    return shorter if same else stock


@contextmanager
def silenced() -> Iterator[None]:
    """Silence warnings of transformers and the log of NNCF inside the block, and send NNCF's progress bars to the error stream.

    NNCF writes to standard output, which is reserved for results. transformers warns about deprecated properties of the model,
    because the conversion reads all of them.
    """
    nncf = import_quietly("nncf")
    reports = transformers.utils.logging
    verbosity, level = reports.get_verbosity(), logging.getLogger("nncf").level
    reports.set_verbosity(logging.CRITICAL)
    nncf.set_log_level(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")
            yield
    finally:
        reports.set_verbosity(verbosity)
        nncf.set_log_level(level)


def quantize(
    model: Any, samples: Sequence[dict[str, NDArray[np.int64]]], *, four_bit_embeddings: bool, activations: bool = True
) -> Any:
    """Convert a torch classifier to OpenVINO with 8-bit weights and activations.

    Args:
        model: A standard sequence classifier in evaluation mode.
        samples: Inputs of single texts, which determine the ranges of the activations.
        four_bit_embeddings: Whether to store word embeddings in 4-bit blocks. This is exact if they came in this form and were
            frozen.
        activations: Whether activations have 8 bits too, which is fast on CPUs with VNNI or AMX. Otherwise only weights have.

    Returns:
        An OpenVINO model with inputs `input_ids` and `attention_mask` of any size and the output `logits`.
    """
    ov, nncf = import_quietly("openvino"), import_quietly("nncf")
    example = {name: torch.from_numpy(array) for name, array in samples[0].items()}
    converted = ov.convert_model(
        _traceable(model, example),
        example_input=example,
        input=[
            ("input_ids", ov.PartialShape([-1, -1]), ov.Type.i64),
            ("attention_mask", ov.PartialShape([-1, -1]), ov.Type.i64),
        ],
    )
    converted.outputs[0].set_names({"logits"})
    table = _embedding_lookup(converted, model.config.vocab_size)
    quantized = converted
    if activations:
        quantized = nncf.quantize(
            converted,
            nncf.Dataset(samples),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(samples),
            ignored_scope=nncf.IgnoredScope(names=[table]) if four_bit_embeddings else None,
            # train/LOG.md reports measurements of both settings. Weights can use all 8 bits, because OpenVINO's sums are correct
            # on CPUs without VNNI too. The default SmoothQuant strength of 0.95 moves too much range into the weights.
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                overflow_fix=nncf.OverflowFix.DISABLE,
                smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=SMOOTH_QUANT),
            ),
        )
    if four_bit_embeddings:
        # Constants have no names. A table of weights is ignored by ignoring the operation that reads it.
        others = [op.get_friendly_name() for op in quantized.get_ops() if op.get_type_name() != "Constant"]
        others.remove(table)
        quantized = nncf.compress_weights(
            quantized,
            mode=nncf.CompressWeightsMode.INT4_SYM,
            group_size=BLOCK,
            all_layers=True,
            # Some operations are not nodes of NNCF's graph, and a validation would report their names as unknown.
            ignored_scope=nncf.IgnoredScope(names=others, validate=False),
        )
    return quantized if activations else nncf.compress_weights(quantized, mode=nncf.CompressWeightsMode.INT8_ASYM)


def _embedding_lookup(model: Any, vocabulary: int) -> str:
    """Return the name of the operation that looks up word embeddings: the Gather from a table with a row per token.

    Raises:
        ExportError: There is no such operation.
    """
    for op in model.get_ops():
        if op.get_type_name() == "Gather" and op.input_value(0).get_partial_shape()[0] == vocabulary:
            return str(op.get_friendly_name())
    raise ExportError(
        f"the converted model has no lookup of {vocabulary} word embeddings, so it cannot be exported. Use the checkpoint itself"
    )
