"""Export a checkpoint to OpenVINO in 8 bits, and compare the export with the checkpoint. Requires the extra `train`."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
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
    settings = Recipe.load(recipe) if recipe else Recipe.model_validate(info.recipe)
    data = _read_data(checkpoint, info, settings, texts)
    unseen = _unseen(new_texts, data, settings.seed)
    attempt = _Export.prepare(CheckpointClassifier(checkpoint, info=info), settings, data, unseen)
    for activations, quantization in ((True, "8-bit weights and activations"), (False, "8-bit weights")):
        exported = attempt.convert(activations=activations)
        try:
            with new_folder(out, replace=overwrite, marker=INFO) as folder:
                return attempt.fill(folder, exported, quantization)
        except ExportError as error:
            refused = f"With {quantization}, {error}"
        if activations:
            logger.warning("%s. Trying again with 8-bit weights only.", refused)
    raise ExportError(
        f"{checkpoint}: nothing was written. You can use the checkpoint itself instead of an export. {refused}"
    )


def _read_data(checkpoint: Path, info: ModelInfo, settings: Recipe, texts: str | Path | None) -> DataSplits:
    """Read the rows that trained a checkpoint, and those that were held out.

    Raises:
        BundleError: Other rows are held out than those of the training.
        CommuniqueError: The data are invalid.
    """
    texts = texts or info.texts
    read = DataSplits.read if info.held_out else DataSplits.whole
    data = read(settings, read_codebook(checkpoint, info), Path(texts) if texts else None)
    if data.ids != json.loads((checkpoint / VALIDATION).read_text(encoding="utf-8")):
        raise BundleError(
            f"{checkpoint / VALIDATION}: the held-out rows of the recipe's corpora are not those of the training. Restore the "
            "corpora (and --texts) that trained the checkpoint, or train again"
        )
    # Rows without ids are numbered, so other rows can have the same ids, for example if a table was sorted.
    if not set(info.training.files.values()) <= set(data.train.files.values()):
        raise BundleError(
            f"{checkpoint}: the tables of the recipe's corpora have changed since the training. Restore those that trained the "
            "checkpoint, or train again"
        )
    return data


@dataclass(frozen=True)
class _Export:
    """What all attempts to export a checkpoint have in common.

    Attributes:
        classifier: The checkpoint.
        info: Its description as that of a bundle.
        settings: The recipe that trained it.
        data: The rows that trained it, and the held-out rows.
        before: Its predictions for the rows of the parity check.
        unseen: Sentences without gold that did not train or tune it.
        decided: Its decisions (n, k) for these sentences.
    """

    classifier: CheckpointClassifier
    info: ModelInfo
    settings: Recipe
    data: DataSplits
    before: Predictions
    unseen: Sequence[str]
    decided: NDArray[np.bool_]

    @classmethod
    def prepare(
        cls, classifier: CheckpointClassifier, settings: Recipe, data: DataSplits, unseen: Sequence[str]
    ) -> _Export:
        """Compute the predictions with which an export is compared."""
        info = classifier.info
        bundle = {"kind": "bundle", "recipe": settings.portable().model_dump(mode="json"), "texts": None}
        return cls(
            classifier,
            info.model_copy(update=bundle),
            settings,
            data,
            classifier.predict(data.parity.sentences, acts=info.acts is not None),
            unseen,
            classifier.predict(unseen).decisions,
        )

    def convert(self, *, activations: bool) -> Any:
        """Return the network as an OpenVINO model in 8 bits, whose activations have 8 bits too or stay in fp32."""
        with silenced():
            return quantize(
                self.classifier.model,
                _samples(self.data.train.sentences, self.classifier.tokenizer, self.settings.seed),
                four_bit_embeddings=self.settings.freeze_embeddings,
                activations=activations,
                heads=self.classifier.heads,
            )

    def fill(self, folder: Path, exported: Any, quantization: str) -> ParityReport:
        """Write an exported network to the bundle folder, tune it on its own outputs, and check its parity.

        Raises:
            ExportError: The export differs too much from the checkpoint.
        """
        info, data, codebook = self.info, self.data, self.classifier.codebook
        import_quietly("openvino").save_model(exported, folder / IR, compress_to_fp16=False)
        self.classifier.tokenizer.backend_tokenizer.save(str(folder / TOKENIZER), pretty=False)
        finish(folder, info, codebook, data.ids, texts=data.texts)
        if info.held_out:
            info = _tuned(info, Predictor(folder), data.validation.sentences, codebook)
            finish(folder, info, codebook, data.ids)
        predictor = Predictor(folder)
        rows = (
            "held-out documents, rows that were not used for tuning" if info.held_out else "rows that trained the model"
        )
        parity = check_parity(data.parity.sentences, self.before, predictor, data=f"{quantization}; {rows}")
        require_parity(parity)
        if self.unseen:
            found = compare_new_texts(codebook.names, self.decided, predictor.predict(self.unseen).decisions)
            parity = parity.model_copy(update={"new_texts": found})
        limits, domain = describe_limits(
            predictor, self._vector_width(exported), data, checkpoint=self.classifier.folder, seed=self.settings.seed
        )
        if domain is not None:
            domain.save(folder)
        info = info.model_copy(
            update={
                "parity": parity,
                "limits": limits,
                # Without held-out rows the export cannot be scored, so the out-of-fold scores are kept.
                "scores": (self._score(predictor),) if info.held_out else info.scores,
                "versions": info.versions | package_versions("openvino", "nncf", "tokenizers"),
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
            }
        )
        finish(folder, info, codebook, data.ids)
        _warn_if_large(folder)
        return parity

    def _vector_width(self, exported: Any) -> int | None:
        """Return the size of the sentence vectors that the exported network computes, or None if it computes none."""
        names = {name for one in exported.outputs for name in one.get_names()}
        return int(self.classifier.model.config.hidden_size) if VECTOR_OUTPUT in names else None

    def _score(self, predictor: Predictor) -> Score:
        rows, command = self.data.validation.sentences, f"communique export runs/{self.info.name}"
        decisions = predictor.predict(rows).decisions
        return score_tuning_rows(rows, decisions, predictor.codebook, seed=self.settings.seed, command=command)


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
            "thresholds": tuning.plain_thresholds,
        }
    )


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
