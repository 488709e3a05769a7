"""Save a baseline in a folder with arrays (`.npz`), JSON, codebook, hashes and card. Nothing in the folder is executed."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..config import load_json
from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..data.inputs import as_items
from ..data.sentence import Sentence
from ..errors import BundleError, RecipeError
from ..io.atomic import new_folder
from ..metrics.calibration import Tuning, to_logits
from ..models.classifier import tune_on
from ..models.folder import finish, read_codebook, read_info, reading, verify_files
from ..models.info import ARRAYS, BASELINE, INFO, ModelInfo, Score, TrainingData, git_commit, score_tuning_rows
from ..models.predictions import Predictions
from ..text.language import UNDETERMINED
from .base import Baseline, Storable
from .registry import make

#: Options that name files on the machine where the baseline was trained. The content of these files is saved, not their path.
LOCAL = ("file",)


def save(
    classifier: Baseline,
    folder: str | Path,
    *,
    training: Corpus,
    tuning: Corpus | None = None,
    tuned: Tuning | None = None,
    scores: tuple[Score, ...] = (),
    warnings: tuple[str, ...] = (),
    commit: str | None = None,
    seconds: float = 0.0,
    name: str | None = None,
    version: str = "0.1.0",
    license: str = "mit",
    description: str = "",
    notes: str = "",
    overwrite: bool = False,
) -> ModelInfo:
    """Save a fitted baseline as a model folder.

    Args:
        classifier: A fitted baseline.
        folder: The folder to write. It must not exist unless `overwrite` is true.
        training: The data on which the baseline was fitted. Counts and hashes are saved, so that an evaluation on the same data
            is refused.
        tuning: Other documents, on which temperature, biases and thresholds are tuned as for the transformer. Without them,
            probabilities are not changed and each label's threshold is 0.5.
        tuned: Temperature, biases and thresholds that were found elsewhere; nothing is then tuned on `tuning`.
        scores: Scores that were measured elsewhere.
        warnings: Reasons why the model is unfit for use.
        commit: Commit of the source code when the training began. Default: the current one.
        seconds: Duration of `fit` in seconds.
        name: Name of the model. Default: the name of the baseline.
        version: Version of the model.
        license: Licence of the model, for the card.
        description: One sentence for the card.
        notes: Markdown text for the card.
        overwrite: Replace an existing folder.

    Returns:
        The content of `bundle.json`.

    Raises:
        BundleError: The baseline cannot be saved as arrays and JSON.
        OutputError: The folder exists already.
        LeakError: `tuning` shares documents or texts with `training`.
    """
    if not isinstance(classifier, Storable):
        raise BundleError(
            f"{folder}: the baseline {classifier.name!r} cannot be saved as arrays and JSON. Fit it in the program that uses it, "
            "or train a model that can be saved with `communique train --kind`"
        )
    codebook = classifier.codebook
    tuning = tuning if tuning is not None else Corpus(())
    training.fingerprint().check(tuning, tuning.name)
    content, arrays = classifier.state()
    if tuned is None:
        tuned = tune_on(classifier, tuning, codebook)
    if len(tuning):
        logits = to_logits(classifier.predict_proba(tuning.sentences), multilabel=codebook.multilabel)
        command = f"communique.baselines.saving.save({classifier.name!r})"
        scores += (
            score_tuning_rows(tuning.sentences, tuned.decide(logits), codebook, seed=classifier.seed, command=command),
        )
    given = {
        option: getattr(classifier, option)
        for option in inspect.signature(type(classifier)).parameters
        if option not in ("codebook", *LOCAL)
    }
    # As they will be read back from JSON, where tuples become lists.
    settings = json.loads(json.dumps(given))
    info = ModelInfo.create(
        codebook,
        packages=classifier.packages,
        kind="baseline",
        name=name or classifier.name,
        version=version,
        description=description or f"The baseline {classifier.name}.",
        notes=notes,
        license=license,
        thresholds=tuned.plain_thresholds,
        temperature=tuned.temperature,
        bias=tuple(tuned.bias.tolist()) if tuned.bias.any() else None,
        max_tokens=0,  # Texts are never truncated.
        recipe={"baseline": classifier.name, **settings},
        training=TrainingData.from_corpora(training, tuning, codebook),
        training_seconds=round(seconds, 1),
        precision=classifier.precision_,
        classifier=classifier.name,
        tuned_on=tuned.rows,
        tuned_by=tuned.by,
        scores=scores,
        warnings=warnings,
        commit=commit or git_commit(),
    )
    with new_folder(folder, replace=overwrite, marker=INFO) as new:
        text = json.dumps({"baseline": classifier.name, "settings": settings, "content": content}, ensure_ascii=True)
        (new / BASELINE).write_text(text + "\n", encoding="utf-8")
        np.savez_compressed(new / ARRAYS, allow_pickle=False, **arrays)
        validation = {"validation": [s.id for s in tuning], "parity": []}
        return finish(new, info, codebook, validation, texts=[s.text for s in training + tuning])


class SavedBaseline:
    """A baseline that was opened from its folder, with its temperature, biases and thresholds.

    Args:
        info: The content of `bundle.json`.
        classifier: The baseline.
    """

    def __init__(self, info: ModelInfo, classifier: Storable) -> None:
        self.info, self.classifier = info, classifier
        self.codebook: Codebook = classifier.codebook

    def predict(
        self, texts: str | Iterable[str] | Iterable[Sentence], *, languages: Sequence[str] | None = None
    ) -> Predictions:
        """Label texts or sentences, and return predictions in the same order. Default language of plain texts: undetermined."""
        given = as_items(texts)
        spoken = languages or [UNDETERMINED] * len(given)
        sentences = [
            t if isinstance(t, Sentence) else Sentence(id=str(i), text=t, document="", language=language)
            for i, (t, language) in enumerate(zip(given, spoken, strict=True))
        ]
        values = to_logits(self.classifier.predict_proba(sentences), multilabel=self.codebook.multilabel)
        return Predictions.from_logits(self.info, values.astype(np.float32), np.zeros(len(sentences), np.bool_))

    def predict_proba(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Compute probabilities (n, k), with columns in the codebook's order."""
        return self.predict(sentences).probabilities


def load(folder: str | Path, *, info: ModelInfo | None = None) -> SavedBaseline:
    """Open the folder of a baseline.

    Args:
        folder: The folder.
        info: The content of its `bundle.json`, if it has been read already.

    Raises:
        BundleError: The folder is incomplete, was edited, or contains a baseline that this version does not know.
        MissingExtraError: The baseline needs a package that is not installed.
    """
    info = info or read_info(folder, "baseline")
    verify_files(folder, info)
    codebook = read_codebook(folder, info)
    path = Path(folder) / BASELINE
    saved = load_json(path, BundleError, "Copy the model folder again")
    try:
        with reading(path):
            classifier = make(saved["baseline"], codebook, **saved["settings"])
            with np.load(Path(folder) / ARRAYS, allow_pickle=False) as arrays:
                kept = {name: arrays[name] for name in arrays.files}
            if not isinstance(classifier, Storable):
                raise BundleError(
                    f"{path}: the baseline {classifier.name!r} cannot be saved in a folder. Use another model"
                )
            return SavedBaseline(info, classifier.restore(saved["content"], kept))
    except RecipeError as error:
        raise BundleError(f"{path}: {error}. Copy the model folder again") from error
