"""Measure the effect of each training setting by cross-validation over all documents of data/reference/train.jsonl.

    python benchmarks/out_of_fold.py fit --texts TEXTS --work DIR [--variant NAME] [--parts documents] [--worker 0/2]
    python benchmarks/out_of_fold.py summarise --texts TEXTS

`fit` trains on all parts of the data except one, and stores the logits of this part in benchmarks/results/out-of-fold, so that
a stopped run can resume. With --models it also writes each classifier as a model folder, with thresholds tuned on this part.
DIR is for sentence vectors and for checkpoints of the training. The parts are five folds of documents,
or five groups of sources, so that the languages and types of text in a group may be new to the model. Sources with versions of the
same texts, such as translations, are in the same group. The sentences in data/authored are always training rows and are never
scored. `summarise` writes benchmarks/results/out-of-fold.json.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from stored import Arrays, load, rows_sha256, settings_of, store

from communique.data.codebook import Codebook
from communique.data.corpus import Corpus
from communique.data.sentence import Sentence
from communique.data.sources import CorpusSource
from communique.data.splits import assign_folds, document_folds, split_units
from communique.data.standoff import read_sources
from communique.io.atomic import replacing
from communique.metrics.bootstrap import Resamples, interval_or_nan
from communique.metrics.report import ScoreCI
from communique.metrics.scores import indicator, macro_f1, outcomes, precision_recall_f1
from communique.models.info import Score, git_commit
from communique.reporting.format import without_nan
from communique.selection.candidates import (
    Candidate,
    FrozenCandidate,
    PriorCandidate,
    Target,
    TfidfCandidate,
    TransformerCandidate,
)
from communique.selection.folds import FoldedRows, cross_fitted_decisions, tune_out_of_fold
from communique.training.recipe import Recipe
from communique.training.splits import DataSplits

HERE = Path(__file__).parent
DATA = HERE.parent / "data"
RESULT = HERE / "results" / "out-of-fold.json"
LOGITS = RESULT.with_suffix("")

#: Number of folds of documents, and of groups of sources.
PARTS = 5


@dataclass(frozen=True)
class Variant:
    """A kind of classifier, and settings that differ from the defaults."""

    settings: dict[str, object] = field(default_factory=dict)
    kind: type[Candidate] = TransformerCandidate


class LexiconCandidate(PriorCandidate):
    """A list of words per label, which `communique train` does not try."""

    kind = "lexicon"


DEFAULT = "default"
VARIANTS = {
    DEFAULT: Variant(),
    "acts and augment": Variant({"acts": True, "augment": True}),
    "frozen encoder": Variant(kind=FrozenCandidate),
    "TF-IDF": Variant(kind=TfidfCandidate),
    "lexicon": Variant(kind=LexiconCandidate),
    "prior": Variant(kind=PriorCandidate),
}


@dataclass(frozen=True)
class Task:
    """Rows that are predicted out of fold, rows that are always training rows, and the part of each row by kind of parts."""

    codebook: Codebook
    corpus: Corpus
    authored: Corpus
    parts: dict[str, NDArray[np.int64]]


def read(texts: Path) -> Task:
    """Read the labels in data/reference and data/authored, and assign parts."""
    codebook = Codebook.load(DATA / "codebook.yaml")
    corpus, authored = (
        read_sources([CorpusSource(path=str(DATA / name))], codebook, texts)[0]
        for name in ("reference/train.jsonl", "authored")
    )
    parts = {"documents": document_folds(corpus.sentences, PARTS, seed=0), "sources": source_parts(corpus)}
    return Task(codebook, corpus, authored, parts)


def source_parts(corpus: Corpus) -> NDArray[np.int64]:
    """Return the part of each row (n,), so that no source and no group of sources with versions of the same texts is divided."""
    # Without its document, a sentence is connected to all others of its source, and to other sources by the field `parallel`.
    sources = split_units(replace(s, document="") for s in corpus)
    return assign_folds(sources, [s.labels or ("",) for s in corpus], PARTS, seed=0)


def fit(
    task: Task,
    work: Path,
    variants: list[str],
    parts: list[str],
    only: int,
    worker: int,
    workers: int,
    models: Path | None = None,
) -> None:
    """For each variant and each part, train on the other parts and store the logits of this part."""
    jobs = [(name, kind, part) for name in variants for kind in parts for part in range(only)]
    for number, (name, kind, part) in enumerate(jobs):
        path = _path(name, kind, part)
        if number % workers != worker or (path.exists() and _load(task, name, kind, part)):
            continue
        commit, start = git_commit(), time.monotonic()
        candidate = _candidate(VARIANTS[name], task.codebook, work)
        candidate.fit(_training(task, kind, part), work / "steps" / path.stem)
        scored = _scored(task, kind, part)
        logits = candidate.predict_logits(scored)
        seconds = time.monotonic() - start
        store(path, scored, _settings(task, name, kind, part), {"logits": logits}, seconds)
        if models is not None:
            write_model(task, candidate, _training(task, kind, part), kind, part, logits, models / path.stem, commit)
        print(f"{name}, {kind}, part {part}: {seconds:.0f} s", flush=True)


def write_model(
    task: Task,
    candidate: Candidate,
    training: Corpus,
    kind: str,
    part: int,
    logits: NDArray[np.float32],
    out: Path,
    commit: str | None,
) -> None:
    """Write a classifier as a model folder, with thresholds tuned on the part that it was not trained on.

    The score in the model card uses thresholds of 0.5, because no other part is left to tune them on.
    """
    inside = task.parts[kind] == part
    rows, resamples = task.corpus.rows(inside), _resamples(task, inside)
    counts = outcomes(indicator(rows.sentences, task.codebook), logits >= 0)
    score = Score.of(
        ScoreCI.from_bootstrap(
            float(macro_f1(counts.sum(axis=0))), macro_f1(resamples.sums(counts)), resamples.clusters, "no label occurs"
        ),
        n=len(rows),
        documents=len(rows.documents),
        data=f"{kind}, part {part} of {PARTS}, thresholds of 0.5",
        command="python benchmarks/out_of_fold.py fit",
    )
    tuning, _ = tune_out_of_fold(rows, task.codebook, logits)
    splits = DataSplits(training, rows, Corpus(()), ())
    candidate.write(Target(out, splits, tuning, score, commit))


def summarise(task: Task) -> dict[str, object]:
    """Score each variant on the rows predicted so far, and its difference from the default on the rows predicted by both."""
    gold = indicator(task.corpus.sentences, task.codebook)
    found: dict[str, dict[str, object]] = {}
    for kind in task.parts:
        decisions = {name: _decisions(task, name, kind) for name in VARIANTS}
        for name, (tuned, plain) in decisions.items():
            rows = tuned[:, 0] >= 0
            if not rows.any():
                continue
            each = _scores(task, rows, gold, tuned) | {"macro_f1_at_0.5": value_of(task, rows, gold, plain)}
            both = rows & (decisions[DEFAULT][0][:, 0] >= 0)
            if name != DEFAULT and both.any():
                each["gain"] = difference(task, both, gold, tuned, decisions[DEFAULT][0])
            each["seconds"] = [float(np.load(path)["seconds"]) for path in _paths(name, kind) if path.exists()]
            found.setdefault(kind, {})[name] = each
    return {
        "sentences": len(task.corpus),
        "documents": len(task.corpus.documents),
        "authored": len(task.authored),
        "parts": PARTS,
        "commit": git_commit(),
        "results": found,
    }


def _decisions(task: Task, name: str, kind: str) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Return decisions (n, k) with thresholds tuned on the other parts, and with 0.5; -1 for rows without predictions."""
    shape = len(task.corpus), len(task.codebook.names)
    tuned, plain = np.full(shape, -1, np.int8), np.full(shape, -1, np.int8)
    logits = stored_logits(task, name, kind)
    rows = ~np.isnan(logits[:, 0])
    parts = task.parts[kind][rows]
    if len(np.unique(parts)) > 1:
        part = FoldedRows(task.corpus.rows(rows), task.codebook, parts)
        tuned[rows] = cross_fitted_decisions(part, logits[rows])
        plain[rows] = logits[rows] >= 0
    return tuned, plain


def stored_logits(task: Task, name: str, kind: str) -> NDArray[np.float32]:
    """Return the logits (n, k) of a variant; NaN in parts that were not predicted."""
    logits = np.full((len(task.corpus), len(task.codebook.names)), np.nan, np.float32)
    for part, path in enumerate(_paths(name, kind)):
        if path.exists():
            logits[task.parts[kind] == part] = _load(task, name, kind, part)["logits"]
    return logits


def _scores(
    task: Task, rows: NDArray[np.bool_], gold: NDArray[np.bool_], decided: NDArray[np.int8]
) -> dict[str, object]:
    counts = outcomes(gold[rows], decided[rows] > 0).sum(axis=0)
    labels = dict(zip(task.codebook.names, precision_recall_f1(counts)[:, 2].tolist(), strict=True))
    groups: dict[str, dict[str, object]] = {}
    for column in ("language", "source", "sampling"):
        values = np.array([str(getattr(s, column)) for s in task.corpus])
        groups[column] = {
            value: value_of(task, rows & (values == value), gold, decided) for value in np.unique(values[rows]).tolist()
        }
    return {"macro_f1": value_of(task, rows, gold, decided), "f1": labels, "groups": groups}


def value_of(
    task: Task, rows: NDArray[np.bool_], gold: NDArray[np.bool_], decided: NDArray[np.int8]
) -> dict[str, object]:
    """Return macro-F1, its 95 % interval over documents, and the numbers of sentences and documents."""
    counts = outcomes(gold[rows], decided[rows] > 0)
    resamples = _resamples(task, rows)
    value = float(macro_f1(counts.sum(axis=0)))
    return with_interval(value, macro_f1(resamples.sums(counts)), resamples) | {"n": int(rows.sum())}


def difference(
    task: Task,
    rows: NDArray[np.bool_],
    gold: NDArray[np.bool_],
    first: NDArray[np.int8],
    second: NDArray[np.int8],
) -> dict[str, object]:
    """Return how much higher macro-F1 is with the first decisions than with the second ones, with a paired interval."""
    resamples = _resamples(task, rows)
    each = [outcomes(gold[rows], decided[rows] > 0) for decided in (first, second)]
    value = [float(macro_f1(counts.sum(axis=0))) for counts in each]
    drawn = [macro_f1(resamples.sums(counts)) for counts in each]
    return with_interval(value[0] - value[1], drawn[0] - drawn[1], resamples) | {"n": int(rows.sum())}


def _resamples(task: Task, rows: NDArray[np.bool_]) -> Resamples:
    return Resamples.draw([s.document_key for s in task.corpus.rows(rows)], seed=0)


def with_interval(value: float, drawn: NDArray[np.float64], resamples: Resamples) -> dict[str, object]:
    """Return a value, its 95 % interval from resamples of documents, and the number of documents, as JSON stores them."""
    value, low, high = interval_or_nan(value, drawn, resamples.clusters)
    interval = None if np.isnan(low) else [low, high]
    return {"value": without_nan(value), "interval": interval, "documents": resamples.clusters}


def _training(task: Task, kind: str, part: int) -> Corpus:
    """Return the training rows if a part is scored."""
    return task.corpus.rows(task.parts[kind] != part) + task.authored


def _scored(task: Task, kind: str, part: int) -> tuple[Sentence, ...]:
    return task.corpus.rows(task.parts[kind] == part).sentences


def _settings(task: Task, name: str, kind: str, part: int) -> dict[str, object]:
    candidate = _candidate(VARIANTS[name], task.codebook)
    return settings_of(candidate) | {"training": rows_sha256(_training(task, kind, part).sentences)}


def _load(task: Task, name: str, kind: str, part: int) -> Arrays:
    return load(_path(name, kind, part), _scored(task, kind, part), _settings(task, name, kind, part))


def _candidate(variant: Variant, codebook: Codebook, work: Path | None = None) -> Candidate:
    recipe = Recipe(name="out-of-fold", codebook="codebook", corpora=(CorpusSource(path="rows"),))
    recipe = Recipe.model_validate(recipe.model_dump() | variant.settings)
    if variant.kind is FrozenCandidate:
        return FrozenCandidate(recipe, codebook, None if work is None else work / "vectors")
    return variant.kind(recipe, codebook)


def _path(name: str, kind: str, part: int) -> Path:
    return LOGITS / f"{name.lower().replace(' ', '-')}-{kind}-{part}.npz"


def _paths(name: str, kind: str) -> list[Path]:
    return [_path(name, kind, part) for part in range(PARTS)]


def main() -> None:
    """Fit or summarise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("fit", "summarise"))
    parser.add_argument(
        "--texts", type=Path, required=True, help="folder with the texts of data/reference; see data/README.md"
    )
    parser.add_argument(
        "--work", type=Path, default=Path("runs/out-of-fold"), help="folder for checkpoints and vectors"
    )
    parser.add_argument("--variant", action="append", choices=tuple(VARIANTS), help="default: the default settings")
    parser.add_argument("--parts", action="append", choices=("documents", "sources"), help="default: documents")
    parser.add_argument("--only", type=int, default=PARTS, help="number of parts to predict")
    parser.add_argument("--models", type=Path, help="folder for the classifiers. Default: they are not written")
    parser.add_argument("--worker", default="0/1", help="number of this worker, and number of workers")
    arguments = parser.parse_args()
    task = read(arguments.texts)
    if arguments.action == "fit":
        worker, workers = map(int, arguments.worker.split("/"))
        variants, parts = arguments.variant or [DEFAULT], arguments.parts or ["documents"]
        fit(task, arguments.work, variants, parts, arguments.only, worker, workers, arguments.models)
        return
    with replacing(RESULT) as handle:
        handle.write(json.dumps(summarise(task), indent=1) + "\n")


if __name__ == "__main__":
    main()
