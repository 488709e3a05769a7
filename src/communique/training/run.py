"""Train a model: read the data, fit the transformer, check the result and write a checkpoint. Requires the extra `train`."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from pathlib import Path

from ..data.codebook import Codebook
from ..io.output import check_folder
from ..metrics.calibration import decide
from ..metrics.degenerate import describe_degenerate
from ..metrics.scores import indicator
from ..models.folder import steps_folder
from ..models.info import INFO, git_commit, score_tuning_rows
from ..reporting.progress import ProgressReporter
from . import distributed
from .backbones import check_max_tokens
from .recipe import Recipe
from .saving import write_checkpoint
from .soft_labels import TEACHERS, SoftLabels
from .splits import DataSplits
from .steps import locked_steps
from .trainer import TransformerClassifier
from .unlabelled import read_unlabelled


def train(
    recipe: str | Path | Recipe,
    out: str | Path,
    *,
    texts: str | Path | None = None,
    overwrite: bool = False,
    progress: ProgressReporter | None = None,
) -> Path:
    """Train the model of a recipe and write a checkpoint.

    Args:
        recipe: The recipe, or its file.
        out: The checkpoint folder to write. During training, `<out>.steps` stores the state from which an interrupted run resumes.
        texts: A file or folder with the texts of stand-off labels.
        overwrite: Whether to replace an existing checkpoint.
        progress: Reports the progress. Default: silent. With several processes, only the first one reports.

    Returns:
        The checkpoint folder. With several processes, the first one writes it, and the others return before it exists. If the
        model has learned nothing, `warnings` in its `bundle.json` say so.

    Raises:
        CommuniqueError: The recipe, the codebook or the data are invalid, or another process is training this model.
    """
    if progress is None or distributed.rank() > 0:
        progress = ProgressReporter.silent()
    out = Path(out)
    check_folder(out, overwrite=overwrite, marker=INFO)
    recipe = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)
    check_max_tokens(recipe)
    steps = steps_folder(out)
    # With several processes, the first one has the lock for all of them.
    with locked_steps(steps, progress) if distributed.rank() == 0 else nullcontext():
        codebook = Codebook.load(recipe.codebook)
        commit = git_commit()
        data = DataSplits.read(recipe, codebook, Path(texts) if texts else None)
        for line in data.messages:
            progress.say(line)
        scored = data.validation + data.parity
        unlabelled = read_unlabelled(recipe, data.train, scored, progress=progress)
        soft = SoftLabels.open(recipe, codebook, unlabelled, scored, cache=steps / TEACHERS)
        classifier = TransformerClassifier(recipe, codebook, steps=steps, progress=progress, soft=soft)
        classifier.fit(data.train, data.validation)
        if distributed.rank() > 0:
            return out
        score = score_tuning_rows(
            data.validation.sentences,
            decide(classifier.predict_proba(data.validation.sentences), classifier.tuning_.thresholds),
            codebook,
            seed=recipe.seed,
            command=f"communique train {recipe.name}",
        )
        write_checkpoint(
            out,
            classifier.network(),
            recipe,
            codebook,
            data,
            classifier.tuning_,
            texts=texts,
            overwrite=overwrite,
            scores=(score,),
            warnings=find_warnings(classifier, data, codebook),
            commit=commit,
        )
        shutil.rmtree(steps, ignore_errors=True)
        return out


def find_warnings(classifier: TransformerClassifier, data: DataSplits, codebook: Codebook) -> tuple[str, ...]:
    """Return the reasons why a trained model is not fit for use, which its predictions for all held-out rows show."""
    held_out = (data.validation + data.parity).sentences
    predicted = decide(classifier.predict_proba(held_out), classifier.tuning_.thresholds)
    return describe_degenerate(codebook.names, indicator(held_out, codebook), predicted, multilabel=codebook.multilabel)
