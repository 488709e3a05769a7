"""Convert the network of a bundle back into a standard `BertModel` with 32-bit weights, from which training can start.

NNCF stores most matrices as 8-bit or 4-bit numbers with scales. If SmoothQuant moved part of the activations' range into a matrix,
the network first multiplies the input of the matrix by constants; this module multiplies them into the matrix instead. The result
differs from the original network only by rounding.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RecipeError
from ..models.info import IR
from ..models.openvino import import_quietly

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FloatArray = NDArray[np.float32]

#: Names of operations. The converter writes the name of the parameter into them.
_NAME = re.compile(r"^__module\.model\.(bert\..+|classifier)/aten::(linear|embedding|layer_norm)/")


def read_weights(model: Any) -> dict[str, FloatArray]:
    """Return the weights of an OpenVINO network under the names that `BertForSequenceClassification` uses."""
    constants: dict[str, Any] = {}
    smoothing: dict[str, Any] = {}
    transposed = set()
    for op in model.get_ordered_ops():
        match = _NAME.match(op.get_friendly_name())
        if match is None:
            continue
        name, kind, operation = match[1], match[2], op.get_type_name()
        if kind == "linear" and operation == "MatMul":
            constants[f"{name}.weight"] = op.input_value(1)
            if not op.get_attributes()["transpose_b"]:
                transposed.add(f"{name}.weight")
            if (scale := _smoothing(op.input_value(0))) is not None:
                smoothing[f"{name}.weight"] = scale
        elif kind == "embedding" and operation == "Gather":
            constants[f"{name}.weight"] = op.input_value(0)
        # A layer norm is a normalisation, then a multiplication by its weight, then an addition of its bias.
        elif operation == "Add" or (kind == "layer_norm" and operation == "Multiply"):
            part = "weight" if operation == "Multiply" else "bias"
            if "nncf_smooth_quant" not in op.get_friendly_name():
                constants[f"{name}.{part}"] = op.input_value(1)
    found = {name: _value(output).astype(np.float32) for name, output in constants.items()}
    for name in transposed:
        found[name] = found[name].T
    for name, output in smoothing.items():
        found[name] = found[name] * _value(output).reshape(1, -1)
    flat = (".bias", ".LayerNorm.weight")
    return {name: array.reshape(-1) if name.endswith(flat) else array for name, array in found.items()}


def _smoothing(activation: Any) -> Any:
    """Return the constants by which SmoothQuant multiplies an input of a matrix product; None if there are none."""
    node = activation.get_node()
    if node.get_type_name() == "FakeQuantize":
        node = node.input_value(0).get_node()
    is_smoothed = node.get_type_name() == "Multiply" and node.get_friendly_name().endswith("nncf_smooth_quant")
    return node.input_value(1) if is_smoothed else None


def _value(output: Any) -> NDArray[Any]:
    """Compute an output that depends only on constants, such as compressed numbers that are converted, shifted and scaled."""
    node = output.get_node()
    kind, shape = node.get_type_name(), tuple(output.get_shape())
    if kind == "Constant":
        return _unpacked(node.data, str(output.get_element_type().get_type_name()), shape)
    inputs = [_value(node.input_value(i)) for i in range(1 if kind in ("Convert", "Reshape") else 2)]
    if kind == "Multiply":
        return np.asarray(inputs[0] * inputs[1])
    if kind == "Subtract":
        return np.asarray(inputs[0] - inputs[1])
    if kind == "Convert":
        return inputs[0].astype(np.float32)
    if kind == "Reshape":
        return inputs[0].reshape(shape)
    raise ValueError(f"unexpected operation {kind} among the weights")


def _unpacked(data: NDArray[Any], kind: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the numbers of a constant. A byte contains two 4-bit numbers, the first one in the lower half."""
    if kind not in ("i4", "u4"):
        return data.reshape(shape)
    packed = data.view(np.uint8).reshape(-1)
    numbers = np.stack([packed & 15, packed >> 4], axis=1).reshape(-1)[: math.prod(shape)].astype(np.int8)
    return (((numbers + 8) & 15) - 8 if kind == "i4" else numbers).reshape(shape)


def bundle_classifier(folder: Path, settings: dict[str, Any], padding: int) -> PreTrainedModel:
    """Build a classifier with a new head over the encoder of a bundle.

    Args:
        folder: The bundle's folder.
        settings: Additional settings of the configuration, such as the number of labels.
        padding: The id of the padding token.

    Raises:
        RecipeError: The network is not an export of a BERT model.
    """
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    network = import_quietly("openvino").Core().read_model(folder / IR)
    try:
        state = {name: torch.from_numpy(array.copy()) for name, array in read_weights(network).items()}
        table = state["bert.embeddings.word_embeddings.weight"]
        config = BertConfig(
            vocab_size=len(table),
            hidden_size=table.shape[1],
            num_hidden_layers=1 + max(int(n) for name in state for n in re.findall(r"\.layer\.(\d+)\.", name)),
            num_attention_heads=_heads(network, table.shape[1]),
            intermediate_size=len(state["bert.encoder.layer.0.intermediate.dense.weight"]),
            max_position_embeddings=len(state["bert.embeddings.position_embeddings.weight"]),
            type_vocab_size=len(state["bert.embeddings.token_type_embeddings.weight"]),
            pad_token_id=padding,
            **settings,
        )
        model = BertForSequenceClassification(config)
        state |= {name: weights for name, weights in model.state_dict().items() if name.startswith("classifier.")}
        model.load_state_dict(state)
    except (KeyError, RuntimeError, ValueError) as error:
        raise RecipeError(
            f"backbone {folder}: this bundle is not an export of a BERT model ({str(error).splitlines()[0]}). Name its checkpoint "
            "instead"
        ) from error
    return model


def _heads(network: Any, width: int) -> int:
    """Return the number of attention heads, from the first activation of shape (batch, tokens, heads, width per head)."""
    for op in network.get_ordered_ops():
        if op.get_type_name() != "Reshape":
            continue
        shape = op.get_output_partial_shape(0)
        if shape.rank == 4 and shape[2].is_static and shape[3].is_static:
            heads = int(shape[2].get_length())
            if heads * shape[3].get_length() == width:
                return heads
    raise ValueError("there are no attention heads")
