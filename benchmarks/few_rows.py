"""Measure how well all classifiers, and the one that `communique train` chooses, perform with 50 to 5,000 labelled rows.

    python benchmarks/few_rows.py fit reference --texts TEXTS --work DIR [--worker 0/2]
    python benchmarks/few_rows.py fit umsab --data DIR --work DIR
    python benchmarks/few_rows.py summarise reference --texts TEXTS

`fit` trains on nested draws of whole documents and stores logits in benchmarks/results/few-rows, so that a stopped run can
resume. DIR is for sentence vectors, which can be computed again. Several workers can divide the draws between them. `summarise`
applies the rules of `communique train` (calibration and thresholds from out-of-fold predictions, the choice between candidates)
and writes benchmarks/results/few-rows-TASK.json. `python benchmarks/tables.py` draws the figures.

The task `reference` draws from the sources of data/reference/train.jsonl on which version 0.1.0 of communique-small was not
trained, so that the text is new to its encoder. The shipped model was trained on all sources, so COMMUNIQUE_MODEL has to name
version 0.1.0, which is in models/ of commit dd44122. All draws are tested on the same 1,500 rows of other documents. The task
`umsab` draws from one language of UMSAB (sentiment of tweets) and tests on its validation set.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from stored import load, settings_of, store

from communique.baselines import make
from communique.data.codebook import Codebook
from communique.data.corpus import Corpus
from communique.data.sentence import Sentence
from communique.data.sources import CorpusSource
from communique.data.splits import FOLDS, document_folds, split_units
from communique.data.standoff import read_sources
from communique.io.atomic import replacing
from communique.metrics.bootstrap import Resamples, interval
from communique.metrics.calibration import Tuning, to_logits
from communique.metrics.scores import indicator, macro_f1, outcome_counts, outcomes, precision_recall_f1
from communique.models.folder import read_info
from communique.models.info import git_commit
from communique.models.predictor import MODEL_VARIABLE, default_model
from communique.selection.candidates import (
    MIN_TRANSFORMER_ROWS,
    Candidate,
    FrozenCandidate,
    PriorCandidate,
    TfidfCandidate,
    TransformerCandidate,
    candidates_for,
    name_with_encoder,
)
from communique.selection.folds import FoldedRows, OutOfFold, compare_out_of_fold, score_out_of_fold, tune_out_of_fold
from communique.selection.plan import SCREENED
from communique.selection.results import choose
from communique.training.e5 import E5_SMALL
from communique.training.recipe import Recipe

HERE = Path(__file__).parent
RESULTS = HERE / "results"
LOGITS = RESULTS / "few-rows"

#: Numbers of training rows, and the number of draws for each.
SIZES = {50: 5, 100: 5, 250: 5, 500: 5, 1000: 5, 2000: 1, 5000: 1}

#: Sources of `data/reference/train.jsonl` on which version 0.1.0 of communique-small was trained.
OLD_SOURCES = ("ungd", "un-parallel", "mfa-zh", "president-ua", "government-se", "president-mx", "bundestag")

#: Number of test rows. Units with more rows than `LARGE` are neither in the test rows nor in draws of fewer than 2,000 rows,
#: because a single unit would be most of the rows.
TEST_ROWS, LARGE = 1500, 150

#: Maximum number of rows for SetFit, because a fit takes many minutes.
SETFIT_ROWS = 250

#: The settings of version 0.1: first token, few steps, thresholds of 0.5.
VERSION_0_1 = {
    "pooling": "first",
    "epochs": 5,
    "min_steps": 0,
    "batch_size": 32,
    "learning_rate": 5e-5,
    "dropout": None,
}

OLD, SETFIT = "version 0.1", "setfit"


@dataclass(frozen=True)
class Task:
    """The rows from which training rows are drawn, and test rows from other documents."""

    name: str
    codebook: Codebook
    pool: Corpus
    test: Corpus
    sizes: dict[int, int]

    def draw(self, seed: int, rows: int) -> Corpus:
        """Draw whole units (documents and their translations) until there are enough rows. The last unit may be cut off.

        Draws with the same seed are nested, except that only draws of at least 2,000 rows have units with more than `LARGE` rows.
        """
        units = split_units(self.pool)
        members: dict[int, list[int]] = {}
        for i, unit in enumerate(units.tolist()):
            members.setdefault(unit, []).append(i)
        order = sorted(members)
        random.Random(f"draw {seed}").shuffle(order)
        chosen: list[int] = []
        for unit in order:
            if len(chosen) >= rows:
                break
            if len(members[unit]) <= LARGE or rows >= 2000:
                chosen += members[unit]
        # Test rows are drawn by document too. If thresholds were tuned on random rows only, label proportions would differ.
        drawn = tuple(replace(self.pool.sentences[i], sampling=None) for i in chosen[:rows])
        return Corpus(drawn, self.pool.files)


def reference(texts: Path) -> Task:
    """Read the labels in data/reference and hold out the test rows."""
    codebook = Codebook.load(HERE.parent / "data" / "codebook.yaml")
    source = CorpusSource(path=str(HERE.parent / "data" / "reference" / "train.jsonl"))
    everything = read_sources([source], codebook, texts)[0]
    corpus = everything.where(lambda s: s.source not in OLD_SOURCES)
    units = split_units(corpus)
    sizes = np.bincount(units)
    order = np.random.default_rng(0).permutation(np.flatnonzero(sizes <= LARGE))
    tested = np.isin(units, order[: int(np.searchsorted(np.cumsum(sizes[order]), TEST_ROWS)) + 1])
    test, pool = corpus.rows(tested), corpus.rows(~tested)
    # A few short sentences also occur in the sources on which the encoder was trained.
    known = {s.sha256 for s in test} | {s.sha256 for s in everything if s.source in OLD_SOURCES}
    return Task("reference", codebook, pool.where(lambda s: s.sha256 not in known), test, SIZES)


def umsab(data: Path, language: str = "english") -> Task:
    """Read the tweets of one language, with the validation set as the test set."""
    codebook = Codebook.load(HERE / "recipes" / "umsab-codebook.yaml")
    numbers = {"0": "negative", "1": "neutral", "2": "positive"}
    pool, test = (
        read_sources([CorpusSource(path=str(data / f"{language}_{part}.csv"), labels=numbers)], codebook, None)[0]
        for part in ("train", "val")
    )
    known = {s.sha256 for s in test}
    sizes = {n: 5 if n <= 250 else 3 for n in (50, 100, 250, 500, 1000)} | {len(pool): 1}
    return Task("umsab", codebook, pool.where(lambda s: s.sha256 not in known), test, sizes)


def _recipe() -> Recipe:
    return Recipe(name="few-rows", codebook="codebook", corpora=(CorpusSource(path="rows"),))


def _backbones() -> tuple[str, str]:
    """Return the encoders in the order of preference of `communique train`."""
    return str(default_model()), E5_SMALL


def classifiers(task: Task, rows: int, work: Path) -> dict[str, Callable[[], Candidate] | None]:
    """Return the function that builds each classifier to be measured with a number of rows; None for SetFit."""
    recipe = _recipe()
    with_backbone = [recipe.model_copy(update={"backbone": one}) for one in _backbones()]
    old = Recipe.model_validate(recipe.model_dump() | VERSION_0_1)
    found: dict[str, Callable[[], Candidate] | None] = {}
    found[PriorCandidate.kind] = partial(PriorCandidate, recipe, task.codebook)
    found[TfidfCandidate.kind] = partial(TfidfCandidate, recipe, task.codebook)
    for one in with_backbone:
        name = name_with_encoder(FrozenCandidate.kind, one.backbone)
        found[name] = partial(FrozenCandidate, one, task.codebook, work / "vectors")
        if rows >= MIN_TRANSFORMER_ROWS:
            name = name_with_encoder(TransformerCandidate.kind, one.backbone)
            found[name] = partial(TransformerCandidate, one, task.codebook)
    found[OLD] = partial(TransformerCandidate, old, task.codebook)
    if rows <= SETFIT_ROWS:
        found[SETFIT] = None
    return found


def fit(task: Task, work: Path, names: list[str] | None, worker: int, workers: int) -> None:
    """Train every classifier on every draw, and store its out-of-fold logits and those of the test rows."""
    check_encoder(default_model(), (*task.pool.sentences, *task.test.sentences))
    jobs = [(n, seed) for seed in range(max(task.sizes.values())) for n in task.sizes if seed < task.sizes[n]]
    # The small draws come first, because all of them together take less time than the largest one.
    for number, (n, seed) in enumerate(sorted(jobs, key=lambda job: (job[0] >= 2000, job[1], job[0]))):
        if number % workers != worker:
            continue
        corpus = task.draw(seed, n)
        for name, build in classifiers(task, n, work).items():
            if names and name not in names:
                continue
            path = LOGITS / task.name / f"{n}-{seed}" / f"{name}.npz"
            rows, settings = (*corpus.sentences, *task.test.sentences), _settings(build)
            if path.exists() and load(path, rows, settings):
                continue
            start = time.monotonic()
            found = _fit(task, build(), corpus, name) if build else _fit_setfit(task, corpus, seed)
            seconds = time.monotonic() - start
            store(path, rows, settings, found, seconds)
            print(f"{task.name}, {n} rows, draw {seed}: {name}, {seconds:.0f} s", flush=True)


def check_encoder(folder: Path, rows: Sequence[Sentence]) -> None:
    """Check that the encoder of the shipped model was not trained on rows of a task.

    Raises:
        SystemExit: It was, so its scores would be too high.
    """
    trained = read_info(folder).training.fingerprint
    if shared := sum(trained.overlap(s) is not None for s in rows):
        raise SystemExit(
            f"{folder}: this model was trained on {shared} of the {len(rows)} rows, so its scores would be too high. Set "
            f"{MODEL_VARIABLE} to the folder of a model that was trained on other data"
        )


def _settings(build: Callable[[], Candidate] | None) -> dict[str, object]:
    return settings_of(build()) if build else {"kind": "setfit"}


def _fit(task: Task, candidate: Candidate, corpus: Corpus, name: str) -> dict[str, NDArray[np.float32]]:
    logits = np.full((len(corpus), len(task.codebook.names)), np.nan, np.float32)
    folds = document_folds(corpus.sentences, FOLDS, seed=0)
    # `communique train` does the same if all folds would take long. Version 0.1 had no cross-validation.
    costly = candidate.kind == TransformerCandidate.kind
    for fold in () if name == OLD else np.unique(folds)[: SCREENED if costly else None]:
        fitted = candidate.fit(corpus.rows(folds != fold))
        logits[folds == fold] = fitted.predict_logits(corpus.rows(folds == fold).sentences)
    return {"folds": logits, "test": candidate.fit(corpus).predict_logits(task.test.sentences)}


def _fit_setfit(task: Task, corpus: Corpus, seed: int) -> dict[str, NDArray[np.float32]]:
    fitted = make("setfit", task.codebook, seed=seed).fit(corpus)
    found = fitted.predict_proba(task.test.sentences)
    none = np.full((len(corpus), len(task.codebook.names)), np.nan, np.float32)
    return {"folds": none, "test": to_logits(found, multilabel=task.codebook.multilabel).astype(np.float32)}


def summarise(task: Task, work: Path) -> dict[str, object]:
    """Score all finished draws."""
    gold = indicator(task.test.sentences, task.codebook)
    resamples = Resamples.draw([s.document_key for s in task.test], seed=0)
    points = []
    for n, draws in task.sizes.items():
        for seed in range(draws):
            corpus = task.draw(seed, n)
            rows = (*corpus.sentences, *task.test.sentences)
            folder = LOGITS / task.name / f"{n}-{seed}"
            kept = {
                name: load(folder / f"{name}.npz", rows, _settings(build))
                for name, build in sorted(classifiers(task, n, work).items())
                if (folder / f"{name}.npz").exists()
            }
            if kept:
                points.append(_point(task, corpus, kept, gold, resamples) | {"rows": n, "draw": seed})
    return {
        "task": task.name,
        "test": {"sentences": len(task.test), "documents": len(task.test.documents)},
        "positives": dict(zip(task.codebook.names, gold.sum(axis=0).tolist(), strict=True)),
        "commit": git_commit(),
        "points": points,
    }


def _point(
    task: Task,
    corpus: Corpus,
    kept: dict[str, dict[str, NDArray[np.float32]]],
    gold: NDArray[np.bool_],
    resamples: Resamples,
) -> dict[str, object]:
    """Score the classifiers of a draw, and choose one as `communique train` does."""
    scores: dict[str, dict[str, object]] = {}
    for name, one in kept.items():
        if np.isnan(one["folds"]).all():
            tuning = Tuning.none(gold.shape[1], multilabel=task.codebook.multilabel)
        else:
            tuning, _ = tune_out_of_fold(corpus, task.codebook, one["folds"])
        decided = tuning.decide(one["test"])
        drawn = macro_f1(resamples.sums(outcomes(gold, decided)))
        low, high = interval(drawn, clusters=resamples.clusters)
        scores[name] = {
            "macro_f1": float(macro_f1(outcome_counts(gold, decided))),
            "interval": [low, high],
            "f1": precision_recall_f1(outcome_counts(gold, decided))[:, 2].tolist(),
            "seconds": float(one["seconds"]),
        }
    chosen, candidates = _choice(task, corpus, kept)
    return {
        "documents": len(corpus.documents),
        "classifiers": scores,
        "candidates": candidates,
        "chosen": chosen,
    }


def _choice(
    task: Task, corpus: Corpus, kept: dict[str, dict[str, NDArray[np.float32]]]
) -> tuple[str | None, dict[str, float]]:
    """Return the candidate that `communique train` keeps, and the out-of-fold average precision of all candidates.

    Both are empty if a candidate has not been fitted yet.
    """
    data = FoldedRows(corpus, task.codebook, document_folds(corpus.sentences, FOLDS, seed=0))
    recipe = _recipe()
    candidates = candidates_for(recipe, task.codebook, len(corpus), _backbones())
    predicted: dict[str, OutOfFold] = {}
    scores: dict[str, float] = {}
    for one in candidates:
        one.prepare(scores)
        if one.name not in kept:
            return None, {}
        logits = kept[one.name]["folds"]
        predicted[one.name] = OutOfFold(one.kind, logits, FOLDS, 0.0, np.zeros((FOLDS, 0, logits.shape[1]), np.float32))
        if one.kind == FrozenCandidate.kind:
            scores[one.recipe.backbone] = score_out_of_fold(data, logits)
    compared, _, _ = compare_out_of_fold(data, predicted, seed=0)
    return choose(compared), {one.name: one.average_precision.value for one in compared}


def main() -> None:
    """Fit or summarise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("fit", "summarise"))
    parser.add_argument("task", choices=("reference", "umsab"))
    parser.add_argument("--texts", type=Path, help="folder with the texts of data/reference; see data/README.md")
    parser.add_argument("--data", type=Path, help="folder with the tables of UMSAB")
    parser.add_argument("--work", type=Path, default=Path("runs/few-rows"), help="folder for sentence vectors")
    parser.add_argument("--only", action="append", help="name of a classifier to fit; can be repeated; default: all")
    parser.add_argument("--worker", default="0/1", help="number of this worker, and number of workers")
    arguments = parser.parse_args()
    if (arguments.texts if arguments.task == "reference" else arguments.data) is None:
        parser.error("the task reference requires --texts, and the task umsab requires --data")
    task = reference(arguments.texts) if arguments.task == "reference" else umsab(arguments.data)
    if arguments.action == "fit":
        worker, workers = map(int, arguments.worker.split("/"))
        fit(task, arguments.work, arguments.only, worker, workers)
        return
    with replacing(RESULTS / f"few-rows-{task.name}.json") as handle:
        handle.write(json.dumps(summarise(task, arguments.work), indent=1) + "\n")


if __name__ == "__main__":
    main()
