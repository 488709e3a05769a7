"""Measure whether the previous sentence helps to classify a sentence, with classifiers that are cheap to train.

    python benchmarks/context.py --texts TEXTS --work DIR

Two classifiers read the previous sentence, if it is known: (1) logistic regression on the vectors of a frozen encoder, with
the vector of the previous sentence as additional features; (2) logistic regression on stored out-of-fold logits
(`out_of_fold.py`), with those of the previous sentence as additional features. Each is compared with the same classifier without
these features, by five-fold cross-validation over documents of data/reference/train.jsonl, on all rows and on those whose
previous sentence is in the data. The result is benchmarks/results/context.json. DIR is for sentence vectors.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from out_of_fold import DATA, DEFAULT, PARTS, Task, difference, read, stored_logits, value_of

from communique.baselines.frozen_encoder import FrozenEncoder
from communique.baselines.linear import fit_linear
from communique.data.corpus import Corpus
from communique.data.splits import document_folds, split_units
from communique.io.atomic import replacing
from communique.metrics.scores import indicator
from communique.models.info import git_commit
from communique.selection.folds import FoldedRows, cross_fitted_decisions

RESULT = Path(__file__).parent / "results" / "context.json"

#: Values of C that cross-validation compares.
STRENGTHS = {"vectors": (0.0003, 0.001, 0.003, 0.01), "logits": (0.01, 0.1, 1.0, 10.0)}


def previous_rows(corpus: Corpus) -> NDArray[np.int64]:
    """Return the position of the previous sentence of each row (n,), or -1 if it is not in the data or the order is not known."""
    lines = (DATA / "reference" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    fields = {row["id"]: row for row in map(json.loads, lines)}
    keys = [(s.document_key, fields[s.id].get("passage"), s.index) for s in corpus]
    known = {key: i for i, key in enumerate(keys)}
    return np.array(
        [
            known.get((document, passage, index - 1), -1) if fields[s.id]["in_order"] else -1
            for s, (document, passage, index) in zip(corpus, keys, strict=True)
        ]
    )


def with_previous(values: NDArray[np.float64], previous: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return standardised features (n, d) with those of the previous sentence (n, 2d + 1), which are 0 if it is not known."""
    known = previous >= 0
    before = np.where(known[:, None], values[previous], 0.0)
    return np.concatenate([values, before, known[:, None].astype(np.float64)], axis=1)


def cross_validated(
    task: Task, corpus: Corpus, features: NDArray[np.float64], folds: NDArray[np.int64], kind: str
) -> NDArray[np.int8]:
    """Predict labels (n, k): each fold with logistic regression on the others, and with thresholds tuned on the others."""
    gold, units = indicator(corpus.sentences, task.codebook), split_units(corpus)
    logits = np.zeros(gold.shape, np.float32)
    for fold in np.unique(folds):
        inside = folds == fold
        fitted = fit_linear(
            features[~inside],
            gold[~inside],
            units[~inside],
            task.codebook.names,
            machine="logistic",
            multilabel=True,
            strengths=STRENGTHS[kind],
            number=PARTS,
            seed=0,
        )
        logits[inside] = fitted.model.logits(features[inside])
    return cross_fitted_decisions(FoldedRows(corpus, task.codebook, folds), logits).astype(np.int8)


def compare(
    task: Task, values: NDArray[np.float32], rows: NDArray[np.bool_], folds: NDArray[np.int64], kind: str
) -> dict[str, object]:
    """Compare the classifiers with and without the previous sentence on the rows (n,) that have values (n, d)."""
    corpus = task.corpus.rows(rows)
    scaled = values[rows].astype(np.float64)
    scaled = (scaled - scaled.mean(axis=0)) / np.maximum(scaled.std(axis=0), 1e-9)
    # Documents are never divided, so a previous sentence has values if its sentence has.
    previous = previous_rows(corpus)
    plain, context = (
        cross_validated(task, corpus, features, folds[rows], kind)
        for features in (scaled, with_previous(scaled, previous))
    )
    part = Task(task.codebook, corpus, task.authored, {})
    gold, known = indicator(corpus.sentences, task.codebook), previous >= 0
    everything = np.ones(len(corpus), np.bool_)
    return {
        name: {
            "without": value_of(part, chosen, gold, plain),
            "with": value_of(part, chosen, gold, context),
            "gain": difference(part, chosen, gold, context, plain),
        }
        for name, chosen in (("all rows", everything), ("rows with a previous sentence", known))
    }


def main() -> None:
    """Compare and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, required=True, help="folder with the texts of data/reference")
    parser.add_argument("--work", type=Path, default=Path("runs/context"), help="folder for sentence vectors")
    arguments = parser.parse_args()
    task = read(arguments.texts)
    found: dict[str, object] = {"commit": git_commit()}
    # Only some of the parts may be predicted, so they are divided again.
    folds = document_folds(task.corpus.sentences, PARTS, seed=1)
    for name in ("frozen encoder", DEFAULT):
        logits = stored_logits(task, name, "documents")
        rows = ~np.isnan(logits[:, 0])
        found[f"logits of {name}"] = compare(task, logits, rows, folds, "logits")
        print(json.dumps(found, indent=1), flush=True)
    vectors = FrozenEncoder(task.codebook, cache=arguments.work / "vectors").embed([s.model_text for s in task.corpus])
    rows = np.ones(len(task.corpus), np.bool_)
    found["vectors of e5-small"] = compare(task, vectors, rows, task.parts["documents"], "vectors")
    with replacing(RESULT) as handle:
        handle.write(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
