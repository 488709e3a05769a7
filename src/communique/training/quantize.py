"""Quantise a classifier to 8 bits for OpenVINO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from ..errors import ExportError
from ..models.openvino import import_quietly
from .e5 import BLOCK

#: How much of the activations' range SmoothQuant moves into the weights (Xiao et al. 2023), from 0 to 1.
SMOOTH_QUANT = 0.8


class _Logits(torch.nn.Module):
    """The classifier as a function of two tensors that gives one, as OpenVINO's converter wants it."""

    model: Any

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


class _FirstTokenLogits(_Logits):
    """The same for a BERT, whose head reads the first token: the last layer computes no other.

    Keys and values of the last layer need all tokens; query, output and feed-forward do not. With 12 layers that saves 7 %
    of all products, and the numbers are the same.
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
    """Choose the shorter computation where it gives the model's numbers, else the stock one."""
    stock = _Logits(model).eval()
    if not isinstance(model, transformers.BertForSequenceClassification):
        return stock
    shorter = _FirstTokenLogits(model).eval()
    with torch.inference_mode():
        same = torch.allclose(shorter(**example), stock(**example), atol=1e-4)
    return shorter if same else stock


def quantize(
    model: Any, samples: Sequence[dict[str, NDArray[np.int64]]], *, four_bit_embeddings: bool, activations: bool = True
) -> Any:
    """Convert a torch classifier to OpenVINO with 8-bit weights and activations.

    Args:
        model: A stock sequence classifier in evaluation mode.
        samples: Inputs of single texts that set the ranges of activations.
        four_bit_embeddings: Store word embeddings in 4-bit blocks; exact where they come as such and were frozen.
        activations: Whether activations have 8 bits too, which is fast on CPUs with VNNI or AMX; else weights alone.

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
            # Both measured in train/LOG.md. Full 8-bit weights: OpenVINO gives right sums on CPUs without VNNI too. SmoothQuant at
            # 0.8: the default of 0.95 moves more of the activations' range into the weights than these bear.
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                overflow_fix=nncf.OverflowFix.DISABLE,
                smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=SMOOTH_QUANT),
            ),
        )
    if four_bit_embeddings:
        # Constants are not named: to ignore a table of weights is to ignore the operation that reads it.
        others = [op.get_friendly_name() for op in quantized.get_ops() if op.get_type_name() != "Constant"]
        others.remove(table)
        quantized = nncf.compress_weights(
            quantized,
            mode=nncf.CompressWeightsMode.INT4_SYM,
            group_size=BLOCK,
            all_layers=True,
            # Not all operations are nodes of NNCF's graph, which would otherwise complain of names that it does not know.
            ignored_scope=nncf.IgnoredScope(names=others, validate=False),
        )
    return quantized if activations else nncf.compress_weights(quantized, mode=nncf.CompressWeightsMode.INT8_ASYM)


def _embedding_lookup(model: Any, vocabulary: int) -> str:
    """Find the operation that looks up word embeddings: the Gather from a table of as many rows as the vocabulary."""
    for op in model.get_ops():
        if op.get_type_name() == "Gather" and op.input_value(0).get_partial_shape()[0] == vocabulary:
            return str(op.get_friendly_name())
    raise ExportError(
        f"no lookup of {vocabulary} word embeddings in the converted model; its architecture is not known"
    )
