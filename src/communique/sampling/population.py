"""The population that a sample is drawn from: the rows that `communique label` wrote."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..statements import UNDETERMINED, Statement, text_sha256
from ..tables import Row, read_table

#: What a column of probabilities in a CSV begins with.
PREFIX = "probability_"


@dataclass(frozen=True)
class Population:
    """Labelled sentences in the order of their file.

    `decisions` and `probabilities` are (n, k) in the order of `names`; `rows` holds each row's columns as read. Rows that
    were not labelled, for want of a text or for a fault, are no part of the population; `unlabelled` counts them.
    """

    path: Path
    sha256: str
    names: tuple[str, ...]
    statements: tuple[Statement, ...]
    decisions: NDArray[np.bool_]
    probabilities: NDArray[np.float64]
    rows: tuple[Row, ...]
    unlabelled: int

    def __len__(self) -> int:
        return len(self.statements)

    @cached_property
    def documents(self) -> NDArray[np.int64]:
        """A number for each row's document, in order of appearance; documents of two sources are two, as in a corpus."""
        sources = (str(row.get("source") or "") for row in self.rows)
        return codes([(source, s.document) for source, s in zip(sources, self.statements, strict=True)])

    def column(self, name: str) -> list[str]:
        """Give a column as text; an empty cell is the empty string.

        Raises:
            DataError: There is no such column.
        """
        if not any(name in row for row in self.rows):
            known = ", ".join(dict.fromkeys(key for row in self.rows[:1000] for key in row))
            raise DataError(f"{self.path}: no column {name!r} to group by; columns: {known}")
        values = [row.get(name) for row in self.rows]
        return ["" if value is None else str(value).strip() for value in values]

    def predicted(self, row: int) -> tuple[str, ...]:
        """Give the model's labels of a row."""
        return tuple(name for name, given in zip(self.names, self.decisions[row], strict=True) if given)


def codes(values: Sequence[Hashable]) -> NDArray[np.int64]:
    """Number values in order of appearance."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], np.int64)


def read_population(path: str | Path) -> Population:
    """Read what `communique label -o` wrote (JSON Lines, CSV or Parquet).

    Raises:
        DataError: Rows are at fault; a column is missing; two rows share an id.
    """
    path = Path(path)
    table = read_table(path)
    problems = list(table.problems)
    missing = [name for name in ("id", "document", "text", "labels") if name not in table.columns]
    names = _names(table.columns, [row for _, row in table.rows])
    if missing or not names:
        what = missing or ["probabilities"]
        raise DataError(
            f"{path}: no column {what[0]!r}; give a file that `communique label -o` wrote; "
            f"columns: {', '.join(table.columns)}"
        )
    seen: dict[str, int] = {}
    statements, decisions, probabilities, rows = [], [], [], []
    unlabelled = 0
    previous: tuple[str, int, str] | None = None
    for number, row in table.rows:
        text = str(row["text"] or "").strip()
        if not text or not labelled(row):
            unlabelled += 1
            continue
        try:
            given = _labels(row["labels"], names)
            p = _probabilities(row, names)
            index = int(row.get("index") or 0)
        except ValueError as error:
            problems.append(f"{path}, row {number}: {error}")
            continue
        identity, document = str(row["id"]), str(row["document"])
        if (other := seen.setdefault(identity, number)) != number:
            problems.append(
                f"{path}, row {number}: id {identity!r} is also that of row {other}; coded rows are matched by id, "
                "so ids must differ: rename one and label again"
            )
        before = previous[2] if previous and previous[:2] == (document, index - 1) else None
        previous = (document, index, text)
        language = str(row.get("language") or UNDETERMINED)
        statements.append(Statement(identity, text, document, index, language, before))
        decisions.append([name in given for name in names])
        probabilities.append(p)
        rows.append(row)
    if problems:
        raise DataError(*problems)
    if not statements:
        raise DataError(f"{path}: no row with a text; give a file that `communique label -o` wrote")
    return Population(
        path,
        hashlib.sha256(path.read_bytes()).hexdigest(),
        tuple(names),
        tuple(statements),
        np.array(decisions, np.bool_),
        np.array(probabilities, np.float64),
        tuple(rows),
        unlabelled,
    )


def _names(columns: Sequence[str], rows: Sequence[Row]) -> list[str]:
    if "probabilities" in columns:
        return list(next((row["probabilities"] for row in rows if isinstance(row.get("probabilities"), dict)), {}))
    return [column.removeprefix(PREFIX) for column in columns if column.startswith(PREFIX)]


def labelled(row: Row) -> bool:
    """Tell rows that were labelled from those whose probabilities are empty: no text, or one that could not be read."""
    nested = row.get("probabilities")
    values = nested.values() if isinstance(nested, dict) else (v for k, v in row.items() if k.startswith(PREFIX))
    return any(value not in (None, "") for value in values)


def _labels(value: Any, names: Sequence[str]) -> list[str]:
    given = value.split("|") if isinstance(value, str) else list(value or ())
    given = [name for name in given if name]
    if unknown := [name for name in given if name not in names]:
        raise ValueError(f"label {unknown[0]!r} has no probability; the labels with one are {', '.join(names)}")
    return given


def _probabilities(row: Row, names: Sequence[str]) -> list[float]:
    nested = row.get("probabilities")
    values: Row = nested if isinstance(nested, dict) else {name: row.get(PREFIX + name) for name in names}
    try:
        p = [float(values[name]) for name in names]
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"probabilities {values!r}; a number is needed for each of {', '.join(names)}") from None
    if not all(0 <= value <= 1 for value in p):
        raise ValueError(f"probabilities {values!r}; allowed: 0 to 1")
    return p


def shown_sha256(text: str) -> str:
    """Hash a text as coders see it: without the control characters that spreadsheets cannot hold."""
    return text_sha256(visible(text))


def visible(text: str) -> str:
    """Drop the control characters that XML, and so an XLSX cell, cannot hold; those that are white space become one."""
    return "".join(c if c >= " " or c in "\t\n\r" else " " if c.isspace() else "" for c in text)
