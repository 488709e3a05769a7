"""Compare classifiers by cross-validation, keep the best, and train it on all rows. Needs the extra `train`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..data.splits import document_folds
from ..errors import BundleError, DataError, RecipeError
from ..metrics.bootstrap import Resamples
from ..metrics.calibration import MIN_POSITIVES, Tuning, tune
from ..metrics.degenerate import describe_collapse, describe_no_gain
from ..metrics.scores import indicator
from ..models.info import Score
from ..reporting.format import quantity, without_nan
from ..reporting.progress import ProgressReporter
from ..training.recipe import Recipe
from ..training.splits import DataSplits
from .candidates import Candidate, PriorCandidate, Target, candidates_for
from .folds import OutOfFold, cross_fitted_decisions, predict_out_of_fold, tuning_rows
from .results import Compared, Selection, choose, compare

#: What `--kind` takes, and the candidates that it stands for.
KINDS = {"tfidf": "tfidf-logreg", "frozen-encoder": "frozen-encoder", "transformer": "transformer"}
AUTO = "auto"

#: Folds of the cross-validation, fewer if there are fewer documents.
FOLDS = 5

#: If the comparison would take more seconds than this, costly candidates are compared on `SCREENED` folds only.
LIMIT, SCREENED = 1800.0, 2

#: A candidate is costly if one of its fits takes more seconds than this.
COSTLY = 60.0


def train_selected(
    recipe: Recipe,
    out: str | Path,
    *,
    kind: str = AUTO,
    texts: str | Path | None = None,
    overwrite: bool = False,
    progress: ProgressReporter | None = None,
) -> Selection:
    """Choose a classifier, train it on all rows of a recipe, and write it as a model folder.

    Args:
        recipe: The recipe. Its corpora with the role `validation` train too.
        out: The model folder.
        kind: `auto`, or one of `KINDS`, which is then cross-validated next to the prior and kept.
        texts: A file or folder of texts for stand-off labels.
        overwrite: Whether an existing folder is replaced.
        progress: Reports the progress. Default: silent.

    Returns:
        What was compared, what was kept, and why.

    Raises:
        BundleError: The folder exists.
        CommuniqueError: The recipe, the codebook or the data are invalid.
    """
    progress = progress or ProgressReporter.silent()
    if Path(out).exists() and not overwrite:
        raise BundleError(f"{out}: exists. Give another folder, or --overwrite")
    codebook = Codebook.load(recipe.codebook)
    data = DataSplits.whole(recipe, codebook, Path(texts) if texts else None)
    for line in data.messages:
        progress.say(line)
    candidates = requested_candidates(recipe, codebook, len(data.train), kind)
    selection, candidate, tuning = select(
        data.train, codebook, candidates, kind=kind, seed=recipe.seed, progress=progress
    )
    progress.say(f"training {candidate.name} on all {len(data.train)} rows")
    candidate.fit(data.train)
    score = _score(selection, recipe.name)
    candidate.write(Target(Path(out), data, tuning, score, selection.warnings, texts, overwrite))
    return selection


def requested_candidates(recipe: Recipe, codebook: Codebook, rows: int, kind: str) -> list[Candidate]:
    """Return the candidates for a number of rows, or the prior and the one that was requested.

    Raises:
        RecipeError: The kind is unknown.
    """
    if kind == AUTO:
        return candidates_for(recipe, codebook, rows)
    if kind not in KINDS:
        raise RecipeError(f"--kind {kind!r}: unknown. Allowed: {', '.join((AUTO, *KINDS))}")
    everything = candidates_for(recipe, codebook, 10**9)
    return [one for one in everything if one.name in (PriorCandidate.name, KINDS[kind])]


def select(
    corpus: Corpus,
    codebook: Codebook,
    candidates: Sequence[Candidate],
    *,
    kind: str = AUTO,
    seed: int = 0,
    progress: ProgressReporter | None = None,
) -> tuple[Selection, Candidate, Tuning]:
    """Compare candidates by cross-validation over documents, and tune the one that is kept on its out-of-fold predictions.

    Args:
        corpus: Labelled rows.
        codebook: Labels.
        candidates: From the simplest to the most costly.
        kind: What was requested; with anything but `auto` the last candidate is kept.
        seed: Seed of the folds and the bootstrap.
        progress: Reports the estimated duration and the progress. Default: silent.

    Raises:
        DataError: All rows are from one document, or from versions of one text.

    Returns:
        What was found, the candidate that is kept (not trained on all rows yet), and its temperature and thresholds.
    """
    progress = progress or ProgressReporter.silent()
    folds = document_folds(corpus.sentences, FOLDS, seed=seed)
    number = len(np.unique(folds))
    if number < 2:
        raise DataError(
            f"{corpus.name}: all {len(corpus)} labelled rows are from one document or from versions of one text. Cross-validation "
            "needs at least 2. Name the column that says which text a sentence is from: document"
        )
    plan, notes = _plan(corpus, candidates, number, progress)
    predicted = {
        one.name: predict_out_of_fold(one, corpus, folds, only=plan[one.name], say=progress.say) for one in candidates
    }
    compared, gold_compared, decisions = _compare(corpus, codebook, predicted, folds, plan, seed)
    chosen = choose(compared) if kind == AUTO else candidates[-1].name
    tuning, rows = _tune(corpus, codebook, predicted[chosen].logits)
    gold = indicator(corpus.sentences, codebook)
    positives = dict(zip(codebook.names, gold[rows].sum(axis=0).tolist(), strict=True))
    thresholds = {} if tuning.thresholds is None else dict(zip(codebook.names, tuning.thresholds.tolist(), strict=True))
    if few := [name for name in thresholds if positives[name] < MIN_POSITIVES]:
        notes.append(
            f"Fewer than {MIN_POSITIVES} positive rows for {', '.join(few)}: the threshold is mostly the theoretical optimum, "
            "half of the F1 that calibrated probabilities would reach."
        )
    counts = gold_compared.sum(axis=0).tolist(), decisions[chosen].sum(axis=0).tolist()
    collapsed = describe_collapse(codebook.names, *counts, len(gold_compared))
    no_gain = describe_no_gain(gold_compared, decisions[chosen], multilabel=codebook.multilabel)
    selection = Selection(
        chosen=chosen,
        best=min(compared, key=lambda one: one.behind.value).name,
        requested=kind,
        candidates=compared,
        rows=len(corpus),
        documents=len(corpus.documents),
        compared_rows=int(np.isin(folds, np.unique(folds)[: min(plan.values())]).sum()),
        folds=number,
        tuning_rows=tuning.rows,
        positives=positives,
        thresholds=thresholds,
        warnings=tuple(line for line in (collapsed, no_gain) if line),
        notes=tuple(notes),
    )
    return selection, next(one for one in candidates if one.name == chosen), tuning


def _plan(
    corpus: Corpus, candidates: Sequence[Candidate], folds: int, progress: ProgressReporter
) -> tuple[dict[str, int], list[str]]:
    """Measure how long the candidates take, report it, and return the number of folds of each, with notes for the report."""
    plan, notes = dict.fromkeys((one.name for one in candidates), folds), []
    # One more fit trains the final model.
    seconds = {one.name: one.estimate(corpus, folds + 1) for one in candidates}
    if sum(seconds.values()) > LIMIT and folds > SCREENED:
        for name in [name for name, whole in seconds.items() if whole / (folds + 1) > COSTLY]:
            notes.append(
                f"{name} was compared on {SCREENED} of {folds} folds only, because {folds} would have taken about "
                f"{quantity(seconds[name] / 60)} minutes."
            )
            plan[name], seconds[name] = SCREENED, seconds[name] * (SCREENED + 1) / (folds + 1)
    each = ", ".join(f"{name} {quantity(value / 60)}" for name, value in seconds.items())
    progress.say(
        f"comparing {len(candidates)} classifiers on {len(corpus)} rows from {len(corpus.documents)} documents takes about "
        f"{quantity(sum(seconds.values()) / 60)} minutes ({each})"
    )
    return plan, notes


def _compare(
    corpus: Corpus,
    codebook: Codebook,
    predicted: dict[str, OutOfFold],
    folds: NDArray[np.int64],
    plan: dict[str, int],
    seed: int,
) -> tuple[tuple[Compared, ...], NDArray[np.bool_], dict[str, NDArray[np.bool_]]]:
    """Compare candidates on the folds that all of them predicted; return also gold labels and decisions of these rows."""
    rows = np.isin(folds, np.unique(folds)[: min(plan.values())])
    part = corpus.rows(rows)
    decisions = {
        name: cross_fitted_decisions(one.logits[rows], part, codebook, folds[rows]) for name, one in predicted.items()
    }
    resamples = Resamples.draw([s.document_key for s in part], seed=seed)
    gold = indicator(part.sentences, codebook)
    seconds = {name: one.seconds for name, one in predicted.items()}
    return compare(gold, decisions, resamples, codebook.names, plan, seconds), gold, decisions


def _tune(corpus: Corpus, codebook: Codebook, logits: NDArray[np.float32]) -> tuple[Tuning, NDArray[np.bool_]]:
    """Tune temperature and thresholds on the out-of-fold logits (n, k), and return the rows (n,) that were used."""
    known: NDArray[np.bool_] = ~np.isnan(logits[:, 0])
    rows = known & tuning_rows(corpus)
    rows = rows if rows.any() else known
    gold = indicator(corpus.sentences, codebook)
    temperature, thresholds = tune(logits[rows], gold[rows], multilabel=codebook.multilabel)
    return Tuning(temperature, thresholds, int(rows.sum()), "out-of-fold"), rows


def _score(selection: Selection, name: str) -> Score:
    """Return the out-of-fold macro-F1 of the kept candidate for `bundle.json`."""
    one = selection[selection.chosen]
    return Score(
        metric="macro_f1",
        value=without_nan(one.macro_f1.value),
        low=without_nan(one.macro_f1.low),
        high=without_nan(one.macro_f1.high),
        n=selection.compared_rows,
        documents=selection.documents,
        data=f"out-of-fold predictions, {one.folds} of {selection.folds} folds by document",
        command=f"communique train, model {name}",
    )
