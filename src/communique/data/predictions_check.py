"""Check a table of predictions that another program made, before people code a sample of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..io.read import cell, open_table
from ..io.recognise import Encoding
from ..io.tables import Problem, Row
from ..reporting.format import counted
from ..text.language import UNDETERMINED
from ..text.language_codes import normalize_language
from .codebook import Codebook
from .predictions import PredictionReader, is_predicted, probability_names
from .predictions_schema import ERROR, OPTIONAL, OUTPUT, OUTPUT_LABELS, PREFIX
from .reader import find_column

#: Columns that every table of predictions needs. `communique estimate` can do without the last two if a codebook is named.
REQUIRED = ("id", OUTPUT_LABELS, "document", "text")

#: Columns with a meaning, in addition to those of the output. All others can define groups.
_OTHER = (*OPTIONAL, ERROR, "previous", "source", "input_index")


@dataclass
class PredictionsCheck:
    """What a table of predictions contains, and what is wrong with it.

    Attributes:
        path: The file.
        names: Names of the labels.
        rows: Number of rows with predictions.
        unlabelled: Number of rows without a text or without predictions.
        labels: Number of rows per label.
        none: Number of rows without a label.
        without_probabilities: Number of rows that have labels but no probabilities.
        documents: Number of rows per document.
        languages: Number of rows per language.
        groups: Columns that can define groups.
        problems: What must be corrected, one line each.
        notes: What was assumed, or looks odd.
    """

    path: Path
    names: tuple[str, ...] = ()
    rows: int = 0
    unlabelled: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    none: int = 0
    without_probabilities: int = 0
    documents: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    groups: tuple[str, ...] = ()
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def describe(self) -> list[str]:
        """Return the counts, one line each."""
        sizes = sorted(self.documents.values())
        given = ", ".join(f"{name} {self.labels[name]:,}" for name in self.names)
        lines = [
            f"{counted(self.rows, 'row')} with predictions in {counted(len(sizes), 'document')}, {self.unlabelled:,} without",
            f"label: {given or 'no labels'}; none {self.none:,}",
            f"language: {', '.join(f'{name} {n:,}' for name, n in self.languages.most_common()) or 'no rows'}",
        ]
        if sizes:
            lines.append(f"rows per document: {sizes[0]:,} to {sizes[-1]:,}, median {sizes[len(sizes) // 2]:,}")
        lines.append(f"columns that can define groups (--by): {', '.join(self.groups) or 'no columns'}")
        return lines

    def next_commands(self, codebook: str) -> str:
        """Return the commands that lead from these predictions to an estimate.

        Args:
            codebook: Path of the codebook.
        """
        book = f"--codebook {codebook}"
        return (
            f"communique sample {self.path} -n {min(self.rows, 300)} {book} -o sheet.xlsx. When the sheet is coded: communique "
            f"agree sheet.xlsx --gold gold.csv, and communique estimate {self.path} gold.csv {book}"
        )


def check_predictions(
    path: str | Path, codebook: Codebook | None = None, *, encoding: str | None = None, sheet: str | None = None
) -> PredictionsCheck:
    """Read a table of predictions and list everything that `communique sample`, `agree --model` or `estimate` would refuse.

    Args:
        path: The table. docs/guides/predictions.md describes its columns.
        codebook: The labels. Default: the labels that have probabilities.
        encoding: Encoding of a text file. Default: recognised from the file.
        sheet: Sheet of a workbook, by name or by number from 1. Default: the first visible one.

    Raises:
        DataError: The file as a whole cannot be read.
    """
    checker = _Checker(Path(path), codebook)
    with open_table(path, encoding=Encoding.chosen(encoding), sheet=sheet) as stream:
        columns = dict.fromkeys(stream.columns)
        for chunk in stream.chunks:
            if isinstance(chunk, Problem):
                checker.found.problems.append(chunk.reason)
                continue
            rows = chunk.to_rows()
            columns.update(dict.fromkeys(name for row in rows for name in row))
            for number, row in zip(chunk.numbers, rows, strict=True):
                checker.add(number, row)
    checker.found.notes[:0] = stream.notes
    return checker.finish(list(columns))


class _Checker:
    """Collect the counts and problems of rows."""

    def __init__(self, path: Path, codebook: Codebook | None) -> None:
        self.found, self.codebook = PredictionsCheck(path), codebook
        self.reader = PredictionReader(codebook)
        self.first: dict[str, int] = {}
        self.decided: list[tuple[list[bool], list[float]]] = []
        # Rows without probabilities. They belong to the population only if no row has probabilities.
        self.bare: list[tuple[int, list[bool], Row]] = []
        self.bad_languages: Counter[str] = Counter()
        self.without_document = 0

    def add(self, number: int, row: Row) -> None:
        """Count a row, or add what is wrong with it."""
        found, where = self.found, f"{self.found.path}, row {number}"
        if ("text" in row and cell(row, "text") is None) or not is_predicted(row):
            found.unlabelled += 1
            return
        identity = cell(row, "id")
        if identity is None and "id" in row:
            found.problems.append(f"{where}: the id is missing. Give each row a different id")
        elif identity is not None and (other := self.first.setdefault(identity, number)) != number:
            found.problems.append(
                f"{where}: id {identity!r} is also the id of row {other}. Give each row a different id"
            )
        try:
            given, probabilities = self.reader.read(row, number)
        except ValueError as error:
            found.problems.append(f"{where}: {error}")
            return
        if probabilities is None:
            self.bare.append(
                (number, given, {name: row.get(name) for name in ("id", "document", "source", "language")})
            )
            return
        self.decided.append((given, probabilities))
        self._count(number, given, row)

    def _count(self, number: int, given: list[bool], row: Row) -> None:
        """Count a row of the population."""
        found, identity = self.found, cell(row, "id")
        found.rows += 1
        found.none += not any(given)
        found.labels.update(name for name, yes in zip(self.reader.names, given, strict=True) if yes)
        document = cell(row, "document")
        self.without_document += document is None
        found.documents[f"{cell(row, 'source') or ''}\x1f{document or identity or number}"] += 1
        found.languages[self._language(row)] += 1

    def _language(self, row: Row) -> str:
        given = cell(row, "language")
        try:
            return UNDETERMINED if given is None else normalize_language(given)
        except ValueError as error:
            self.bad_languages[str(error)] += 1
            return str(given)

    def finish(self, columns: Sequence[str]) -> PredictionsCheck:
        """Check the columns, and complete the result."""
        found = self.found
        found.names = self.reader.names
        self._check_columns(columns)
        found.without_probabilities = len(self.bare)
        if not self.decided:
            for number, given, row in self.bare:
                self._count(number, given, row)
        total = found.rows
        if total and found.without_probabilities == total:
            found.notes.append(
                "There are no probabilities. Labels count as 0 or 1, which is valid but gives wider intervals. --strata "
                "uncertainty, --allocation optimal and --for training need probabilities"
            )
        elif found.without_probabilities:
            found.notes.append(
                f"{counted(found.without_probabilities, 'row has', 'rows have')} no probabilities. Because other rows have some, "
                "these rows are left out of samples and estimates"
            )
            found.unlabelled += found.without_probabilities
        if found.unlabelled:
            found.notes.append(
                f"{counted(found.unlabelled, 'row is', 'rows are')} not part of the population: no text, or no predictions. Where "
                "no label applies, write 'none' into an empty cell of labels"
            )
        if self.without_document and "document" in columns:
            found.notes.append(
                f"{counted(self.without_document, 'row has', 'rows have')} no document. Each such row counts as a separate document"
            )
        found.notes += [f"{error} ({counted(n, 'row')})" for error, n in self.bad_languages.items()]
        found.notes += self.reader.notes(found.path)
        found.notes += _contradictions(found.names, self.decided)
        if not total and not found.problems:
            found.problems.append(f"{found.path}: no row has predictions. Use a table with labels or probabilities")
        return found

    def _check_columns(self, columns: Sequence[str]) -> None:
        found = self.found
        for name in REQUIRED:
            if name in columns:
                continue
            other = find_column(columns, name)
            rename = f"Rename {other!r}" if other else "Add it"
            found.problems.append(
                f"{found.path}: there is no column {name!r}. {rename}. The columns are: {', '.join(columns)}"
            )
        with_probability = probability_names(dict.fromkeys(columns))
        if self.codebook is None and not found.names and not with_probability:
            found.problems.append(
                f"{found.path}: there are no columns {PREFIX}LABEL, so the labels are not known. Name the codebook with --codebook"
            )
        if self.codebook is not None and with_probability:
            if strange := [name for name in with_probability if name not in self.codebook.names]:
                found.notes.append(
                    f"not read, because the codebook {self.codebook.name} has no such label: "
                    f"{', '.join(repr(PREFIX + name) for name in strange)}"
                )
            if lacking := [name for name in self.codebook.names if name not in with_probability]:
                found.problems.append(
                    f"{found.path}: there is no column {PREFIX + lacking[0]!r}, although other labels have a probability. Add a "
                    f"probability for {', '.join(lacking)}, or delete all columns {PREFIX}LABEL"
                )
        known = {*OUTPUT, *_OTHER}
        found.groups = tuple(
            name for name in columns if name == "language" or (name not in known and not name.startswith(PREFIX))
        )


def _contradictions(names: Sequence[str], decided: Iterable[tuple[list[bool], list[float]]]) -> list[str]:
    """Return notes on labels whose decisions follow from no threshold on the probability.

    This is no error: the labels of a chat model and the probabilities that it reports are separate answers.
    """
    rows = list(decided)
    if not rows:
        return []
    labels = np.array([labels for labels, _ in rows], np.bool_)
    probabilities = np.array([p for _, p in rows], np.float64)
    # If exactly one label applies, it is the most probable one, and there are no thresholds.
    if (labels.sum(axis=1) == 1).all() and (labels.argmax(axis=1) == probabilities.argmax(axis=1)).all():
        return []
    notes = []
    for i, name in enumerate(names):
        if wrong := _outside_threshold(labels[:, i], probabilities[:, i]):
            notes.append(
                f"label {name!r} contradicts the probabilities in {counted(wrong, 'row')}, whichever threshold is used. Estimates "
                "are valid, because they compare both with gold, but check how labels and probabilities were made"
            )
    return notes


def _outside_threshold(given: NDArray[np.bool_], p: NDArray[np.float64]) -> int:
    """Return the smallest number of rows that a threshold on the probability decides differently from the labels.

    Args:
        given: Whether the label was assigned, (n,).
        p: Probabilities, (n,).
    """
    order = np.argsort(p, kind="stable")
    given, p = given[order], p[order]
    # With a threshold above the first k rows, rows with the label among them and rows without it after them are contradictions.
    below = np.concatenate([[0], np.cumsum(given)])
    above = np.concatenate([[0], np.cumsum(~given)])
    wrong = below + (above[-1] - above)
    # A threshold cannot separate rows with the same probability.
    possible = np.concatenate([[True], p[1:] != p[:-1], [True]])
    return int(wrong[possible].min())
