"""Write a checkpoint: a standard transformers model, and the files that every model folder has."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..errors import RecipeError
from ..io.atomic import new_folder
from ..metrics.calibration import Tuning
from ..models.distillation import Distillation
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


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained classifier, and how it was trained.

    Attributes:
        model: A standard sequence classifier. Temperature and biases are part of its last layer.
        tokenizer: Its tokenizer.
        seconds: Duration of the training.
        precision: Number format of the matrix products in training.
        heads: The auxiliary heads, if any.
        unlabelled: Sentences without labels from which it learned.
        distillation: What teachers labelled for its training, if it had any.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    seconds: float
    precision: str
    heads: ActHeads | None = None
    unlabelled: Corpus = EMPTY
    distillation: Distillation | None = None


def write_checkpoint(
    out: Path,
    network: TrainedNetwork,
    recipe: Recipe,
    codebook: Codebook,
    data: DataSplits,
    tuning: Tuning,
    *,
    texts: str | Path | None,
    out_of_fold: Mapping[str, Sequence[str]] | None = None,
    overwrite: bool = False,
    **fields: Any,
) -> ModelInfo:
    """Write a checkpoint folder and return its description, with the hashes of its files.

    Args:
        out: The folder. It must not exist, unless `overwrite` is set.
        network: The classifier.
        recipe: The recipe.
        codebook: The codebook.
        data: The training rows and the held-out rows.
        tuning: Its temperature, biases and thresholds. Only the thresholds are recorded; the rest is part of the weights.
        texts: The file or folder with the texts of stand-off labels.
        out_of_fold: Labels by id of the training row, each predicted by a model of a cross-validation that was not trained on its
            document. The export measures losses on them.
        overwrite: Whether to replace an existing folder.
        fields: The other fields of `ModelInfo`, such as `scores` and `warnings`.
    """
    from ..models.checkpoint import token_lengths

    lengths = token_lengths(network.tokenizer, [s.text for s in data.train])
    others = data.validation + data.parity + network.unlabelled
    info = ModelInfo.create(
        codebook,
        packages=("torch", "transformers", "tokenizers"),
        kind="checkpoint",
        name=recipe.name,
        version=recipe.version,
        description=recipe.description,
        notes=recipe.notes,
        license=recipe.license,
        temperature=1.0,
        thresholds=tuning.plain_thresholds,
        tuned_on=tuning.rows,
        tuned_by=tuning.by,
        max_tokens=recipe.max_tokens,
        recipe=recipe.model_dump(mode="json", exclude={"notes"}),
        texts=None if texts is None else str(Path(texts).resolve()),
        training=TrainingData.from_corpora(data.train, others, codebook),
        training_seconds=round(network.seconds, 1),
        precision=network.precision,
        distillation=network.distillation,
        acts=None if network.heads is None else network.heads.info,
        limits=Limits(length=UsualLength.of(lengths)),
        **fields,
    )
    with new_folder(out, replace=overwrite, marker=INFO) as folder:
        network.model.save_pretrained(folder)
        network.tokenizer.save_pretrained(folder)
        if network.heads is not None:
            network.heads.save(folder)
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
