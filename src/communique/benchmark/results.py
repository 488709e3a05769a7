"""The results of runs: for each run a JSON file with scores, and a Parquet file with decisions."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..config import check_format
from ..data.codebook import Codebook
from ..data.sentence import Sentence
from ..errors import DataError
from ..io.atomic import replacing
from ..io.write import write_parquet
from ..metrics.bootstrap import RESAMPLES, interval_or_nan
from ..metrics.scores import indicator, macro_f1, outcome_counts, precision_recall_f1, resampled_counts
from ..models.info import package_versions
from ..reporting.format import rounded
from .splits import Sets, by_field
from .worker import Job, Outcome

#: Version of the format of results and summaries. It changes when their keys or the meaning of their numbers change. Runs whose
#: results have another version are run again.
FORMAT = 2

#: Fields of `Sentence` for whose values separate scores are computed.
GROUPS = ("language", "source", "sampling")


@dataclass(frozen=True)
class Place:
    """The location of a run's results. File names contain the first digits of the run's identity."""

    folder: Path
    task: str
    classifier: str
    seed: int
    identity: str

    @property
    def stem(self) -> str:
        """The name of the files without the identity."""
        return f"{self.task}.{self.classifier}.s{self.seed}"

    @property
    def json(self) -> Path:
        """The file with scores, costs and versions."""
        return self.folder / f"{self.stem}.{self.identity[:10]}.json"

    @property
    def decisions(self) -> Path:
        """The file with ids, gold labels, decisions and probabilities of the test rows."""
        return self.json.with_suffix(".parquet")

    @property
    def done(self) -> bool:
        """Whether the run has finished."""
        return self.json.exists() and self.decisions.exists()

    def others(self) -> list[Path]:
        """Return the results of the same run with other settings or data."""
        return sorted(path for path in self.folder.glob(f"{self.stem}.*.json") if path != self.json)


def identify(settings: dict[str, Any], sets: Sets, codebook: Codebook) -> str:
    """Return a hash of everything that determines a run's results: the classifier's settings and seed, the rows, the codebook."""
    content = {"format": FORMAT, "classifier": settings, "rows": sets.sha256, "codebook": codebook.sha256}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def score(
    sentences: Sequence[Sentence],
    gold: NDArray[np.bool_],
    predicted: NDArray[np.bool_],
    codebook: Codebook,
    *,
    seed: int,
) -> dict[str, Any]:
    """Score decisions (n, k).

    Returns:
        Macro-F1 and F1 by label with intervals over documents, and the numbers of rows, documents and gold rows by label.
    """
    counts = outcome_counts(gold, predicted)
    drawn = resampled_counts(gold, predicted, [s.document_key for s in sentences], seed=seed, resamples=RESAMPLES)
    f1, drawn_f1 = precision_recall_f1(counts)[:, 2], precision_recall_f1(drawn)[..., 2]
    documents = len({s.document_key for s in sentences})
    return {
        "n": len(sentences),
        "documents": documents,
        "macro_f1": value(float(macro_f1(counts)), macro_f1(drawn), documents),
        "f1": {name: value(float(f1[i]), drawn_f1[:, i], documents) for i, name in enumerate(codebook.names)},
        "gold": {name: int(gold[:, i].sum()) for i, name in enumerate(codebook.names)},
    }


def value(found: float, drawn: NDArray[np.float64], documents: int) -> list[float | None]:
    """Return [value, low, high] for JSON, with None in place of NaN; see `interval_or_nan`."""
    return [rounded(v, 5) for v in interval_or_nan(found, drawn, documents)]


def record(place: Place, job: Job, outcome: Outcome, settings: dict[str, Any]) -> dict[str, Any]:
    """Write the decisions of a run, then its JSON, so that there is never a JSON without decisions.

    Returns:
        The content of the JSON.
    """
    sentences, codebook, sets = job.sets.test.sentences, job.codebook, job.sets
    gold = indicator(sentences, codebook)
    write_parquet(
        place.decisions,
        [
            {"id": s.id, "source": s.source, "document": s.document, "language": s.language, "sampling": s.sampling}
            | {f"gold_{name}": bool(gold[i, j]) for j, name in enumerate(codebook.names)}
            | {f"label_{name}": bool(outcome.decisions[i, j]) for j, name in enumerate(codebook.names)}
            | {f"p_{name}": float(outcome.probabilities[i, j]) for j, name in enumerate(codebook.names)}
            for i, s in enumerate(sentences)
        ],
    )
    groups = {
        attribute: {
            name: score([sentences[i] for i in rows], gold[rows], outcome.decisions[rows], codebook, seed=0)
            for name, rows in by_field(sentences, attribute).items()
        }
        for attribute in GROUPS
    }
    content = {
        "format": FORMAT,
        "identity": place.identity,
        "split": sets.split,
        "kind": sets.kind,
        "part": sets.part,
        "x": sets.x,
        "classifier": job.classifier.name,
        "seed": job.seed,
        "settings": settings,
        "labels": list(codebook.names),
        "scores": score(sentences, gold, outcome.decisions, codebook, seed=0),
        "groups": {attribute: found for attribute, found in groups.items() if found},
        "rows": {
            name: {"n": len(corpus), "documents": len(corpus.documents)}
            for name, corpus in (("train", sets.train), ("tuning", sets.tuning), ("test", sets.test))
        },
        "left_out": sets.left_out,
        "undated": sets.undated,
        "rows_sha256": sets.sha256,
        "codebook_sha256": codebook.sha256,
        "temperature": outcome.temperature,
        "bias": outcome.bias,
        "thresholds": outcome.thresholds,
        "training_seconds": round(outcome.training_seconds, 3),
        "inference_seconds": round(outcome.inference_seconds, 3),
        "training_bytes": outcome.training_bytes,
        "inference_bytes": outcome.inference_bytes,
        "resumed": outcome.resumed,
        "precision": outcome.precision,
        "cpus": os.cpu_count(),
        "versions": package_versions("torch", "transformers", "numpy", "scikit-learn"),
        "commit": outcome.commit,
    }
    with replacing(place.json) as handle:
        handle.write(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return content


@dataclass(frozen=True)
class Decisions:
    """The decisions of a run, as stored in its Parquet file: gold labels and decisions (n, k), and fields of the rows."""

    ids: tuple[str, ...]
    fields: Mapping[str, tuple[str | None, ...]]
    gold: NDArray[np.bool_]
    predicted: NDArray[np.bool_]


def read_decisions(path: Path, labels: Sequence[str]) -> Decisions:
    """Read the Parquet file of a run."""
    import pyarrow.parquet as pq

    columns = pq.read_table(path).to_pydict()

    def matrix(prefix: str) -> NDArray[np.bool_]:
        return np.array([columns[f"{prefix}_{name}"] for name in labels], np.bool_).T

    fields = {name: tuple(columns[name]) for name in ("source", "document", *GROUPS)}
    return Decisions(tuple(columns["id"]), fields, matrix("gold"), matrix("label"))


def read(path: Path) -> dict[str, Any]:
    """Read a run's result or a benchmark's summary.

    Raises:
        DataError: The file was written in another format.
    """
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    # Summaries of communique 0.1 had no format number.
    check_format(path, {"format": 1} | content, FORMAT, DataError, "Run communique benchmark again")
    return content


def sentences_per_second(content: dict[str, Any]) -> float:
    """Return the speed of a run's inference. The clock is not precise enough below 1 ms, so shorter times count as 1 ms."""
    rate: float = content["scores"]["n"] / max(content["inference_seconds"], 1e-3)
    return rate
