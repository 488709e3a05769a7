"""The summary of a benchmark, a JSON file from which tables and figures are made without the decisions of the runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..metrics.scores import precision_recall_f1
from ..reporting.format import rounded
from . import results
from .comparison import Decided, Difference, best, bootstrap, differences, mean_macro_f1
from .results import GROUPS, Decisions, Place
from .runner import Grid

Run = tuple[dict[str, Any], Decisions]


def summarise(grid: Grid, *, seed: int = 0) -> dict[str, Any]:
    """Pool the seeds of each classifier, and compare classifiers that were tested on the same rows.

    Args:
        grid: Finished runs.
        seed: Seed of the bootstrap and the permutations.

    Returns:
        Plain values for JSON. Scores are `[value, low, high]`: the mean over seeds, and the 95 % interval of a bootstrap over
        documents and seeds, or None where undefined.
    """
    tables: dict[tuple[str, str], dict[str, list[Run]]] = {}
    for place, content in grid.runs:
        runs = tables.setdefault((content["split"], content["part"]), {})
        runs.setdefault(content["classifier"], []).append((content, _decisions(place, grid)))
    recipe = grid.recipe
    return {
        "format": results.FORMAT,
        "benchmark": recipe.name,
        "description": recipe.description,
        "labels": list(grid.codebook.names),
        "codebook_sha256": grid.codebook.sha256,
        "reference": recipe.reference,
        "published": [published.model_dump(mode="json") for published in recipe.published],
        "seeds": list(recipe.seeds),
        "left_out": list(grid.left_out),
        "waiting": grid.waiting,
        "cached": sorted(classifier.name for classifier in recipe.classifiers if classifier.cache),
        "tables": [_table(runs, recipe.reference, seed) for runs in tables.values()],
    }


def _decisions(place: Place, grid: Grid) -> Decisions:
    return results.read_decisions(place.decisions, grid.codebook.names)


def _table(runs: dict[str, list[Run]], reference: str | None, seed: int) -> dict[str, Any]:
    first, rows = next(iter(runs.values()))[0]
    for of_classifier in runs.values():
        for content, decisions in of_classifier:
            if decisions.ids != rows.ids:
                raise DataError(
                    f"split {first['split']!r} {first['part']}: the runs of {content['classifier']!r} and "
                    f"{first['classifier']!r} have different test rows. Run both again"
                )
    everything = range(len(rows.ids))
    counts = _decided(runs, rows, everything).by_document()
    first_place = best(counts)
    documents = _documents(rows, everything)
    table: dict[str, Any] = {key: first[key] for key in ("split", "kind", "part", "x")}
    table |= {
        "n": len(rows.ids),
        "documents": len(set(documents)),
        "gold": first["scores"]["gold"],
        "best": first_place,
        "classifiers": _classifiers(runs, rows, seed),
        "against_best": _plain(differences(counts, first_place, seed=seed)),
    }
    if reference in counts and reference != first_place:
        table["against_reference"] = _plain(differences(counts, reference, seed=seed))
    return table


def _classifiers(runs: dict[str, list[Run]], rows: Decisions, seed: int) -> dict[str, Any]:
    whole = _scores(runs, rows, range(len(rows.ids)), seed)
    groups: dict[str, dict[str, dict[str, Any]]] = {}
    drawn = bootstrap(_by_language(runs, rows), seed=seed)
    for attribute in GROUPS:
        for name, members in _members(rows.fields[attribute]).items():
            scores = _scores(runs, rows, members, seed)
            for classifier, found in scores.items():
                score = {key: found[key] for key in ("n", "documents", "gold", "macro_f1")}
                groups.setdefault(classifier, {}).setdefault(attribute, {})[name] = score
    return {
        name: {
            "seeds": [content["seed"] for content, _ in of_classifier],
            "macro_f1": whole[name]["macro_f1"],
            "macro_f1_by_seed": [content["scores"]["macro_f1"][0] for content, _ in of_classifier],
            "f1": whole[name]["f1"],
            "language_average": _average(groups[name]["language"], drawn[name].scores, of_classifier),
            "groups": groups[name],
            "training_rows": mean(content["rows"]["train"]["n"] for content, _ in of_classifier),
            **_costs([content for content, _ in of_classifier]),
        }
        for name, of_classifier in runs.items()
    }


def _scores(
    runs: dict[str, list[Run]], rows: Decisions, members: Sequence[int], seed: int
) -> dict[str, dict[str, Any]]:
    """Score each classifier on the rows with the numbers `members`."""
    counts = _decided(runs, rows, members).by_document()
    drawn = bootstrap(counts, seed=seed)
    documents = len(set(_documents(rows, members)))
    labels = next(iter(runs.values()))[0][0]["labels"]
    found = {}
    for name, of_classifier in counts.items():
        by_seed = precision_recall_f1(of_classifier.sum(axis=1))[..., 2]
        found[name] = {
            "n": len(members),
            "documents": documents,
            "gold": {label: int(n) for label, n in zip(labels, rows.gold[list(members)].sum(axis=0), strict=True)},
            "macro_f1": results.value(mean_macro_f1(of_classifier), drawn[name].scores, documents),
            "f1": {
                label: results.value(float(by_seed[:, i].mean()), drawn[name].f1[:, i], documents)
                for i, label in enumerate(labels)
            },
        }
    return found


def _by_language(runs: dict[str, list[Run]], rows: Decisions) -> dict[str, NDArray[np.float64]]:
    """Count outcomes by document and language, as (seeds, documents, languages, k, 3) per classifier."""
    whole, parts = _decided(runs, rows, range(len(rows.ids))), []
    for members in _members(rows.fields["language"]).values():
        inside = np.zeros((len(rows.ids), 1), np.bool_)
        inside[members] = True
        # A row without gold and predicted labels does not change the counts.
        predicted_rows = {name: predicted & inside for name, predicted in whole.predicted_rows.items()}
        parts.append(Decided(whole.gold & inside, whole.documents, predicted_rows).by_document())
    return {name: np.stack([part[name] for part in parts], axis=2) for name in runs}


def _average(groups: dict[str, dict[str, Any]], drawn: NDArray[np.float64], runs: list[Run]) -> dict[str, Any] | None:
    """Return the unweighted mean of macro-F1 over languages, which multilingual benchmarks report, or None if it is undefined.

    All columns of `drawn` (resamples, languages) come from the same resamples of documents, so that translations of a document are
    drawn together, because their scores are correlated. Resamples in which a language has no score are ignored.
    """
    if len(groups) < 2 or any(group["macro_f1"][0] is None for group in groups.values()):
        return None
    by_seed = [mean(group["macro_f1"][0] for group in content["groups"]["language"].values()) for content, _ in runs]
    documents = min(group["documents"] for group in groups.values())
    return {
        "macro_f1": results.value(mean(by_seed), drawn.mean(axis=1), documents),
        "by_seed": [round(v, 5) for v in by_seed],
    }


def _costs(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "training_seconds": round(mean(run["training_seconds"] for run in runs), 2),
        "resumed": any(run["resumed"] for run in runs),
        "sentences_per_second": round(mean(map(results.sentences_per_second, runs)), 1),
        "training_bytes": max(run["training_bytes"] for run in runs),
        "inference_bytes": max(run["inference_bytes"] for run in runs),
    }


def _decided(runs: dict[str, list[Run]], rows: Decisions, members: Sequence[int]) -> Decided:
    chosen = np.asarray(members)
    predicted_rows = {
        name: np.stack([decisions.predicted[chosen] for _, decisions in of_classifier])
        for name, of_classifier in runs.items()
    }
    return Decided(rows.gold[chosen], _documents(rows, members), predicted_rows)


def _documents(rows: Decisions, members: Sequence[int]) -> list[tuple[str | None, str | None]]:
    return [(rows.fields["source"][i], rows.fields["document"][i]) for i in members]


def _members(values: Sequence[str | None]) -> dict[str, list[int]]:
    members: dict[str, list[int]] = {}
    for i, value in enumerate(values):
        if value is not None:
            members.setdefault(value, []).append(i)
    return dict(sorted(members.items()))


def _plain(found: Sequence[Difference]) -> list[dict[str, Any]]:
    return [
        {key: rounded(value, 5) if isinstance(value, float) else value for key, value in asdict(difference).items()}
        for difference in found
    ]


def path(out: Path, name: str) -> Path:
    """Return the path of a benchmark's summary in a folder of results."""
    return out / f"{name}.json"
