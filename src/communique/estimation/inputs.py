"""Read predictions and gold, join them, and reject gold that cannot support an estimate."""

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
from ..data.predictions import DecimalCommas
from ..data.predictions_schema import refuse_predictions
from ..data.reader import find_column
from ..data.sentence import Sentence, text_sha256
from ..errors import DataError, LeakError
from ..io.atomic import file_sha256
from ..io.read import Table, as_number, cell, read_table
from ..io.tables import Row
from ..reporting.format import counted
from ..sampling.design import Design
from ..sampling.frame import LeftOut
from ..sampling.population import MISSING_GROUP, Column, Population, column_of, read_population
from .completeness import Missing, checked
from .sample import BoolArray, FloatArray, Sample

if TYPE_CHECKING:
    import pyarrow as pa

#: Allowed values in the column `sampling` of the gold. Rows that were drawn for training have another value and are rejected.
SAMPLINGS = ("simple", "stratified", "two-stage")

PROBABILITY = "inclusion_probability"

#: Code of sentences without a value in a group column, see `group_column`. Results show them as `MISSING_GROUP`.
NO_VALUE = -1


@dataclass(frozen=True)
class EstimationData:
    """Predictions for N sentences, and gold for n of them.

    Attributes:
        labels: Names of the k labels, in the codebook's order.
        ids: Ids of the sentences, as an Arrow array of text (N,).
        documents: Names of the documents, by their number in `sample.documents`.
        predicted, prediction: The model's decisions and probabilities, (N, k). Without probabilities, both are the decisions.
        columns: The requested extra columns of the predictions. Sentences without a value have the code `NO_VALUE`.
        sample: The gold sample.
        y: Gold labels, (n, k).
        sampling: Number of gold rows per sampling method.
        coders: Names of the coders in the gold.
        files: SHA-256 of both files, by path.
        notes: Lines for the user about assumptions and possible problems.
        left_out: Sentences of the predictions that are not part of the population, according to the design file.
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
    left_out: tuple[LeftOut, ...] = ()


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
        predictions: The output of `communique label -o`.
        gold: A table with the columns `id`, `labels` (or one column per label) and `inclusion_probability`. `text` or `sha256`,
            `sampling`, `stratum`, `coder` and `purpose` are optional.
        codebook: The codebook with the labels.
        columns: Columns of the predictions that define groups.
        trained_on: Hashes of the sentences that the model was trained and tuned on.
        design: The design of the sample. With it, missing sentences are identified exactly.
        missing: What to do if drawn sentences are missing from the gold, see `completeness`.

    Raises:
        DataError: Rows are invalid. The message states which rows, why, and what to do.
        LeakError: The model was trained or tuned on gold rows.
    """
    table = read_table(gold)
    if table.problems:
        raise DataError(*table.problems)
    rows = _gold_rows(table, codebook)
    population = read_population(predictions, codebook, columns=columns, keep={row["id"] for _, row in rows})
    frame_notes: list[str] = []
    if design is not None:
        population = design.frame(population)
        frame_notes = [*design.check_frame(population), *map(str, design.left_out)]
    groups, empty = _group_columns(population, columns)
    position = _positions(population, {row["id"] for _, row in rows})
    _refuse(
        table,
        [number for number, row in rows if row["id"] not in position],
        f"the id does not occur in {predictions}",
        "Use the predictions that the gold was drawn from",
    )
    # A cell names every coder who agreed (anna|bob), or marks an adjudicated row. Adjudication does not count as a coder.
    named = {name.strip() for _, row in rows for name in (cell(row, "coder") or "").split("|")}
    check_coders(named, str(gold))
    coders = tuple(sorted(named - {"", ADJUDICATION}))
    rows = _one_each(table, rows)
    places = [position[row["id"]] for _, row in rows]
    sentences = [population.sentence(i) for i in places]
    _refuse(
        table,
        [n for (n, row), s in zip(rows, sentences, strict=True) if (h := _hash(row)) and s.text and h != s.sha256],
        f"the text differs from the text with the same id in {predictions}",
        "Use the predictions that the gold was drawn from, or correct the ids",
    )
    notes = [*population.notes, *frame_notes, *empty]
    notes += other_codebooks(str(gold), (row for _, row in table.rows), codebook)
    if population.unlabelled:
        rows_were = counted(population.unlabelled, "row was", "rows were")
        notes.append(f"{predictions}: {rows_were} not labelled. The population does not include such rows")
    if population.n_without_probabilities:
        rows_have = counted(population.n_without_probabilities, "row has", "rows have")
        notes.append(f"{predictions}: {rows_have} no probabilities. Each label of such rows counts as 0 or 1")
    if trained_on is not None:
        _check_leak(table, rows, sentences, trained_on)
        if blind := sum(not (_hash(row) or s.text) for (_, row), s in zip(rows, sentences, strict=True)):
            rows_have = counted(blind, "row has", "rows have")
            notes.append(
                f"warning: {gold}: {rows_have} neither text nor sha256, and the predictions have no text either. It cannot be "
                "checked whether the model was trained on these sentences"
            )
    strata = {name: i for i, name in enumerate(sorted({_stratum(row) for _, row in rows}))}
    sampling = Counter(_word(row, "sampling") or "simple" for _, row in rows)
    notes += table.notes
    commas = DecimalCommas()
    for number, row in rows:
        commas.see(row[PROBABILITY], f"row {number}, {PROBABILITY}")
    notes += commas.notes(gold)
    if "sampling" not in table.columns:
        notes.append(f"{gold}: there is no column 'sampling'. The rows are treated as drawn individually ('simple')")
    probability, lines = checked(
        gold,
        [row["id"] for _, row in rows],
        np.array([_probability(row) for _, row in rows]),
        len(population),
        two_stage="two-stage" in sampling,
        design=design,
        missing=missing,
        only_labels=codebook.multilabel and all(row["labels"] for _, row in rows),
    )
    return EstimationData(
        labels=codebook.names,
        ids=population.ids,
        documents=population.document_names,
        predicted=population.decisions,
        prediction=population.probabilities,
        columns=groups,
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
        notes=(*notes, *lines),
        left_out=() if design is None else design.left_out,
    )


def _positions(population: Population, wanted: set[str]) -> dict[str, int]:
    """Return the row number of each wanted id."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = pc.indices_nonzero(pc.is_in(population.ids, value_set=pa.array(sorted(wanted), population.ids.type)))
    return dict(zip(population.ids.take(rows).to_pylist(), rows.to_pylist(), strict=True))


def _group_columns(population: Population, columns: Sequence[str]) -> tuple[dict[str, Column], list[str]]:
    """Return the columns with `NO_VALUE` for sentences without a value, and one line per column that counts these sentences."""
    found, lines = {}, []
    for name in columns:
        found[name] = column = group_column(population.columns[name])
        numbers = population.numbers[column.codes == NO_VALUE]
        if not column.levels:
            raise DataError(
                f"{population.path}: column {name!r} is empty in all rows. Fill it in, or leave it out of --by"
            )
        if len(numbers):
            lines.append(
                f"{population.path}: {counted(len(numbers), 'row has', 'rows have')} no value in column {name!r} (first: row "
                f"{numbers[0]}). They form the group {name}={MISSING_GROUP}, and are not part of comparisons by {name} or of "
                "regressions on it"
            )
    return found, lines


def group_column(column: Column) -> Column:
    """Return a column with the code `NO_VALUE` for sentences without a value.

    These are sentences with an empty cell, or with the name `MISSING_GROUP`, which `communique sample --missing-group keep` uses.
    """
    # Without the empty text, all values may be numbers, which have another order.
    known = column_of([level for level in column.levels if level not in ("", MISSING_GROUP)])
    place = {level: code for code, level in enumerate(known.levels)}
    codes = np.array([place.get(level, NO_VALUE) for level in column.levels], np.int64)
    return Column(known.levels, codes[column.codes])


def _refuse(
    table: Table, numbers: Sequence[int], problem: str, remedy: str, error: type[DataError] = DataError
) -> None:
    """Raise one error for all rows that share a problem."""
    if numbers:
        rows = f"row {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} rows (first: row {numbers[0]})"
        raise error(f"{table.path}, {rows}: {problem}. {remedy}")


def _gold_rows(table: Table, codebook: Codebook) -> list[tuple[int, Row]]:
    """Check the columns that gold needs, and convert its labels to tuples."""
    if (id_column := find_column(table.columns, "id")) is None:
        raise DataError(
            f"{table.path}: there is no column 'id'. The columns are: {', '.join(table.columns)}. Keep the ids of the predictions"
        )
    if not table.rows:
        raise DataError(f"{table.path}: the file has no rows. Use the coded sample")
    rows = [(number, {**row, "id": str(row[id_column]).strip()}) for number, row in table.rows]
    _refuse(
        table,
        [n for n, row in rows if "training" in (_word(row, "purpose"), _word(row, "sampling"))],
        "the row was drawn for training (its purpose or sampling is 'training')",
        "Such rows were selected because the model makes errors there, so they cannot be gold. Draw gold with `communique sample`",
    )
    _refuse(
        table,
        [n for n, row in rows if not _known(row.get(PROBABILITY))],
        f"there is no valid inclusion probability in column {PROBABILITY!r} (a number above 0, and at most 1)",
        "Estimates would be biased without it. If this is a coded sheet, run `communique agree SHEET --gold gold.csv` first and "
        "use gold.csv. For a sample that you drew yourself, write n/N if n of N rows were drawn with equal probabilities",
    )
    _refuse(
        table,
        [n for n, row in rows if _word(row, "sampling") not in ("", *SAMPLINGS)],
        "the value in column 'sampling' is unknown",
        f"Write how the row was drawn: {', '.join(SAMPLINGS)}",
    )
    if len(kinds := {_word(row, "sampling") or "simple" for _, row in rows}) > 1 and "two-stage" in kinds:
        raise DataError(
            f"{table.path}: some rows were drawn individually, others by document. Use only one of the two samples"
        )
    labels_column = find_column(table.columns, "labels")
    if labels_column and (reason := refuse_predictions(str(table.path), table.columns, labels_column)) is not None:
        raise DataError(reason)
    _refuse(
        table,
        [n for n, row in rows if _word(row, "model_shown") in ("true", "1", "yes")],
        "the coder saw the labels of a model (column 'model_shown')",
        "People tend to confirm labels that they are shown, so the estimate would repeat the errors of the model. Have the "
        "sentences coded again without --show-model",
    )
    for i, (number, row) in enumerate(rows):
        try:
            labels = _labels(row, labels_column, table, codebook)
        except ValueError as error:
            raise DataError(f"{table.path}, row {number}: {error}") from None
        rows[i] = number, {**row, "labels": labels}
    return rows


def _labels(row: Row, column: str | None, table: Table, codebook: Codebook) -> tuple[str, ...]:
    if column is not None:
        if (given := row.get(column)) is None or (isinstance(given, str) and not given.strip()):
            raise ValueError(
                "the row is not coded. Write its labels as a|b, or 'none' if no label applies. Leaving out drawn rows biases the "
                "estimate"
            )
        return codebook.validate_labels(split_labels(row[column], codebook))
    for name in codebook.names:
        if name not in table.columns:
            raise ValueError(
                f"there is no column 'labels' and no column {name!r}. Add a column 'labels' (a|b), or one column per label"
            )
    answers = read_answers(row, {name: name for name in codebook.names})
    # An empty cell is an error, because gold must say what people decided about every drawn row.
    if (empty := next((name for name, answer in answers.items() if answer is None), None)) is not None:
        raise ValueError(f"column {empty!r} is empty. Write yes or no. Leaving out drawn rows biases the estimate")
    return codebook.validate_labels(name for name, answer in answers.items() if answer)


def _one_each(table: Table, rows: list[tuple[int, Row]]) -> list[tuple[int, Row]]:
    """Keep one row per id. Rows with the same id must agree: disagreements must be adjudicated first."""
    first: dict[str, tuple[int, Row]] = {}
    differing = []
    for number, row in rows:
        known = first.setdefault(row["id"], (number, row))[1]
        if known["labels"] != row["labels"] or _probability(known) != _probability(row):
            differing.append(number)
    _refuse(
        table,
        differing,
        "the labels or the inclusion probability differ from an earlier row with the same id",
        "Adjudicate the coders' disagreements (`communique agree` lists them), and keep one row per sentence",
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
        "the model was trained or tuned on this sentence or its document",
        "It makes fewer errors there than elsewhere. Remove all sentences that it was trained on from both predictions and gold, "
        "or draw gold from documents that the model has not seen",
        LeakError,
    )


def _word(row: Row, column: str) -> str:
    return (cell(row, column) or "").lower()


def _stratum(row: Row) -> str:
    return cell(row, "stratum") or ""


def _probability(row: Row) -> float:
    return as_number(row[PROBABILITY], largest=1)


def _known(value: Any) -> bool:
    try:
        return 0 < as_number(value, largest=1) <= 1
    except (TypeError, ValueError):
        return False


def _hash(row: Row) -> str | None:
    if given := cell(row, "sha256"):
        return given.lower()
    text = cell(row, "text")
    return text_sha256(text) if text else None
