"""Sheets for coders: XLSX with drop-down lists and the codebook, and CSV."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..data.codebook import Codebook, named_codebooks, other_codebooks
from ..data.labels import read_answers, split_labels
from ..data.reader import find_column
from ..errors import DataError
from ..io.atomic import replacing
from ..io.read import Table, cell
from ..io.suffixes import stem
from ..io.workbook_writer import CELL_CHARACTERS, Column, cell_length, write_workbook
from ..io.write import write_csv
from ..reporting.format import escape_formula, unescape_formula
from ..sampling.population import visible
from .tasks import (
    COMPANIONS,
    DOCUMENT,
    NONE,
    SENTENCE,
    TEXT,
    CodingTask,
    Reading,
    codebook_markdown,
    companion,
    decode,
    need_suffix,
)

#: Columns of a sheet before those to fill in.
SHOWN = ("id", "document", "language", "previous", "text")
MODEL = "model_labels"
CODER, COMMENT = "coder", "comment"

_WIDTHS = {"id": 16, "document": 16, "language": 9, "previous": 40, "text": 70, MODEL: 24, CODER: 12, COMMENT: 30}

#: Columns of the codebook's sheet, and their widths.
_CODEBOOK_COLUMNS = (("label", 20), ("definition", 60), ("counts", 45), ("does not count", 45), ("examples", 80))

_CHOOSE = "Choose from the list; the codebook is on the second sheet"


def answer_columns(codebook: Codebook) -> list[str]:
    """List the columns to fill in: one a label with yes or no, or one with the label where exactly one applies.

    Raises:
        DataError: A label has the name of another column of the sheet.
    """
    if not codebook.multilabel:
        return ["label"]
    if clash := set(codebook.names) & {*SHOWN, MODEL, CODER, COMMENT, "label", "labels"}:
        raise DataError(
            f"codebook {codebook.name}: a label is named {min(clash)!r}, which is a column of the coders' sheet; rename the label"
        )
    return list(codebook.names)


def write_sheet(
    path: str | Path,
    tasks: Sequence[CodingTask],
    codebook: Codebook,
    *,
    coder: str = "",
    extra: Mapping[str, Mapping[str, str]] | None = None,
) -> list[Path]:
    """Write a sheet for a coder, by its ending as XLSX or CSV.

    Args:
        path: Where to write; a CSV gets the codebook beside it.
        tasks: Rows, in the order in which they are to be read.
        codebook: The labels; the second sheet of an XLSX.
        coder: Name to fill in.
        extra: More columns to show, by name and id.

    Returns:
        The files written.

    Raises:
        DataError: Another ending, no such folder, a text too long for a cell, a label named as a column.
    """
    path = Path(path)
    need_suffix(path, (".xlsx", ".csv"), "coders")
    shown = list(SHOWN) + ([MODEL] if any(task.labels is not None for task in tasks) else []) + list(extra or {})
    columns = [escape_formula(name) for name in (*shown, *answer_columns(codebook), COMMENT, CODER)]
    rows = []
    for task in tasks:
        row = {
            "id": task.id,
            "document": task.document,
            "language": task.language,
            "previous": task.previous,
            "text": task.text,
            CODER: coder,
        }
        if task.labels is not None:
            row[MODEL] = "|".join(task.labels) or NONE
        row |= {name: values.get(task.id, "") for name, values in (extra or {}).items()}
        rows.append({escape_formula(name): escape_formula(visible(value)) for name, value in row.items()})
    if path.suffix.lower() == ".csv":
        write_csv(path, columns, rows)
        beside = companion(path, COMPANIONS["sheet", ".csv"])
        with replacing(beside) as handle:
            handle.write(codebook_markdown(codebook))
        return [path, beside]
    _write_xlsx(path, columns, rows, codebook)
    return [path]


def _write_xlsx(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]], codebook: Codebook) -> None:
    answers = {escape_formula(name) for name in answer_columns(codebook)}
    listed = ["yes", "no"] if codebook.multilabel else f"=codebook!$A$2:$A${len(codebook.names) + 1}"
    rule = {"validate": "list", "source": listed, "error_message": _CHOOSE}
    coding = [
        Column(name, _WIDTHS.get(name, 18), wrap=True, validation=rule if name in answers else None) for name in columns
    ]
    explained = [Column(name, width, wrap=True) for name, width in _CODEBOOK_COLUMNS]
    sheets = {
        "coding": (coding, [[row.get(name, "") for name in columns] for row in rows]),
        "codebook": (explained, _codebook_lines(codebook)),
    }
    for sheet, (shown, lines) in sheets.items():
        _check_cells(f"{path}, sheet {sheet}", shown, lines)
    # The temporary files lie in the system's folder for them: a killed process leaves none of them next to the output.
    with replacing(path, "wb") as handle, tempfile.TemporaryDirectory(prefix="communique-") as folder:
        write_workbook(handle, sheets, folder=Path(folder))


def _check_cells(where: str, columns: Sequence[Column], lines: Sequence[Sequence[str]]) -> None:
    """Check that every text fits into its cell.

    Raises:
        DataError: One does not.
    """
    for number, line in enumerate(lines, 2):
        for column, value in zip(columns, line, strict=True):
            if (length := cell_length(value)) > CELL_CHARACTERS:
                raise DataError(
                    f"{where}, row {number}, column {column.name!r}: {length} characters; a cell of XLSX holds {CELL_CHARACTERS}. "
                    "Write CSV, or split the texts (`communique label --split`)"
                )


def _codebook_lines(codebook: Codebook) -> list[list[str]]:
    lines = []
    for label in codebook.labels:
        examples = [f"{e.text} [{'|'.join(e.labels) or NONE}]" for e in label.examples]
        lines.append(
            [label.name, label.definition, *("\n".join(p) for p in (label.includes, label.excludes, examples))]
        )
    how = (
        "yes or no for each label; no for all of them where none applies"
        if codebook.multilabel
        else "exactly one label"
    )
    lines += [[], ["codebook", f"{codebook.name} {codebook.version}"], ["unit", codebook.unit], ["answer", how]]
    lines += [["rule", rule] for rule in codebook.rules]
    return [[escape_formula(visible(value)) for value in (*line, *[""] * 5)][:5] for line in lines]


def read_sheet(table: Table, codebook: Codebook) -> Reading:
    """Read a sheet that coders filled in, or any table with a column `labels` (a|b) or one column a label.

    A row without any answer was not coded. Blank cells in a row with a yes mean no, and a note reports them; blank cells in
    a row with only no are an error, because the row is unfinished.
    """
    reading = Reading(table.path, "sheet", problems=list(table.problems))
    table = _unescaped(table)
    names = {name: find_column(table.columns, name) for name in ("id", "text", "document", "labels")}
    lower = {column.lower(): column for column in reversed(table.columns)}
    answers = {name: lower[name.lower()] for name in codebook.names if name.lower() in lower}
    if codebook.multilabel and answers:
        if missing := [name for name in codebook.names if name not in answers]:
            raise DataError(f"{table.path}: no column for the label {missing[0]!r}; restore the columns of the sheet")
    elif names["labels"] is None:
        wanted = "one column a label" if codebook.multilabel else "a column 'label'"
        raise DataError(
            f"{table.path}: nothing coded; give {wanted} ({', '.join(codebook.names)}) or a column 'labels' (a|b); "
            f"columns: {', '.join(table.columns)}"
        )
    use_columns = codebook.multilabel and bool(answers)
    unread = assumed = 0
    for number, row in table.rows:
        try:
            if use_columns:
                labels, blank = _from_columns(row, answers, codebook)
                assumed += blank
            else:
                labels = _from_cell(row.get(names["labels"] or ""), codebook)
        except ValueError as error:
            reading.problems.append(f"{table.path}, row {number}: {error}")
            continue
        unread += labels is None
        reading.take(
            number,
            {
                **row,
                SENTENCE: cell(row, names["id"]),
                TEXT: row.get(names["text"] or ""),
                DOCUMENT: row.get(names["document"] or ""),
            },
            labels,
            coder=cell(row, lower.get(CODER)) or stem(table.path),
            comment=cell(row, lower.get(COMMENT)) or "",
        )
    reading.notes += other_codebooks(str(table.path), (row for _, row in table.rows), codebook)
    reading.codebooks += named_codebooks(row for _, row in table.rows)
    reading.skip(unread, "rows not coded")
    reading.skip(assumed, "rows with blank cells beside a yes; the blanks count as no")
    return reading


def _unescaped(table: Table) -> Table:
    """Return a table without the apostrophes of `escape_formula`."""
    rows = [
        (number, {unescape_formula(name): unescape_formula(value) for name, value in row.items()})
        for number, row in table.rows
    ]
    return replace(table, columns=[unescape_formula(name) for name in table.columns], rows=rows)


def _from_columns(
    row: Mapping[str, Any], columns: Mapping[str, str], codebook: Codebook
) -> tuple[tuple[str, ...] | None, bool]:
    answers = read_answers(row, columns)
    chosen = [name for name, answer in answers.items() if answer]
    # Empty cells: the row was not coded if all are empty; next to a yes they mean no.
    blank = sum(answer is None for answer in answers.values())
    if blank == len(answers):
        return None, False
    if blank and not chosen:
        raise ValueError(
            f"{len(answers) - blank} labels answered, {blank} blank. Answer all of them with yes or no, or none of them"
        )
    return decode(chosen or [NONE], codebook), blank > 0


def _from_cell(value: Any, codebook: Codebook) -> tuple[str, ...] | None:
    # An empty list says that no label applies; an empty cell says nothing.
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, str) and value.strip() == NONE and codebook.multilabel:
        return ()
    return codebook.validate_labels(split_labels(value, codebook))
