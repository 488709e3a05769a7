"""Recognise the format of a coded file and read it."""

from __future__ import annotations

from pathlib import Path

from ..config import load_json
from ..data.codebook import Codebook
from ..errors import DataError
from ..io.hints import refuse_standard_input
from ..io.read import Table, read_table
from ..io.suffixes import TABLE_SUFFIXES, ending
from ..io.tables import Row
from . import doccano, label_studio, prodigy
from .sheets import read_sheet
from .tasks import SENTENCE, Reading


def read_coded(path: str | Path, codebook: Codebook) -> Reading:
    """Read a coded file: a sheet, or an export of Label Studio, doccano or Prodigy. The fields show which of them it is.

    Raises:
        DataError: The file cannot be read, it has none of these formats, or its labels are the output of a model.
    """
    refuse_standard_input(path)
    path = Path(path)
    if path.suffix.lower() == ".json":
        return _checked(_by_fields(_read_json(path), codebook), codebook)
    if ending(path)[0] not in TABLE_SUFFIXES:
        raise DataError(
            f"{path}: the name of a coded file must end in .json, {', '.join(TABLE_SUFFIXES)}. Unpack archives first"
        )
    return _checked(_by_fields(read_table(path), codebook), codebook)


def _checked(reading: Reading, codebook: Codebook) -> Reading:
    if codebook.multilabel:
        reading.note_only_labels()
    return reading


def _by_fields(table: Table, codebook: Codebook) -> Reading:
    columns, path = set(table.columns), table.path
    if {"data"} < columns and columns & {"annotations", "completions"}:
        reading = label_studio.read_json(path, table.rows, codebook)
    elif {"annotation_id", "annotator"} <= columns:
        kind = "JSON-MIN" if path.suffix.lower() == ".json" else "CSV"
        reading = label_studio.read_flat(path, table.rows, codebook, kind)
    elif "answer" in columns and columns & {
        "_task_hash",
        "_input_hash",
        "_view_id",
        "accept",
        "options",
        "_session_id",
    }:
        reading = prodigy.read(path, table.rows, codebook)
    elif doccano.COMMENTS in columns or (SENTENCE in columns and columns & {"label", "labels", "annotations"}):
        reading = doccano.read(path, table.rows, codebook)
    elif path.suffix.lower() == ".json":
        raise DataError(
            f"{path}: this is not an export of Label Studio (JSON, JSON-MIN) or doccano (JSON). Export the project again. Fields "
            f"found: {', '.join(sorted(columns))}"
        )
    else:
        return read_sheet(table, codebook)
    reading.problems += table.problems
    return reading


def _read_json(path: Path) -> Table:
    content = load_json(path, DataError, "Export the file again")
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise DataError(f"{path}: this is not a list of JSON objects. Name an export of Label Studio or doccano")
    rows: list[tuple[int, Row]] = list(enumerate(content, 1))
    columns = list(dict.fromkeys(key for _, row in rows for key in row))
    return Table(path, columns, rows)
