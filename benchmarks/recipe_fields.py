"""Measure the effect of single fields of a recipe on a training with 1,000 rows.

    python benchmarks/recipe_fields.py fit --texts TEXTS --unlabelled TABLE --work DIR [--variant NAME]
    python benchmarks/recipe_fields.py summarise --texts TEXTS

`fit` trains on the first draw of 1,000 rows of the task `reference` of few_rows.py, starting from e5-small, and stores the logits
of the test rows in benchmarks/results/recipe-fields, so that a stopped run can resume. The teachers of "soft labels" are the
models of two folds of the same 1,000 rows. They also label sentences drawn from TABLE, which contains text without labels (to use
another one, delete the stored logits). DIR is for checkpoints and for the teachers. `summarise` compares each variant with the
default settings, and writes benchmarks/results/recipe-fields.json.

The comparison uses average precision, which needs no thresholds: 1,000 rows are too few to hold out some for tuning.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from few_rows import HERE, Task, reference
from out_of_fold import with_interval
from stored import Arrays, load, rows_sha256, settings_of, store

from communique.data.corpus import Corpus
from communique.data.sources import TextFields
from communique.data.splits import FOLDS, document_folds
from communique.io.atomic import replacing
from communique.metrics.bootstrap import Resamples
from communique.metrics.scores import indicator
from communique.models.info import git_commit
from communique.selection.candidates import TransformerCandidate
from communique.selection.folds import FoldedRows, predict_out_of_fold
from communique.selection.plan import SCREENED
from communique.selection.results import mean_average_precision
from communique.selection.select import store_folds
from communique.selection.steps import Steps
from communique.training.recipe import Recipe
from communique.training.soft_labels import SoftLabels
from communique.training.teachers import FoldTeacher
from communique.training.unlabelled import Unlabelled, read_unlabelled

RESULT = HERE / "results" / "recipe-fields.json"
LOGITS = RESULT.with_suffix("")

#: Number of training rows, and of sentences that the teachers label.
ROWS, SENTENCES = 1000, 1500

DEFAULT, SOFT = "default", "soft labels"

#: The fields that differ from the default.
VARIANTS: dict[str, dict[str, object]] = {
    DEFAULT: {},
    "acts": {"acts": True},
    "copies": {"augment": True},
    SOFT: {"teachers": ["folds"]},
    "soup": {"soup": 3},
}


def recipe_of(name: str) -> Recipe:
    """Return the recipe of a variant. The rows are not those of its corpora."""
    return Recipe.model_validate(
        {"name": "recipe-fields", "codebook": "codebook", "corpora": [{"path": "rows"}], "precision": "fp32"}
        | VARIANTS[name]
    )


def fit(task: Task, table: Path | None, work: Path, names: list[str]) -> None:
    """Train each variant, and store the logits of the test rows."""
    corpus = task.draw(0, ROWS)
    for name in names:
        path = logits_path(name)
        if path.exists() and load(path, task.test.sentences, settings_of_variant(task, name)):
            continue
        start, recipe, soft = time.monotonic(), recipe_of(name), None
        if recipe.teachers:
            if table is None:
                raise SystemExit(f"{name}: name a table with text without labels with --unlabelled")
            soft = distil(task, corpus, table, work)
        candidate = TransformerCandidate(recipe, task.codebook, soft=soft)
        found = candidate.fit(corpus, work / "steps" / path.stem).predict_logits(task.test.sentences)
        store(path, task.test.sentences, settings_of_variant(task, name), {"logits": found}, time.monotonic() - start)
        print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)


def distil(task: Task, corpus: Corpus, table: Path, work: Path) -> SoftLabels:
    """Train the models of two folds, and return them as the teachers of a model that learns all rows."""
    recipe = recipe_of(SOFT).model_copy(update={"unlabelled": (TextFields(path=str(table)),)})
    everything = read_unlabelled(recipe, corpus, task.test).corpus
    drawn = random.Random(0).sample(everything.sentences, min(SENTENCES, len(everything)))
    unlabelled = Unlabelled(Corpus(tuple(drawn), everything.files))
    folds = document_folds(corpus.sentences, FOLDS, seed=0)
    plain = TransformerCandidate(recipe_of(DEFAULT), task.codebook)
    steps = Steps(work / "teachers", settings_of_variant(task, SOFT) | {"texts": unlabelled.sha256})
    steps.begin()
    sentences = unlabelled.corpus.sentences
    predicted = predict_out_of_fold(plain, corpus, folds, only=SCREENED, unlabelled=sentences, steps=steps)
    store_folds(work, plain.name, FoldedRows(corpus, task.codebook, folds), predicted, sentences)
    return SoftLabels(recipe, task.codebook, unlabelled, (FoldTeacher(work, task.codebook),))


def summarise(task: Task) -> dict[str, Any]:
    """Return the mean average precision of each variant, and its difference from the default, with 95 % intervals."""
    gold = indicator(task.test.sentences, task.codebook)
    resamples = Resamples.draw([s.document_key for s in task.test], seed=0)
    scores, drawn, seconds = {}, {}, {}
    for name in VARIANTS:
        if logits_path(name).exists():
            found: Arrays = load(logits_path(name), task.test.sentences, settings_of_variant(task, name))
            score = partial(mean_average_precision, gold, found["logits"], np.zeros(len(gold), np.int64))
            scores[name] = float(score())
            drawn[name] = np.concatenate([score(weights) for weights in resamples.row_weights()])
            seconds[name] = float(found["seconds"])

    results: dict[str, dict[str, object]] = {}
    for name in scores:
        results[name] = {
            "average_precision": with_interval(scores[name], drawn[name], resamples),
            "seconds": seconds[name],
        }
        if name != DEFAULT and DEFAULT in scores:
            difference = drawn[name] - drawn[DEFAULT]
            results[name]["gain"] = with_interval(scores[name] - scores[DEFAULT], difference, resamples)
    return {
        "rows": ROWS,
        "test": {"sentences": len(task.test), "documents": len(task.test.documents)},
        "unlabelled": SENTENCES,
        "commit": git_commit(),
        "results": results,
    }


def logits_path(name: str) -> Path:
    """Return the file with the logits of a variant."""
    return LOGITS / f"{name.replace(' ', '-')}.npz"


def settings_of_variant(task: Task, name: str) -> dict[str, object]:
    """Return what determines the logits of a variant, except the text without labels."""
    return settings_of(TransformerCandidate(recipe_of(name), task.codebook)) | {
        "codebook": task.codebook.sha256,
        "training": rows_sha256(task.draw(0, ROWS).sentences),
        "unlabelled": SENTENCES,
    }


def main() -> None:
    """Fit or summarise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("fit", "summarise"))
    parser.add_argument(
        "--texts", type=Path, required=True, help="folder with the texts of data/reference; see data/README.md"
    )
    parser.add_argument("--unlabelled", type=Path, help="table with text without labels, for soft labels")
    parser.add_argument("--work", type=Path, default=Path("runs/recipe-fields"), help="folder for checkpoints")
    parser.add_argument("--variant", action="append", choices=tuple(VARIANTS), help="default: all")
    arguments = parser.parse_args()
    task = reference(arguments.texts)
    if arguments.action == "fit":
        fit(task, arguments.unlabelled, arguments.work, arguments.variant or list(VARIANTS))
        return
    with replacing(RESULT) as handle:
        handle.write(json.dumps(summarise(task), indent=1) + "\n")


if __name__ == "__main__":
    main()
