"""Compare classifiers by cross-validation, and train the best one on all rows. Encoders require the extra `train`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..data.sentence import Sentence
from ..data.splits import FOLDS, fold_numbers, scored_folds
from ..data.training_checks import count_repeats, describe_repeats, refuse_untrainable
from ..errors import OutputError, RecipeError, did_you_mean
from ..io.output import check_folder
from ..metrics.calibration import Tuning
from ..metrics.degenerate import describe_degenerate
from ..models.folder import steps_folder
from ..models.info import INFO, Score, git_commit
from ..reporting.format import counted
from ..reporting.progress import ProgressReporter
from ..training.backbones import backbone_sha256, check_max_tokens
from ..training.fold_predictions import FOLD_FILE, FoldPredictions, row_key
from ..training.recipe import DESCRIPTIVE, Recipe
from ..training.soft_labels import TEACHERS, SoftLabels
from ..training.splits import DataSplits
from ..training.steps import OTHER_FOLDS, locked_steps
from ..training.unlabelled import Unlabelled, read_unlabelled
from .candidates import (
    MIN_TRANSFORMER_ROWS,
    Candidate,
    FrozenCandidate,
    PriorCandidate,
    Target,
    TfidfCandidate,
    candidates_for,
)
from .encoders import encoders_for
from .folds import (
    FoldedRows,
    OutOfFold,
    compare_out_of_fold,
    count_positives,
    describe_rare,
    label_out_of_fold,
    predict_out_of_fold,
    score_out_of_fold,
    tune_out_of_fold,
)
from .plan import LIMIT, plan_folds
from .results import SELECTION, Selection, choose
from .steps import ALL, VECTORS, Steps, identity_before_reading

#: Values of `--kind`, and the kind of candidate for each.
KINDS = {"tfidf": "tfidf-logreg", "frozen-encoder": "frozen-encoder", "transformer": "transformer"}
AUTO = "auto"


def train_selected(
    recipe: Recipe,
    out: str | Path,
    *,
    kind: str = AUTO,
    texts: str | Path | None = None,
    folds: str | Path | None = None,
    only_folds: bool = False,
    max_folds: int | None = None,
    overwrite: bool = False,
    progress: ProgressReporter | None = None,
) -> Selection:
    """Choose a classifier, train it on all rows of a recipe, and write it as a model folder.

    Args:
        recipe: The recipe. Its corpora with the role `validation` are used for training too.
        out: The model folder. During the run, finished steps are stored in `<out>.steps`, so that an interrupted run can resume.
            The comparison is written to `<out>.selection.json`.
        kind: `auto`, or one of `KINDS`. A requested kind is compared with the prior and always kept.
        texts: A file or folder with the texts for stand-off labels.
        folds: A folder for the out-of-fold predictions, which is kept: another run of the same recipe uses them, and other recipes
            can name it in `teachers`. All folds are then predicted, also those of the unlabelled texts of the recipe.
        max_folds: Number of folds for slow candidates. Default: all with `folds`; otherwise, as many as the time permits.
        only_folds: Whether to stop when the out-of-fold predictions are stored. No model is then written.
        overwrite: Whether to replace an existing folder.
        progress: Where progress is reported. Default: nowhere.

    Returns:
        The comparison, and which candidate was kept.

    Raises:
        OutputError: The folder exists and `overwrite` is false, or it is not a model folder, or it or `<out>.steps` contains the
            folder of the folds or is in it.
        CommuniqueError: The recipe, the codebook or the data are invalid, `<out>.steps` belongs to another run, or another process
            is training this model.
    """
    progress, out = progress or ProgressReporter.silent(), Path(out)
    if not only_folds:
        check_folder(out, overwrite=overwrite, marker=INFO)
        if folds is not None:
            _check_apart(Path(folds), out)
    if kind != "tfidf":
        check_max_tokens(recipe)
    with ExitStack() as locks:
        if not only_folds:
            locks.enter_context(locked_steps(steps_folder(out), progress))
        if folds is not None:
            locks.enter_context(locked_steps(Path(folds), progress, OTHER_FOLDS))
        codebook = Codebook.load(recipe.codebook)
        commit = git_commit()
        data = DataSplits.whole(recipe, codebook, Path(texts) if texts else None)
        for line in data.messages:
            progress.say(line)
        folder = Path(folds) if folds else steps_folder(out)
        taught = kind in (AUTO, "transformer")  # Only a transformer learns from teachers.
        unlabelled = Unlabelled()
        if taught or folds:
            unlabelled = read_unlabelled(recipe, data.train, data.train, folds=folds is not None, progress=progress)
        soft = SoftLabels.open(recipe, codebook, unlabelled, data.train, cache=folder / TEACHERS) if taught else None
        precision = None if kind == "tfidf" else _precision(folder, recipe)
        candidates, notes = requested_candidates(recipe, codebook, data.train, kind, folder / VECTORS, soft, precision)
        if kind != AUTO:
            requested = next(one for one in candidates if one.kind == KINDS[kind])
            for line in _describe_unused(requested, folds=folds is not None):
                progress.say(line)
        run = _identity(_unnamed(recipe) if folds else recipe, codebook, data.train, kind, candidates)
        run |= {"unlabelled": unlabelled.sha256} if len(unlabelled.corpus) else {}
        run |= {} if soft is None else soft.identity
        steps = Steps(folder, run, kept=folds is not None, precision=precision)
        selection, candidate, tuning = select(
            data.train,
            codebook,
            candidates,
            kind=kind,
            seed=recipe.seed,
            notes=notes,
            unlabelled=unlabelled.corpus.sentences if folds else (),
            max_folds=max_folds,
            steps=steps,
            progress=progress,
        )
        selection = replace(selection, notes=(*selection.notes, *_describe_unused(candidate, folds=folds is not None)))
        if only_folds:
            return selection
        progress.say(f"training {candidate.name} on all {len(data.train)} rows")
        candidate.fit(data.train, steps.training(candidate.name, ALL))
        target = Target(
            out=out,
            data=data,
            tuning=tuning,
            score=_score(selection, recipe.name),
            commit=commit,
            warnings=selection.warnings,
            texts=texts,
            overwrite=overwrite,
            out_of_fold=selection.out_of_fold,
        )
        candidate.write(target)
        selection.dump(out.with_name(out.name + SELECTION))
        steps.end(candidate.name)
        return selection


def _describe_unused(candidate: Candidate, *, folds: bool) -> list[str]:
    """Return a line that names the fields of the recipe without effect on a candidate, or nothing if there are none.

    Args:
        candidate: The candidate.
        folds: Whether the models of the cross-validation label the texts in `unlabelled`.
    """
    unused = [name for name in candidate.unused if not (folds and name == "unlabelled")]
    if not unused:
        return []
    return [
        f"The classifier {candidate.name} does not use {'this field' if len(unused) == 1 else 'these fields'} of the recipe: "
        f"{', '.join(unused)}."
    ]


def _precision(folder: Path, recipe: Recipe) -> str:
    """Return the precision of all fits of a comparison whose steps are in a folder."""
    # Only encoders need torch, which takes seconds to import.
    from ..training.precision import precision_of_run

    return precision_of_run(folder, recipe.precision)


def _check_apart(folds: Path, out: Path) -> None:
    """Check that the folder of the folds neither contains that of the model or that of its unfinished training, nor is in them.

    The model replaces the first of them, and the second is deleted at the end.

    Raises:
        OutputError: One of the folders contains another.
    """
    first = folds.resolve()
    for what, other in (("that of the model", out), ("that of its unfinished training", steps_folder(out))):
        second = other.resolve()
        if first == second or first in second.parents or second in first.parents:
            raise OutputError(
                f"{folds}: the folder of --folds and {what}, {other}, overlap. Choose another folder for one of them"
            )


def _unnamed(recipe: Recipe) -> Recipe:
    """Return a recipe without the fields that only describe the model, so that they can change without new folds."""
    return recipe.model_copy(update=dict.fromkeys(DESCRIPTIVE, ""))


def _identity(
    recipe: Recipe, codebook: Codebook, corpus: Corpus, kind: str, candidates: Sequence[Candidate]
) -> dict[str, object]:
    """Return everything that determines the result of a comparison."""
    backbones = sorted({one for candidate in candidates for one in candidate.backbones})
    return identity_before_reading(recipe, codebook, corpus.files.values(), kind) | {
        "candidates": [one.name for one in candidates],
        "backbones": [backbone_sha256(one) for one in backbones],
        "ids": [s.id for s in corpus],
    }


def check_kind(kind: str) -> None:
    """Check that a kind of classifier can be requested.

    Raises:
        RecipeError: The kind is unknown.
    """
    allowed = (AUTO, *KINDS)
    if kind not in allowed:
        raise RecipeError(f"kind {kind!r}: unknown; {did_you_mean(kind.lower(), allowed)}allowed: {', '.join(allowed)}")


def requested_candidates(
    recipe: Recipe,
    codebook: Codebook,
    corpus: Corpus,
    kind: str,
    vectors: Path | None = None,
    soft: SoftLabels | None = None,
    precision: str | None = None,
) -> tuple[list[Candidate], tuple[str, ...]]:
    """Return the candidates for some labelled rows, and lines for the report about encoders that are left out.

    If a kind is requested, the candidates are the prior and those of this kind. If the kind is `transformer` and there are several
    encoders to start from, the frozen encoders are added.

    Raises:
        RecipeError: The kind is unknown, or the recipe has `acts` but the kind is not `transformer`.
    """
    check_kind(kind)
    if recipe.acts and kind != "transformer":
        raise RecipeError(
            f"acts: only a transformer has outputs for kind, holder and target, but --kind is {kind!r}. Write '--kind "
            "transformer', omit this option, or write 'acts: false' in the recipe"
        )
    if kind == "tfidf":
        return [PriorCandidate(recipe, codebook), TfidfCandidate(recipe, codebook)], ()
    backbones, notes = encoders_for(recipe, corpus)
    if kind == AUTO:
        if len(corpus) < MIN_TRANSFORMER_ROWS:
            notes += (
                f"No fine-tuned transformer was compared, because that takes at least {MIN_TRANSFORMER_ROWS} rows.",
            )
        return candidates_for(recipe, codebook, len(corpus), backbones, vectors, soft, precision), notes
    wanted = {PriorCandidate.kind, KINDS[kind]}
    if kind == "transformer" and len(backbones) > 1:
        wanted.add(FrozenCandidate.kind)
    everything = candidates_for(recipe, codebook, None, backbones, vectors, soft, precision)
    return [one for one in everything if one.kind in wanted], notes


def select(
    corpus: Corpus,
    codebook: Codebook,
    candidates: Sequence[Candidate],
    *,
    kind: str = AUTO,
    seed: int = 0,
    notes: Sequence[str] = (),
    unlabelled: Sequence[Sentence] = (),
    max_folds: int | None = None,
    steps: Steps | None = None,
    progress: ProgressReporter | None = None,
) -> tuple[Selection, Candidate, Tuning]:
    """Compare candidates by cross-validation over documents, and tune the best one on its out-of-fold predictions.

    Args:
        corpus: Labelled rows.
        codebook: Codebook with the labels.
        candidates: The candidates, in order of preference.
        kind: `auto`, or the kind of candidate to keep.
        seed: Seed of the folds and the bootstrap.
        notes: Lines for the report.
        unlabelled: Sentences without labels, which the models of all folds predict too. Default: none.
        max_folds: As for `train_selected`.
        steps: Folder in which finished steps are stored and, if the folder is kept, also the out-of-fold predictions of the chosen
            candidate (see `training.fold_predictions`). Default: nothing is stored.
        progress: Where the estimated duration and the progress are reported. Default: nowhere.

    Returns:
        The result of the comparison, the candidate that is kept (not yet trained on all rows), and its temperature, biases and
        thresholds.

    Raises:
        DataError: All rows are from one document or from versions of one text, or have the same labels.
    """
    progress = progress or ProgressReporter.silent()
    refuse_untrainable(corpus)
    data = FoldedRows(corpus, codebook, scored_folds(corpus.sentences, FOLDS, seed=seed))
    number = len(fold_numbers(data.folds))
    repeated = count_repeats(corpus, data.folds)
    if repeated:
        notes = [*notes, describe_repeats(repeated, len(corpus))]
        progress.say(notes[-1])
    numbers, shortened = _plan(corpus, candidates, number, max_folds, steps, progress)
    predicted, started = _predict(data, candidates, numbers, unlabelled, steps, progress)
    compared, part, decisions = compare_out_of_fold(data, predicted, seed)
    chosen = choose(compared, None if kind == AUTO else KINDS.get(kind, kind))
    if steps and steps.kept:
        store_folds(steps.folder, chosen, data, predicted[chosen], unlabelled)
        progress.say(f"out-of-fold predictions: {steps.folder / FOLD_FILE}")
    tuning, rows = tune_out_of_fold(corpus, codebook, predicted[chosen].logits)
    thresholds = {} if tuning.thresholds is None else dict(zip(codebook.names, tuning.thresholds.tolist(), strict=True))
    selection = Selection(
        chosen=chosen,
        best=min(compared, key=lambda one: np.nan_to_num(one.behind.value, nan=np.inf)).name,
        requested=kind,
        candidates=compared,
        rows=len(corpus),
        documents=len(corpus.documents),
        compared_rows=len(part.corpus),
        compared_documents=len(part.corpus.documents),
        folds=number,
        tuning_rows=tuning.rows,
        positives=count_positives(corpus, codebook, rows),
        thresholds=thresholds,
        warnings=describe_degenerate(codebook.names, part.gold, decisions[chosen], multilabel=codebook.multilabel),
        notes=(*notes, *shortened, *started, *(f"{line}." for line in describe_rare(corpus, codebook, rows))),
        repeated=repeated,
        out_of_fold=label_out_of_fold(data, predicted[chosen].logits),
    )
    return selection, next(one for one in candidates if one.name == chosen), tuning


def _plan(
    corpus: Corpus,
    candidates: Sequence[Candidate],
    folds: int,
    max_folds: int | None,
    steps: Steps | None,
    progress: ProgressReporter,
) -> tuple[list[int], list[str]]:
    """Return the number of folds of each candidate, and lines for the report. A run that resumes keeps those of the first run."""
    if steps is None:
        return plan_folds(corpus, candidates, folds, progress, max_folds=max_folds)
    steps.begin()
    if (known := steps.read_plan(max_folds)) is not None:
        progress.say(f"resuming from {steps.folder}")
        return known
    limit = math.inf if steps.kept else LIMIT
    planned = plan_folds(corpus, candidates, folds, progress, limit=limit, max_folds=max_folds)
    steps.keep_plan(*planned, max_folds)
    return planned


def _predict(
    data: FoldedRows,
    candidates: Sequence[Candidate],
    numbers: Sequence[int],
    unlabelled: Sequence[Sentence],
    steps: Steps | None,
    progress: ProgressReporter,
) -> tuple[dict[str, OutOfFold], list[str]]:
    """Return the out-of-fold predictions by name of the candidate, and lines for the report."""
    predicted: dict[str, OutOfFold] = {}
    scores: dict[str, float] = {}
    notes = []
    for one, number in zip(candidates, numbers, strict=True):
        if note := one.prepare(scores):
            notes.append(note)
            progress.say(note)
        found = predict_out_of_fold(
            one, data.corpus, data.folds, only=number, unlabelled=unlabelled, steps=steps, say=progress.say
        )
        predicted[one.name] = found
        if one.kind == FrozenCandidate.kind:
            scores[one.recipe.backbone] = score_out_of_fold(data, found.logits)
    return predicted, notes


def store_folds(
    folder: Path, name: str, data: FoldedRows, predicted: OutOfFold, unlabelled: Sequence[Sentence]
) -> None:
    """Store the predictions of a cross-validation in a folder, so that other runs can learn from them.

    Args:
        folder: The folder.
        name: Name of the classifier.
        data: The labelled rows and their folds.
        predicted: The predictions.
        unlabelled: The sentences without labels that were predicted too.
    """
    FoldPredictions(
        name,
        data.codebook.names,
        tuple(row_key(s) for s in data.corpus),
        data.folds,
        predicted.logits,
        tuple(s.sha256 for s in unlabelled),
        predicted.unlabelled,
        data.codebook.task,
    ).save(folder)


def _score(selection: Selection, name: str) -> Score:
    """Return the out-of-fold macro-F1 of the candidate that is kept, for `bundle.json`."""
    folds = min(one.folds for one in selection.candidates)
    chosen = selection[selection.chosen]
    data = [f"out-of-fold predictions, {folds} of {selection.folds} folds by document"]
    if left_out := [label for label, f1 in chosen.f1.items() if math.isnan(f1)]:
        data.append(f"without {', '.join(left_out)}, which no row has")
    if selection.repeated:
        data.append(
            f"{selection.repeated} of {counted(selection.rows, 'row')} have nearly the same text as a row of another document"
        )
    return Score.of(
        chosen.macro_f1,
        n=selection.compared_rows,
        documents=selection.compared_documents,
        data="; ".join(data),
        command=f"communique train, model {name}",
    )
