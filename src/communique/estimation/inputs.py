"""Read predictions and gold, join them, and refuse gold that cannot carry an estimate."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..codebook import Codebook
from ..coding.records import SETTLEMENT
from ..corpus import SHORT, Fingerprint, find_column, split_labels
from ..errors import DataError, LeakError
from ..sampling.population import PREFIX, labelled
from ..statements import Statement, text_sha256
from ..tables import Row, Table, cell, read_table
from .design import BoolArray, FloatArray, IntArray, Sample

#: Allowed values of the gold's column `sampling`; rows drawn for training are known by it, and refused.
SAMPLINGS = ("simple", "stratified", "two-stage")

PROBABILITY = "inclusion_probability"

_TRUE, _FALSE = {"1", "1.0", "true", "yes", "y", "x", "✓"}, {"0", "0.0", "false", "no", "n", "-"}


@dataclass(frozen=True)
class Coded:
    """Predictions of N sentences, and gold of n of them.

    Attributes:
        labels: The k labels' names in the codebook's order.
        ids, documents: Of the sentences, (N,).
        guess, prediction: The model's decisions and probabilities, (N, k). Without probabilities both are the decisions.
        columns: The predictions' own columns that were asked for, (N,) each; None where empty.
        sample: The design.
        y: Gold labels, (n, k).
        sampling: How many gold rows were drawn how.
        coders: Names in the gold's column `coder`.
        files: SHA-256 of both files.
        notes: What was assumed.
    """

    labels: tuple[str, ...]
    ids: tuple[str, ...]
    documents: tuple[str, ...]
    guess: BoolArray
    prediction: FloatArray
    columns: Mapping[str, tuple[str, ...]]
    sample: Sample
    y: BoolArray
    sampling: Mapping[str, int]
    coders: tuple[str, ...]
    files: Mapping[str, str]
    notes: tuple[str, ...]


def read(
    predictions: str | Path,
    gold: str | Path,
    codebook: Codebook,
    *,
    columns: Sequence[str] = (),
    trained_on: Fingerprint | None = None,
) -> Coded:
    """Read predictions and gold and join them by id.

    Args:
        predictions: What `communique label -o` wrote.
        gold: A table with `id`, `labels` (or one column a label) and `inclusion_probability`; `text` or `sha256`,
            `sampling`, `stratum`, `coder` and `purpose` where known.
        codebook: The labels.
        columns: Columns of the predictions that define groups.
        trained_on: Hashes of what trained and tuned the model.

    Raises:
        DataError: Rows are at fault; the message says which, why, and what to do.
        LeakError: Gold rows trained or tuned the model.
    """
    population = _Population(read_table(predictions), codebook, columns)
    table = read_table(gold)
    if table.problems:
        raise DataError(*table.problems)
    rows = _gold_rows(table, codebook)
    position = {id: i for i, id in enumerate(population.ids)}
    _refuse(
        table,
        [number for number, row in rows if str(row["id"]) not in position],
        f"ids that {predictions} does not hold",
        "give the predictions that the gold was drawn from",
    )
    # A cell names all who agreed (anna|bob), or says that their difference was settled; a settlement is no further coder.
    named = {name.strip() for _, row in rows for name in (cell(row, "coder") or "").split("|")}
    coders = tuple(sorted(named - {"", SETTLEMENT}))
    rows = _one_each(table, rows)
    places = [position[str(row["id"])] for _, row in rows]
    statements = [population.statement(i) for i in places]
    _refuse(
        table,
        [n for (n, row), s in zip(rows, statements, strict=True) if (h := _hash(row)) and s.text and h != s.sha256],
        f"another text than the same id has in {predictions}",
        "give the predictions that the gold was drawn from, or correct the ids",
    )
    if trained_on is not None:
        _check_leak(table, rows, statements, trained_on)
        if blind := sum(not (_hash(row) or s.text) for (_, row), s in zip(rows, statements, strict=True)):
            unchecked = f"warning: {gold}: {blind} rows without text or sha256, here and in the predictions; whether the model was "
            population.notes.append(f"{unchecked}trained on these sentences cannot be checked")
    probability = np.array([float(row[PROBABILITY]) for _, row in rows])
    strata = {name: i for i, name in enumerate(sorted({_stratum(row) for _, row in rows}))}
    sampling = Counter(_word(row, "sampling") or "simple" for _, row in rows)
    notes = [*population.notes, *table.notes]
    if "sampling" not in table.columns:
        notes.append(f"{gold}: no column 'sampling'; the rows count as drawn singly ('simple')")
    size = len(population.ids)
    if abs((1 / probability).sum() - size) > max(0.1 * size, 4 * float(np.sqrt((1 / probability**2).sum()))):
        notes.append(
            f"warning: {gold}: the inverse inclusion probabilities add up to {(1 / probability).sum():.0f}, the predictions have "
            f"{size} rows; give all rows that were drawn, and the predictions they were drawn from"
        )
    return Coded(
        labels=codebook.names,
        ids=tuple(population.ids),
        documents=tuple(population.documents),
        guess=population.guess,
        prediction=population.prediction,
        columns=population.values,
        sample=Sample(
            population.codes,
            np.array(places, np.int64),
            probability,
            np.array([strata[_stratum(row)] for _, row in rows], np.int64),
            two_stage="two-stage" in sampling,
        ),
        y=np.array([[name in row["labels"] for name in codebook.names] for _, row in rows], np.bool_),
        sampling=dict(sampling),
        coders=coders,
        files={str(path): hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in (predictions, gold)},
        notes=tuple(notes),
    )


class _Population:
    """The sentences of a table of predictions, column by column."""

    def __init__(self, table: Table, codebook: Codebook, columns: Sequence[str]) -> None:
        if table.problems:
            raise DataError(*table.problems)
        missing = [name for name in ("id", "labels", *columns) if name not in table.columns]
        if missing:
            raise DataError(
                f"{table.path}: no column {missing[0]!r}; columns: {', '.join(table.columns)}; give what `communique label -o` "
                "wrote, with the columns that define groups"
            )
        self.table, self.notes = table, list(table.notes)
        # Rows that `communique sample` cannot draw are no part of the population here either: those without text, and, where
        # the model gave probabilities, those without any (nothing to read, or a fault).
        given = any(labelled(row) for _, row in table.rows)
        self.rows = [
            (n, row)
            for n, row in table.rows
            if ("text" not in table.columns or cell(row, "text")) and (labelled(row) or not given)
        ]
        if len(self.rows) < len(table.rows):
            left_out = len(table.rows) - len(self.rows)
            self.notes.append(f"{table.path}: {left_out} rows were not labelled and are no part of the population")
        if not self.rows:
            raise DataError(f"{table.path}: no rows; give what `communique label -o` wrote")
        self.ids = [str(row["id"]) for _, row in self.rows]
        if len(set(self.ids)) < len(self.ids):
            repeated = Counter(self.ids).most_common(1)[0][0]
            raise DataError(f"{table.path}: the id {repeated!r} appears twice; ids must differ, rename one")
        if "document" not in table.columns:
            self.notes.append(f"{table.path}: no column 'document'; each row counts as a document of its own")
        self.documents = [cell(row, "document") or id for id, (_, row) in zip(self.ids, self.rows, strict=True)]
        # Two sources may name documents alike, as in `Corpus.documents`.
        keys = [(cell(row, "source"), name) for name, (_, row) in zip(self.documents, self.rows, strict=True)]
        codes = {key: i for i, key in enumerate(dict.fromkeys(keys))}
        self.codes: IntArray = np.array([codes[key] for key in keys], np.int64)
        self.values = {column: self._column(column) for column in columns}
        self.guess, self.prediction = self._labels(codebook)

    def statement(self, i: int) -> Statement:
        """Give a sentence as a statement; its text is empty where the table has none."""
        row = self.rows[i][1]
        return Statement(self.ids[i], cell(row, "text") or "", self.documents[i], source=cell(row, "source"))

    def _column(self, column: str) -> tuple[str, ...]:
        values = [cell(row, column) for _, row in self.rows]
        _refuse(
            self.table,
            [n for (n, _), value in zip(self.rows, values, strict=True) if value is None],
            f"no value in column {column!r}",
            "fill it, or leave those rows out before the gold is drawn",
        )
        return tuple(str(value) for value in values)

    def _labels(self, codebook: Codebook) -> tuple[BoolArray, FloatArray]:
        guess = np.zeros((len(self.rows), len(codebook.names)), np.bool_)
        prediction = np.zeros(guess.shape)
        without = 0
        for i, (number, row) in enumerate(self.rows):
            try:
                labels = codebook.validate_labels(split_labels(row["labels"] or [], codebook))
                given = _probabilities(row, codebook)
            except ValueError as error:
                raise DataError(
                    f"{self.table.path}, row {number}: {error}; if another model labelled it, name its folder with --model or "
                    "its codebook with --codebook"
                ) from None
            guess[i] = [name in labels for name in codebook.names]
            without += given is None
            prediction[i] = guess[i] if given is None else given
        if without:
            self.notes.append(f"{self.table.path}: {without} rows without probabilities; their labels count as 0 or 1")
        return guess, prediction


def _probabilities(row: Row, codebook: Codebook) -> list[float] | None:
    nested = row.get("probabilities")
    given = nested if isinstance(nested, dict) else {}
    values = [given.get(name, row.get(PREFIX + name)) for name in codebook.names]
    if all(value is None or value == "" for value in values):
        return None
    numbers = [float(value) if value not in (None, "") else float("nan") for value in values]
    if not all(0 <= number <= 1 for number in numbers):
        raise ValueError(
            f"probabilities {values}; allowed: a number from 0 to 1 for each of {', '.join(codebook.names)}"
        )
    return numbers


def _refuse(
    table: Table, numbers: Sequence[int], problem: str, remedy: str, error: type[DataError] = DataError
) -> None:
    """Raise one line for all rows that share a problem."""
    if numbers:
        rows = f"row {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} rows (first: row {numbers[0]})"
        raise error(f"{table.path}: {rows}: {problem}; {remedy}")


def _gold_rows(table: Table, codebook: Codebook) -> list[tuple[int, Row]]:
    """Check what gold must have, and turn its labels into tuples."""
    if (id_column := find_column(table.columns, "id")) is None:
        raise DataError(
            f"{table.path}: no column 'id'; columns: {', '.join(table.columns)}; keep the ids of the predictions"
        )
    if not table.rows:
        raise DataError(f"{table.path}: no rows; give the coded sample")
    rows = [(number, {**row, "id": str(row[id_column]).strip()}) for number, row in table.rows]
    _refuse(
        table,
        [n for n, row in rows if "training" in (_word(row, "purpose"), _word(row, "sampling"))],
        "drawn for training (purpose or sampling is 'training')",
        "such rows were picked for what the model gets wrong and are no gold; draw gold with `communique sample`",
    )
    _refuse(
        table,
        [n for n, row in rows if not _known(row.get(PROBABILITY))],
        f"no known inclusion probability (column {PROBABILITY!r}: a number above 0, at most 1)",
        "without it no estimate is unbiased; draw with `communique sample`, which writes it, or write n/N where n of N rows were "
        "drawn with equal chances",
    )
    _refuse(
        table,
        [n for n, row in rows if _word(row, "sampling") not in ("", *SAMPLINGS)],
        f"unknown sampling; allowed: {', '.join(SAMPLINGS)}",
        "write how the row was drawn",
    )
    if len(kinds := {_word(row, "sampling") or "simple" for _, row in rows}) > 1 and "two-stage" in kinds:
        raise DataError(
            f"{table.path}: rows drawn singly and rows drawn by document in one gold; give one of the two samples"
        )
    labels_column = find_column(table.columns, "labels")
    for i, (number, row) in enumerate(rows):
        try:
            labels = _labels(row, labels_column, table, codebook)
        except ValueError as error:
            raise DataError(f"{table.path}, row {number}: {error}") from None
        rows[i] = number, {**row, "labels": labels}
    return rows


def _labels(row: Row, column: str | None, table: Table, codebook: Codebook) -> tuple[str, ...]:
    if column is not None:
        if row.get(column) is None:
            raise ValueError(
                "not coded; write its labels as a|b, or 'none' where none applies: a drawn row that is left out biases"
            )
        return codebook.validate_labels(split_labels(row[column], codebook))
    chosen = []
    for name in codebook.names:
        if name not in table.columns:
            raise ValueError(f"no column 'labels' and none {name!r}; give labels (a|b), or one column a label")
        value = str(row[name]).strip().lower()
        if value not in _TRUE | _FALSE:
            raise ValueError(f"column {name!r}: {row[name]!r}; allowed: 1, 0, TRUE, FALSE, yes, no")
        chosen += [name] if value in _TRUE else []
    return codebook.validate_labels(chosen)


def _one_each(table: Table, rows: list[tuple[int, Row]]) -> list[tuple[int, Row]]:
    """Keep one row an id; coders who disagree must be settled first."""
    first: dict[str, tuple[int, Row]] = {}
    differing = []
    for number, row in rows:
        known = first.setdefault(row["id"], (number, row))[1]
        if known["labels"] != row["labels"] or float(known[PROBABILITY]) != float(row[PROBABILITY]):
            differing.append(number)
    _refuse(
        table,
        differing,
        "other labels or another inclusion probability than an earlier row of the same id",
        "settle the coders' disagreements (`communique agree` lists them) and give one row a sentence",
    )
    return list(first.values())


def _check_leak(
    table: Table, rows: list[tuple[int, Row]], statements: list[Statement], trained_on: Fingerprint
) -> None:
    shared = [
        number
        for (number, row), statement in zip(rows, statements, strict=True)
        if trained_on.shares(statement) or (_hash(row) or "")[:SHORT] in trained_on.texts
    ]
    _refuse(
        table,
        shared,
        "the model was trained or tuned on their sentence or document",
        "its errors there are fewer than elsewhere; leave all sentences that it was trained on out of predictions and gold alike, "
        "or draw gold from documents that the model has not seen",
        LeakError,
    )


def _word(row: Row, column: str) -> str:
    return (cell(row, column) or "").lower()


def _stratum(row: Row) -> str:
    return cell(row, "stratum") or ""


def _known(value: Any) -> bool:
    try:
        return 0 < float(value) <= 1
    except (TypeError, ValueError):
        return False


def _hash(row: Row) -> str | None:
    if given := cell(row, "sha256"):
        return given.lower()
    text = cell(row, "text")
    return text_sha256(text) if text else None
