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

from ..errors import CommuniqueError, ExportError
from ..models.act_heads import ActHeads, run_features
from ..models.info import ACTS_OUTPUT, KINDS_OUTPUT, VECTOR_OUTPUT
from ..models.openvino import import_quietly
from .e5 import BLOCK

#: Strength of SmoothQuant (Xiao et al. 2023), from 0 to 1: how much of the activations' range moves into the weights.
SMOOTH_QUANT = 0.8

#: Names, in BERT and its relatives, of the products that compute the values of the attention and that read their weighted means.
#: Their activations are not quantized: with 8 bits, logits of pledges near the threshold were too low by 1 on new text, and 1.7 %
#: instead of 2.8 % of the sentences were predicted to be pledges (train/LOG.md). SmoothQuant also widens the range of the weights
#: of the values, so that these keep 32 bits.
VALUES, MEANS = r".*attention\.self\.value/.*", r".*attention\.output\.dense/.*"

#: Logits, and possibly the vectors of the sentence and of its tokens that auxiliary heads read.
Outputs = torch.Tensor | tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class _Logits(torch.nn.Module):
    """The classifier as a function of two tensors, which OpenVINO's converter requires. With `features`, it has three outputs."""

    model: Any

    def __init__(self, model: torch.nn.Module, *, features: bool) -> None:
        super().__init__()
        self.model, self.features = model, features

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Outputs:
        if not self.features:
            logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
            return logits
        found = run_features(self.model, input_ids=input_ids, attention_mask=attention_mask)
        return found.output.logits, found.pooled, found.tokens


class _FirstTokenLogits(_Logits):
    """The same function for a BERT, whose last layer computes only the first token, because the head reads no other.

    The last layer needs keys and values of all tokens, but query, output and feed-forward only of the first one. With 12 layers
    this saves 7 % of all products, and the results are the same.
    """

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Outputs:
        bert = self.model.bert
        *layers, last = bert.encoder.layer
        hidden = bert.embeddings(input_ids=input_ids)
        kept = attention_mask[:, None, None, :].bool()
        for layer in layers:
            hidden = self._layer(layer, hidden, hidden, kept)
        first = self._layer(last, hidden[:, :1], hidden, kept)
        pooled = bert.pooler(first)
        logits: torch.Tensor = self.model.classifier(pooled)
        return (logits, pooled, hidden) if self.features else logits

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


def _has_features(model: Any, example: dict[str, torch.Tensor]) -> bool:
    """Return whether the vectors of a classifier's sentences and tokens are known. Those of unusual architectures are not."""
    try:
        with torch.inference_mode():
            found = run_features(model, **example)
    except (CommuniqueError, TypeError, IndexError, AttributeError):
        return False
    return found.tokens.shape[:2] == example["input_ids"].shape


def _traceable(model: Any, example: dict[str, torch.Tensor], *, features: bool) -> _Logits:
    """Return the shorter computation if it gives the same numbers as the model, else the standard one."""
    stock = _Logits(model, features=features).eval()
    if not isinstance(model, transformers.BertForSequenceClassification):
        return stock
    shorter = _FirstTokenLogits(model, features=features).eval()
    with torch.inference_mode():
        pairs = zip(_listed(shorter(**example)), _listed(stock(**example)), strict=True)
        same = all(torch.allclose(one, other, atol=1e-4) for one, other in pairs)
    return shorter if same else stock


def _listed(outputs: Outputs) -> Sequence[torch.Tensor]:
    return (outputs,) if isinstance(outputs, torch.Tensor) else outputs


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
    model: Any,
    samples: Sequence[dict[str, NDArray[np.int64]]],
    *,
    four_bit_embeddings: bool,
    activations: bool = True,
    heads: ActHeads | None = None,
) -> Any:
    """Convert a torch classifier to OpenVINO with 8-bit weights and activations, except in parts of the attention (see `VALUES`).

    Args:
        model: A standard sequence classifier in evaluation mode.
        samples: Inputs of single texts, which determine the ranges of the activations.
        four_bit_embeddings: Whether to store word embeddings in 4-bit blocks. This is exact if they came in this form and were
            frozen.
        activations: Whether activations have 8 bits too, which is fast on CPUs with VNNI or AMX. Otherwise only weights have.
        heads: Auxiliary heads, which become the outputs `kinds` and `acts`. They are added after the quantization, in fp32, so that
            the rest of the network is the same as without them.

    Returns:
        An OpenVINO model with inputs `input_ids` and `attention_mask` of any size and the output `logits`. If the architecture
        allows it, the output `vector` is the mean of the token vectors that enter the last layer.
    """
    ov, nncf = import_quietly("openvino"), import_quietly("nncf")
    example = {name: torch.from_numpy(array) for name, array in samples[0].items()}
    features = heads is not None or _has_features(model, example)
    network = ov.convert_model(
        _traceable(model, example, features=features),
        example_input=example,
        input=[
            ("input_ids", ov.PartialShape([-1, -1]), ov.Type.i64),
            ("attention_mask", ov.PartialShape([-1, -1]), ov.Type.i64),
        ],
    )
    network.outputs[0].set_names({"logits"})
    cut = [_cut_output(network, result) for result in network.get_results()[1:]]
    table = _embedding_lookup(network, model.config.vocab_size)
    if activations:
        network = _quantize_activations(network, samples, ignored=[table] if four_bit_embeddings else [])
    if four_bit_embeddings:
        network = _compress_embeddings(network, table)
    network = nncf.compress_weights(
        network,
        mode=nncf.CompressWeightsMode.INT8_ASYM,
        ignored_scope=nncf.IgnoredScope(patterns=[VALUES] if activations else [], validate=False),
    )
    if cut:
        pooled, tokens = (_find_output(network, *source) for source in cut)
        _add_mean(network, VECTOR_OUTPUT, tokens)
        for name, source, head in (
            () if heads is None else ((KINDS_OUTPUT, pooled, heads.kinds), (ACTS_OUTPUT, tokens, heads.tags))
        ):
            if head is not None:
                _add_head(network, name, source, head)
    return network


def _quantize_activations(network: Any, samples: Sequence[dict[str, NDArray[np.int64]]], *, ignored: list[str]) -> Any:
    """Convert weights and activations of an OpenVINO model to 8 bits, except in ignored operations and parts of the attention."""
    nncf = import_quietly("nncf")
    return nncf.quantize(
        network,
        nncf.Dataset(samples),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(samples),
        # Encoders of other families have other names, so that the patterns may match nothing.
        ignored_scope=nncf.IgnoredScope(names=ignored, patterns=[VALUES, MEANS], validate=False),
        # train/LOG.md reports measurements of both settings. Weights can use all 8 bits, because OpenVINO's sums are correct on
        # CPUs without VNNI too. The default SmoothQuant strength of 0.95 moves too much range into the weights.
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            overflow_fix=nncf.OverflowFix.DISABLE,
            smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=SMOOTH_QUANT),
        ),
    )


def _compress_embeddings(network: Any, table: str) -> Any:
    """Convert the word embeddings of an OpenVINO model to 4 bits. `table` is the name of the operation that looks them up."""
    nncf = import_quietly("nncf")
    # Constants have no names. A table of weights is ignored by ignoring the operation that reads it.
    others = [op.get_friendly_name() for op in network.get_ops() if op.get_type_name() != "Constant"]
    others.remove(table)
    return nncf.compress_weights(
        network,
        mode=nncf.CompressWeightsMode.INT4_SYM,
        group_size=BLOCK,
        all_layers=True,
        # Some operations are not nodes of NNCF's graph, and a validation would report their names as unknown.
        ignored_scope=nncf.IgnoredScope(names=others, validate=False),
    )


def _cut_output(model: Any, result: Any) -> tuple[str, int]:
    """Remove an output of an OpenVINO model. Return the name of the operation that computes it, and which of its outputs it is."""
    source = result.input_value(0)
    model.remove_result(result)
    return str(source.get_node().get_friendly_name()), int(source.get_index())


def _find_output(model: Any, name: str, index: int) -> Any:
    """Return an output of an operation by the names from `_cut_output`."""
    return next(op for op in model.get_ops() if op.get_friendly_name() == name).output(index)


def _add_mean(model: Any, name: str, tokens: Any) -> None:
    """Add the mean of the token vectors of each text, without padding, to an OpenVINO model as an output with a name."""
    ops = import_quietly("openvino").opset13
    given = next(one for one in model.get_parameters() if "attention_mask" in one.output(0).get_names())
    mask = ops.unsqueeze(ops.convert(given, "f32"), ops.constant(np.array([2])))
    total, number = (
        ops.reduce_sum(values, ops.constant(np.array([1])), False) for values in (ops.multiply(tokens, mask), mask)
    )
    output = ops.divide(total, number).output(0)
    output.set_names({name})
    model.add_results([ops.result(output)])


def _add_head(model: Any, name: str, source: Any, head: torch.nn.Linear) -> None:
    """Add a linear layer to an OpenVINO model as an output with a name."""
    ops = import_quietly("openvino").opset13
    weight, bias = (part.detach().cpu().float().numpy() for part in (head.weight, head.bias))
    output = ops.add(ops.matmul(source, ops.constant(weight), False, True), ops.constant(bias)).output(0)
    output.set_names({name})
    model.add_results([ops.result(output)])


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
