"""Write labelled shards as a workbook: one sheet with the rows and filters, and a second sheet that explains the labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc

from ..data.codebook import Codebook
from ..data.predictions_schema import ERROR, PREFIX, TENTATIVE
from ..errors import FormatError
from ..io.paths import InputFile
from ..io.workbook_writer import CELL_CHARACTERS, COLUMNS, ROWS, Column, cell_length, write_workbook
from ..models.info import ModelInfo
from .cells import cell, flat, flat_names
from .label import LabelledShard
from .summary import Summary

#: Names of the sheets.
LABELLED, LABELS = "labelled", "labels"

_WIDTHS = {"id": 20, "document": 24, "index": 7, "language": 10, "text": 80, "labels": 28, "truncated": 11, ERROR: 40}
_WIDTHS[TENTATIVE] = _WIDTHS["labels"]

#: Columns with long texts, which are wrapped.
_WRAPPED = ("text", "labels", TENTATIVE, ERROR)

#: Largest number of characters that one character can become. A noncharacter is written as an escape of six characters.
_LONGEST = 6

_LIMITS = (
    f"An XLSX sheet can hold {ROWS - 1:,} rows below its header, {COLUMNS:,} columns, and {CELL_CHARACTERS:,} characters per cell. "
    "Write Parquet or CSV"
)


def check_size(name: str, rows: int, schema: pa.Schema) -> None:
    """Check that the rows and columns of an output fit into a sheet.

    Raises:
        FormatError: They do not fit.
    """
    columns = flat_names(schema)
    if rows >= ROWS:
        raise FormatError(f"{name}: {rows:,} rows are too many. {_LIMITS}")
    if len(columns) > COLUMNS:
        raise FormatError(f"{name}: {len(columns):,} columns are too many. {_LIMITS}")
    for column in columns:
        if (length := cell_length(column)) > CELL_CHARACTERS:
            raise FormatError(f"{name}: the name of column {column[:40]!r}… has {length:,} characters. {_LIMITS}")


def check_known_rows(name: str, files: Iterable[InputFile]) -> None:
    """Check that the rows of Parquet files fit into a sheet. Their number is known before the rows are read.

    Raises:
        FormatError: They do not fit.
    """
    import pyarrow.parquet as pq

    rows = 0
    for file in files:
        # An unreadable file is reported later, when its rows are read.
        with suppress(OSError, pa.ArrowException):
            rows += pq.read_metadata(file.path).num_rows if file.file_format == ".parquet" else 0
    if rows >= ROWS:
        raise FormatError(f"{name}: {rows:,} rows are too many. {_LIMITS}")


def check_cells(name: str, table: pa.Table) -> None:
    """Check that the cells of a table fit into a sheet.

    Raises:
        FormatError: A cell does not fit.
    """
    check_size(name, len(table), table.schema)
    for field, column in zip(table.schema, table.columns, strict=True):
        kind = field.type
        if field.name in ("labels", "probabilities") or pa.types.is_primitive(kind) or pa.types.is_null(kind):
            continue
        if (pa.types.is_string(kind) or pa.types.is_large_string(kind)) and (
            (pc.max(pc.utf8_length(column)).as_py() or 0) * _LONGEST <= CELL_CHARACTERS
        ):
            continue
        for row, value in enumerate(column.to_pylist()):
            if value is not None and (length := cell_length(str(cell(value)))) > CELL_CHARACTERS:
                identity = table["id"][row].as_py()
                raise FormatError(
                    f"{name}: column {field.name!r} of row {identity!r} has {length:,} characters. {_LIMITS}"
                )


def write_spreadsheet(
    handle: IO[bytes],
    info: ModelInfo,
    codebook: Codebook,
    schema: pa.Schema,
    shards: Iterable[LabelledShard],
    summary: Summary,
    scratch: Path,
) -> None:
    """Write labelled shards as a workbook, row by row. Call `check_size` and `check_cells` first.

    Args:
        handle: An open binary file, or a stream.
        info: The model's description.
        codebook: The model's codebook.
        schema: The columns of all shards.
        shards: The shards, in order. Only one is in memory at a time.
        summary: Counts of all shards.
        scratch: A folder for temporary files, which the caller deletes.
    """
    names = flat_names(schema)
    explained = [
        Column("label", 28, wrap=True),
        Column("definition", 90, wrap=True),
        Column("threshold", 18),
        Column("sentences"),
    ]
    sheets = {
        LABELLED: (_columns(names, info), _rows(names, shards)),
        LABELS: (explained, _explain(info, codebook, summary)),
    }
    write_workbook(handle, sheets, folder=scratch)


def _columns(names: Sequence[str], info: ModelInfo) -> list[Column]:
    thresholds = dict(zip((PREFIX + label for label in info.labels), info.thresholds or (), strict=False))
    probabilities = {PREFIX + label for label in info.labels}
    return [
        Column(
            name,
            _WIDTHS.get(name) or min(max(12, len(name) + 3), 32),
            wrap=name in _WRAPPED,
            bar=name in probabilities,
            bold_from=thresholds.get(name),
        )
        for name in names
    ]


def _rows(names: Sequence[str], shards: Iterable[LabelledShard]) -> Iterator[list[Any]]:
    for shard in shards:
        for row in map(flat, shard.iter_rows()):
            yield [cell(row.get(name)) for name in names]


def _explain(info: ModelInfo, codebook: Codebook, summary: Summary) -> Iterator[tuple[Any, ...]]:
    thresholds: Sequence[Any] = info.thresholds or ["most probable"] * len(info.labels)
    if not info.has_probabilities:
        thresholds = ["no probabilities"] * len(info.labels)
    for label, threshold in zip(codebook.labels, thresholds, strict=True):
        yield label.name, label.definition, threshold, summary.labels[label.name]
    if info.multilabel:
        none = "No label reaches its threshold." if info.has_probabilities else "The model assigns no label."
        yield "(none)", none, None, summary.none
    if summary.unsure:
        yield "(unsure)", "The model is not sure enough about at least one label.", None, summary.unsure
    yield "(model)", f"{info.name} {info.version}, codebook {info.codebook_name} {info.codebook_version}", None, None
    yield "(counts)", summary.caution, None, summary.sentences
