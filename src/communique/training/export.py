"""Export a checkpoint to OpenVINO in 8 bits, and compare the export with the checkpoint. Requires the extra `train`."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.sentence import Sentence
from ..errors import BundleError, DataError, ExportError
from ..io.atomic import new_folder
from ..metrics.calibration import tune
from ..metrics.scores import indicator
from ..models.checkpoint import CheckpointClassifier
from ..models.folder import finish, read_codebook, read_info, verify_files
from ..models.info import (
    INFO,
    IR,
    MAX_BUNDLE_BYTES,
    MAX_FILE_BYTES,
    TOKENIZER,
    VALIDATION,
    VECTOR_OUTPUT,
    ModelInfo,
    ParityReport,
    Score,
    package_versions,
    score_tuning_rows,
)
from ..models.openvino import import_quietly
from ..models.predictions import Predictions
from ..models.predictor import Predictor
from ..reporting.format import megabytes
from ..text.cleaning import for_model
from .limits import describe_limits
from .parity import check_parity, compare_new_texts, require_parity
from .quantize import quantize, silenced
from .recipe import Recipe
from .splits import DataSplits

logger = logging.getLogger(__name__)

#: Number of sentences whose activations determine the ranges of the 8-bit numbers.
CALIBRATION = 300

#: Maximum number of new texts on which an export is compared with its checkpoint. The checkpoint labels them in a few minutes.
NEW_TEXTS = 2000


def export(
    checkpoint: str | Path,
    out: str | Path,
    *,
    recipe: str | Path | None = None,
    texts: str | Path | None = None,
    new_texts: Sequence[str] = (),
    overwrite: bool = False,
    force: bool = False,
) -> ParityReport:
    """Export a checkpoint to a bundle, tune it on its own outputs, and compare it with the checkpoint.

    Args:
        checkpoint: The checkpoint folder that `train` wrote.
        out: The bundle folder to write.
        recipe: The recipe that trained the checkpoint. Default: the one in the checkpoint.
        texts: Texts of stand-off labels. Default: the path in the checkpoint.
        new_texts: Sentences on which the bundle is compared with the checkpoint too. Those on which the model was trained or tuned
            are left out, and at most `NEW_TEXTS` are used. Default: none.
        overwrite: Whether to replace an existing bundle.
        force: Whether to export even a checkpoint that has learned nothing.

    Returns:
        The parity report.

    Raises:
        ExportError: The checkpoint has learned nothing, macro-F1 on the parity rows falls by more than 0.5 points, or the
            decisions for a label agree with the checkpoint's with an F1 below 0.95. Nothing is written.
        CommuniqueError: The checkpoint or its data are invalid.
    """
    checkpoint = Path(checkpoint)
    info = read_info(checkpoint, "checkpoint")
    if info.warnings and not force:
        raise ExportError(
            f"{checkpoint}: this model is not fit for use. {'. '.join(info.warnings)}. Train it on more rows, or export it anyway "
            "with --force"
        )
    verify_files(checkpoint, info)
    codebook = read_codebook(checkpoint, info)
    settings = Recipe.load(recipe) if recipe else Recipe.model_validate(info.recipe)
    remembered = Path(info.texts) if info.texts else None
    read = DataSplits.read if info.tuned_by == "validation" else DataSplits.whole
    data = read(settings, codebook, Path(texts) if texts else remembered)
    held_out = json.loads((checkpoint / VALIDATION).read_text(encoding="utf-8"))
    if data.ids != held_out:
        raise BundleError(
            f"{checkpoint / VALIDATION}: the held-out rows of the recipe's corpora are not those of the training. Restore the "
            "corpora (and --texts) that trained the checkpoint, or train again"
        )
    classifier = CheckpointClassifier(checkpoint)
    samples = _samples(data.train.sentences, classifier.tokenizer, settings.seed)
    before = classifier.predict(data.parity.sentences, acts=info.acts is not None)
    unseen = _unseen(new_texts, data, settings.seed)
    decided = classifier.predict(unseen).decisions
    info = info.model_copy(
        update={"kind": "bundle", "recipe": settings.portable().model_dump(mode="json"), "texts": None}
    )
    for activations in (True, False):
        with silenced():
            exported = quantize(
                classifier.model,
                samples,
                four_bit_embeddings=settings.freeze_embeddings,
                activations=activations,
                heads=classifier.heads,
            )
        quantization = "8-bit weights and activations" if activations else "8-bit weights"
        try:
            with new_folder(out, replace=overwrite, marker=INFO) as folder:
                parity = _fill(
                    folder,
                    info,
                    quantization,
                    exported,
                    classifier,
                    codebook,
                    before,
                    (unseen, decided),
                    data,
                    settings.seed,
                )
            return parity
        except ExportError as error:
            if not activations:
                raise ExportError(
                    f"{checkpoint}: nothing was written. You can use the checkpoint itself instead of an export. With "
                    f"{quantization}, {error}"
                ) from None
            logger.warning("With %s, %s. Trying again with 8-bit weights only.", quantization, error)
    raise AssertionError("unreachable: the second attempt returns or raises")


def _fill(
    folder: Path,
    info: ModelInfo,
    quantization: str,
    exported: Any,
    classifier: CheckpointClassifier,
    codebook: Codebook,
    before: Predictions,
    new: tuple[Sequence[str], NDArray[np.bool_]],
    data: DataSplits,
    seed: int,
) -> ParityReport:
    """Write an exported model to the bundle folder, tune it on its own outputs, and check its parity.

    `new` has sentences without gold and the checkpoint's decisions (n, k) for them.
    """
    import_quietly("openvino").save_model(exported, folder / IR, compress_to_fp16=False)
    classifier.tokenizer.backend_tokenizer.save(str(folder / TOKENIZER), pretty=False)
    finish(folder, info, codebook, data.ids, texts=data.texts)
    held_out = info.tuned_by == "validation"
    if held_out:
        info = _tuned(info, Predictor(folder), data.validation.sentences, codebook)
        finish(folder, info, codebook, data.ids)
    predictor = Predictor(folder)
    rows = "held-out documents, rows that were not used for tuning" if held_out else "rows that trained the model"
    parity = check_parity(
        data.parity.sentences,
        before,
        predictor,
        data=f"{quantization}; {rows}",
    )
    require_parity(parity)
    unseen, decided = new
    if unseen:
        found = compare_new_texts(codebook.names, decided, predictor.predict(unseen).decisions)
        parity = parity.model_copy(update={"new_texts": found})
    width = _vector_width(exported, classifier)
    limits, domain = describe_limits(predictor, width, data, checkpoint=classifier.folder, seed=seed)
    if domain is not None:
        domain.save(folder)
    info = info.model_copy(
        update={
            "parity": parity,
            "limits": limits,
            # Without held-out rows the export cannot be scored, so the out-of-fold scores are kept.
            "scores": (_score(info, predictor, data, codebook, seed),) if held_out else info.scores,
            "versions": info.versions | package_versions("openvino", "nncf", "tokenizers"),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
    )
    finish(folder, info, codebook, data.ids)
    _warn_if_large(folder)
    return parity


def _vector_width(exported: Any, classifier: CheckpointClassifier) -> int | None:
    """Return the size of the sentence vectors that an exported model computes, or None if it computes none."""
    names = {name for one in exported.outputs for name in one.get_names()}
    return int(classifier.model.config.hidden_size) if VECTOR_OUTPUT in names else None


def _samples(sentences: Sequence[Sentence], tokenizer: Any, seed: int) -> list[dict[str, NDArray[np.int64]]]:
    drawn = random.Random(seed).sample(list(sentences), min(CALIBRATION, len(sentences)))
    encoded = (tokenizer(s.model_text, truncation=True, return_tensors="np") for s in drawn)
    return [{name: e[name].astype(np.int64) for name in ("input_ids", "attention_mask")} for e in encoded]


def _unseen(texts: Sequence[str], data: DataSplits, seed: int) -> list[str]:
    """Return different texts, at most `NEW_TEXTS` drawn at random, without those on which the model was trained or tuned.

    Raises:
        DataError: There are texts, but none is left.
    """
    known = {s.model_text for s in (*data.train, *data.validation)}
    left = [text for text in dict.fromkeys(texts) if for_model(text) not in known]
    if texts and not left:
        raise DataError("--new-texts: the model was trained or tuned on all of these sentences. Name other texts")
    return left if len(left) <= NEW_TEXTS else random.Random(seed).sample(left, NEW_TEXTS)


def _tuned(info: ModelInfo, predictor: Predictor, validation: Sequence[Sentence], codebook: Codebook) -> ModelInfo:
    """Tune temperature, biases and thresholds on the exported model's own outputs."""
    logits, gold = predictor.predict_logits([s.text for s in validation]), indicator(validation, codebook)
    tuning = tune(logits, gold, multilabel=codebook.multilabel)
    return info.model_copy(
        update={
            "temperature": tuning.temperature,
            "bias": tuple(tuning.bias.tolist()),
            "thresholds": None if tuning.thresholds is None else tuple(tuning.thresholds.tolist()),
        }
    )


def _score(info: ModelInfo, predictor: Predictor, data: DataSplits, codebook: Codebook, seed: int) -> Score:
    rows = data.validation.sentences
    decisions = predictor.predict(rows).decisions
    return score_tuning_rows(rows, decisions, codebook, seed=seed, command=f"communique export runs/{info.name}")


def _warn_if_large(folder: Path) -> None:
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    largest = max(sizes, key=lambda name: sizes[name])
    if sizes[largest] > MAX_FILE_BYTES or sum(sizes.values()) > MAX_BUNDLE_BYTES:
        logger.warning(
            "The bundle takes %s (largest file: %s, %s). Common hosts of Git repositories accept files of up to 100 MB.",
            megabytes(sum(sizes.values())),
            largest,
            megabytes(sizes[largest]),
        )
