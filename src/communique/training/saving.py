"""Write a checkpoint: a standard transformers model, and the files that every model folder has."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..errors import RecipeError
from ..io.atomic import new_folder
from ..metrics.calibration import Tuning
from ..models.folder import finish
from ..models.info import INFO, OUT_OF_FOLD, ModelInfo, TrainingData
from ..models.limits import Limits, UsualLength
from .recipe import Recipe
from .splits import DataSplits

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from ..models.act_heads import ActHeads

#: A corpus without sentences.
EMPTY = Corpus(())


def describe_checkpoint(
    recipe: Recipe,
    codebook: Codebook,
    data: DataSplits,
    *,
    texts: str | Path | None,
    unlabelled: Corpus = EMPTY,
    **measured: Any,
) -> ModelInfo:
    """Build the description of a checkpoint from its recipe, codebook, data and measured values.

    Args:
        recipe: The recipe.
        codebook: The codebook.
        data: The training rows and the held-out rows.
        texts: The file or folder with the texts of stand-off labels.
        unlabelled: Sentences without labels from which the model learned. Default: there are none.
        measured: The other fields of `ModelInfo`, such as `thresholds` and `training_seconds`.
    """
    return ModelInfo.create(
        codebook,
        packages=("torch", "transformers", "tokenizers"),
        kind="checkpoint",
        name=recipe.name,
        version=recipe.version,
        description=recipe.description,
        notes=recipe.notes,
        license=recipe.license,
        # Temperature and biases are already part of the weights.
        temperature=1.0,
        max_tokens=recipe.max_tokens,
        recipe=recipe.model_dump(mode="json", exclude={"notes"}),
        texts=None if texts is None else str(Path(texts).resolve()),
        training=TrainingData.from_corpora(data.train, data.validation + data.parity + unlabelled, codebook),
        **measured,
    )


def write_checkpoint(
    out: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    info: ModelInfo,
    codebook: Codebook,
    data: DataSplits,
    *,
    heads: ActHeads | None = None,
    out_of_fold: Mapping[str, Sequence[str]] | None = None,
    overwrite: bool = False,
) -> ModelInfo:
    """Write a checkpoint folder and return its description, with the hashes of its files.

    Args:
        out: The folder. It must not exist, unless `overwrite` is set.
        model: A standard sequence classifier.
        tokenizer: Its tokenizer.
        info: The description from `describe_checkpoint`.
        codebook: The codebook.
        data: The training rows and the held-out rows.
        heads: The auxiliary heads, if any.
        out_of_fold: Labels by id of the training row, each predicted by a model of a cross-validation that was not trained on its
            document. The export measures losses on them.
        overwrite: Whether to replace an existing folder.
    """
    from ..models.checkpoint import token_lengths

    lengths = token_lengths(tokenizer, [s.text for s in data.train])
    limits = Limits(length=UsualLength.of(lengths))
    info = info.model_copy(update={"acts": None if heads is None else heads.info, "limits": limits})
    with new_folder(out, replace=overwrite, marker=INFO) as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        if heads is not None:
            heads.save(folder)
        if out_of_fold is not None:
            (folder / OUT_OF_FOLD).write_text(
                json.dumps(dict(out_of_fold), ensure_ascii=False) + "\n", encoding="utf-8"
            )
        return finish(folder, info, codebook, data.ids, texts=data.texts)


def fold_calibration(model: PreTrainedModel, tuning: Tuning) -> None:
    """Make temperature and biases part of the weights of a classifier's last layer, in place.

    Raises:
        RecipeError: The last layer has no bias.
    """
    import torch

    from ..models.act_heads import classification_head

    head = classification_head(model)
    if head.bias is None:
        raise RecipeError(
            f"backbone: the classification head of {model.config.model_type!r} has no bias, so it cannot be calibrated. Name an "
            "encoder such as 'e5-small'"
        )
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.div_(tuning.temperature)
        head.bias.add_(torch.from_numpy(tuning.bias))
