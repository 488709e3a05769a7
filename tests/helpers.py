"""Helpers for tests: the root of the repository, a tiny codebook, rows whose words determine their labels, and `run`."""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from typer.testing import CliRunner

from communique.cli.app import app
from communique.data.codebook import Codebook

ROOT = Path(__file__).parents[1]

#: Seconds that a test waits for another process. A machine that is five times slower than a laptop must not fail a test.
PATIENCE = 300

#: Maximum difference between probabilities of the same text. On some processors, other texts in a batch or other outputs of the
#: network change the last bits of a sum, which sometimes moves an 8-bit activation to the next value.
ROUNDING = 0.02

CODEBOOK: dict[str, Any] = {
    "name": "tiny",
    "version": "1",
    "task": "multilabel",
    "labels": [
        {"name": "criticism", "definition": "Somebody condemns."},
        {"name": "policy_claim", "definition": "Something should be."},
        {"name": "cooperation_pledge", "definition": "Somebody will help."},
    ],
}

TINY = Codebook.model_validate(CODEBOOK)
TINY_MULTICLASS = Codebook.model_validate(CODEBOOK | {"task": "multiclass"})

#: A cue word for each label, and words without a meaning for the labels.
CUES = {"criticism": "condemn", "policy_claim": "should", "cooperation_pledge": "pledge"}
FILLERS = """the of river trade minister grain port today water treaty border fish a in we it . oov""".split()  # noqa: SIM905

#: Cells that mean yes or no in every table; see `data.labels.yes_no`.
YES_CELLS = (1, 1.0, True, "1", "1.0", "TRUE", "Yes", " y ", "X", "✓", "✔", "✔\ufe0f", "☑")
NO_CELLS = (0, 0.0, False, "0", "0.0", "false", "NO", " n ", "-", "–")


def facts(*values: object) -> str:
    """Return a pattern that matches any message that contains all of these values, in any order."""
    return "(?s)" + "".join(f"(?=.*{re.escape(str(value))})" for value in values)


def has_facts(message: str, *values: object) -> bool:
    """Check that a message contains all of these values, in any order."""
    return re.match(facts(*values), message) is not None


class Run(NamedTuple):
    """The result of a command."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


def run(*arguments: object) -> Run:
    """Run a command such as `run("check", path)` in this process. Errors that the command does not handle are raised."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Run(result.exit_code, result.stdout, result.stderr)


def succeed(*arguments: object) -> Run:
    """Run a command and check that its exit code is 0."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def until(condition: Callable[[], bool], message: str, *, pid: int | None = None) -> None:
    """Wait until `condition` is true. Fail with `message` after `PATIENCE` seconds, or if the process `pid` ends earlier."""
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert pid is None or not os.waitpid(pid, os.WNOHANG)[0], f"the process ended: {message}"
        assert time.monotonic() < limit, f"after {PATIENCE} s: {message}"
        time.sleep(0.002)


def tiny_rows(documents: int = 60, per_document: int = 10, seed: int = 0) -> list[dict[str, Any]]:
    """Create labelled sentences. Each cue word in a sentence gives it a label."""
    draw = random.Random(seed)
    rows: list[dict[str, Any]] = []
    for document in range(documents):
        for index in range(per_document):
            labels = [label for label in CUES if draw.random() < 0.35]
            words = draw.choices(FILLERS, k=draw.randint(3, 20)) + [CUES[label] for label in labels]
            draw.shuffle(words)
            rows.append(
                {
                    "id": f"d{document}.{index}",
                    "document": f"d{document}",
                    "index": index,
                    "language": ("en", "fr")[document % 2],
                    "text": " ".join(words) + f" {document * per_document + index}",
                    "labels": labels,
                    "sampling": "random" if index % 2 else "enriched",
                }
            )
    return rows


def write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def predictions(path: Path, documents: int = 40, per_document: int = 10, seed: int = 0) -> Path:
    """Write predictions as `communique label -o` does. Probabilities are calibrated and similar within a document."""
    draw = np.random.default_rng(seed)
    rows = []
    for document in range(documents):
        lean = draw.normal(size=3)
        for index in range(per_document if document else 3 * per_document):
            p = 1 / (1 + np.exp(-(lean + 1.5 * draw.normal(size=3) - 1)))
            rows.append(
                {
                    "id": f"d{document}:{index}",
                    "document": f"d{document}",
                    "index": index,
                    "language": ("en", "fr", "ar")[document % 3],
                    "text": f"Sentence {index} of document {document}.",
                    "labels": [name for name, value in zip(CUES, p, strict=True) if value > 0.5],
                    "probabilities": dict(zip(CUES, p.tolist(), strict=True)),
                    "truncated": False,
                    "country": ("FR", "DE")[document % 2],
                    "year": 2020 + document % 4,
                }
            )
    return write_rows(path, rows)


class NumbersAsTexts:
    """Turn the rows of numbers in scikit-learn's checks into texts for an estimator."""

    def predict(self, X: Any) -> NDArray[Any]:
        return super().predict(written(X))  # type: ignore[misc, no-any-return]

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        return super().predict_proba(written(X))  # type: ignore[misc, no-any-return]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.two_d_array, tags.input_tags.one_d_array = True, False
        return tags


def written(X: Any) -> Any:
    if hasattr(X, "tocsr"):
        return X
    rows = np.asarray(X)
    return [" ".join(map(str, row)) for row in rows.reshape(len(rows), -1).tolist()]
