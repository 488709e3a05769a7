"""Read predictions and gold, join them, and refuse gold that cannot carry an estimate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..annotation.tasks import ADJUDICATION, check_coders
from ..data.codebook import Codebook, other_codebooks
from ..data.labels import read_answers, split_labels
from ..data.leakage import Fingerprint
from ..data.reader import find_column
from ..data.sentence import Sentence, text_sha256
from ..errors import DataError, LeakError
from ..io.atomic import file_sha256
from ..io.read import Table, as_number, cell, read_table
from ..io.tables import Row
from ..sampling.design import Design
from ..sampling.population import Column, Population, read_population
from .completeness import Missing, checked
from .sample import BoolArray, FloatArray, Sample

if TYPE_CHECKING:
    import pyarrow as pa

#: Allowed values of the gold's column `sampling`; rows drawn for training are known by it, and refused.
SAMPLINGS = ("simple", "stratified", "two-stage")

PROBABILITY = "inclusion_probability"


@dataclass(frozen=True)
class EstimationData:
    """Predictions of N sentences, and gold of n of them.

    Attributes:
        labels: The k labels' names in the codebook's order.
        ids: Of the sentences, an Arrow array of text (N,).
        documents: Names of the documents, by their number in `sample.documents`.
        predicted, prediction: The model's decisions and probabilities, (N, k). Without probabilities both are the decisions.
        columns: The predictions' own columns that were asked for.
        sample: The design.
        y: Gold labels, (n, k).
        sampling: How many gold rows were drawn how.
        coders: Names in the gold's column `coder`.
        files: SHA-256 of both files.
        notes: What was assumed.
    """

    labels: tuple[str, ...]
    ids: pa.StringArray
    documents: tuple[str, ...]
    predicted: BoolArray
    prediction: FloatArray
    columns: Mapping[str, Column]
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
    design: Design | None = None,
    missing: Missing = "refuse",
) -> EstimationData:
    """Read predictions and gold and join them by id.

    Args:
        predictions: What `communique label -o` wrote.
        gold: A table with `id`, `labels` (or one column a label) and `inclusion_probability`; `text` or `sha256`,
            `sampling`, `stratum`, `coder` and `purpose` where known.
        codebook: The labels.
        columns: Columns of the predictions that define groups.
        trained_on: Hashes of what trained and tuned the model.
        design: How the sample was drawn, which tells exactly what the gold lacks.
        missing: What is done where drawn sentences are missing in the gold, see `completeness`.

    Raises:
        DataError: Rows are at fault; the message says which, why, and what to do.
        LeakError: Gold rows trained or tuned the model.
    """
    table = read_table(gold)
    if table.problems:
        raise DataError(*table.problems)
    rows = _gold_rows(table, codebook)
    population = read_population(predictions, codebook, columns=columns, keep={row["id"] for _, row in rows})
    _refuse_empty(population)
    position = _positions(population, {row["id"] for _, row in rows})
    _refuse(
        table,
        [number for number, row in rows if row["id"] not in position],
        f"ids that {predictions} does not hold",
        "give the predictions that the gold was drawn from",
    )
    # A cell names every coder who agreed (anna|bob), or marks an adjudicated row; adjudication is not another coder.
    named = {name.strip() for _, row in rows for name in (cell(row, "coder") or "").split("|")}
    check_coders(named, str(gold))
    coders = tuple(sorted(named - {"", ADJUDICATION}))
    rows = _one_each(table, rows)
    places = [position[row["id"]] for _, row in rows]
    sentences = [population.sentence(i) for i in places]
    _refuse(
        table,
        [n for (n, row), s in zip(rows, sentences, strict=True) if (h := _hash(row)) and s.text and h != s.sha256],
        f"another text than the same id has in {predictions}",
        "give the predictions that the gold was drawn from, or correct the ids",
    )
    notes = [*population.notes, *other_codebooks(str(gold), (row for _, row in table.rows), codebook)]
    if population.unlabelled:
        notes.append(f"{predictions}: {population.unlabelled} rows were not labelled and are no part of the population")
    if population.n_without_probabilities:
        notes.append(
            f"{predictions}: no probabilities; the labels of {population.n_without_probabilities} rows count as 0 or 1"
        )
    if trained_on is not None:
        _check_leak(table, rows, sentences, trained_on)
        if blind := sum(not (_hash(row) or s.text) for (_, row), s in zip(rows, sentences, strict=True)):
            unchecked = f"warning: {gold}: {blind} rows without text or sha256, here and in the predictions; whether the model was "
            notes.append(f"{unchecked}trained on these sentences cannot be checked")
    strata = {name: i for i, name in enumerate(sorted({_stratum(row) for _, row in rows}))}
    sampling = Counter(_word(row, "sampling") or "simple" for _, row in rows)
    notes += table.notes
    if "sampling" not in table.columns:
        notes.append(f"{gold}: no column 'sampling'; the rows count as drawn singly ('simple')")
    probability, told = checked(
        gold,
        [row["id"] for _, row in rows],
        np.array([as_number(row[PROBABILITY]) for _, row in rows]),
        len(population),
        two_stage="two-stage" in sampling,
        design=design,
        missing=missing,
    )
    return EstimationData(
        labels=codebook.names,
        ids=population.ids,
        documents=population.document_names,
        predicted=population.decisions,
        prediction=population.probabilities,
        columns={name: population.columns[name] for name in columns},
        sample=Sample(
            population.documents,
            np.array(places, np.int64),
            probability,
            np.array([strata[_stratum(row)] for _, row in rows], np.int64),
            two_stage="two-stage" in sampling,
        ),
        y=np.array([[name in row["labels"] for name in codebook.names] for _, row in rows], np.bool_),
        sampling=dict(sampling),
        coders=coders,
        files={
            str(predictions): population.sha256,
            str(gold): file_sha256(Path(gold)),
        },
        notes=(*notes, *told),
    )


def _positions(population: Population, wanted: set[str]) -> dict[str, int]:
    """Find rows by id."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = pc.indices_nonzero(pc.is_in(population.ids, value_set=pa.array(sorted(wanted), population.ids.type)))
    return dict(zip(population.ids.take(rows).to_pylist(), rows.to_pylist(), strict=True))


def _refuse_empty(population: Population) -> None:
    for name, column in population.columns.items():
        if "" in column.levels:
            numbers = population.numbers[column.codes == column.levels.index("")]
            rows = f"row {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} rows (first: row {numbers[0]})"
            raise DataError(
                f"{population.path}: {rows}: no value in column {name!r}; fill it, or leave those rows out before the gold is drawn"
            )


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
                "not coded. Write its labels as a|b, or 'none' if no label applies; leaving out drawn rows biases the estimate"
            )
        return codebook.validate_labels(split_labels(row[column], codebook))
    for name in codebook.names:
        if name not in table.columns:
            raise ValueError(
                f"no column 'labels' and no column {name!r}. Add a column 'labels' (a|b), or one per label"
            )
    answers = read_answers(row, {name: name for name in codebook.names})
    # An empty cell is an error, because gold must say what people decided about every drawn row.
    if (empty := next((name for name, answer in answers.items() if answer is None), None)) is not None:
        raise ValueError(f"column {empty!r}: empty. Write yes or no; leaving out drawn rows biases the estimate")
    return codebook.validate_labels(name for name, answer in answers.items() if answer)


def _one_each(table: Table, rows: list[tuple[int, Row]]) -> list[tuple[int, Row]]:
    """Keep one row an id; disagreements must be adjudicated first."""
    first: dict[str, tuple[int, Row]] = {}
    differing = []
    for number, row in rows:
        known = first.setdefault(row["id"], (number, row))[1]
        if known["labels"] != row["labels"] or as_number(known[PROBABILITY]) != as_number(row[PROBABILITY]):
            differing.append(number)
    _refuse(
        table,
        differing,
        "other labels or another inclusion probability than an earlier row of the same id",
        "adjudicate the coders' disagreements (`communique agree` lists them) and give one row a sentence",
    )
    return list(first.values())


def _check_leak(table: Table, rows: list[tuple[int, Row]], sentences: list[Sentence], trained_on: Fingerprint) -> None:
    shared = [
        number
        for (number, row), sentence in zip(rows, sentences, strict=True)
        if trained_on.overlap(sentence) or ((sha256 := _hash(row)) and trained_on.has_text(sha256))
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
        return 0 < as_number(value) <= 1
    except (TypeError, ValueError):
        return False


def _hash(row: Row) -> str | None:
    if given := cell(row, "sha256"):
        return given.lower()
    text = cell(row, "text")
    return text_sha256(text) if text else None
