"""Write and read sheets for coders: CSV, and XLSX with drop-down lists and the codebook."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..data.acts import Act, read_acts
from ..data.codebook import Codebook, named_codebooks, other_codebooks
from ..data.label_columns import describe_unknown, label_columns, note_unread, unknown_columns
from ..data.labels import is_blank, is_uncoded, read_answers, split_labels
from ..data.predictions_schema import refuse_predictions
from ..data.reader import ACTS, COLUMNS, describe_names_below, find_column
from ..errors import DataError
from ..io.atomic import replacing
from ..io.read import Table, cell
from ..io.suffixes import stem
from ..io.tables import Unreadable
from ..io.workbook_writer import CELL_CHARACTERS, Column, cell_length, write_workbook
from ..io.write import write_csv
from ..reporting.format import counted, escape_formula, unescape_formula
from ..sampling.population import visible
from .tasks import (
    ACTS_OF,
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

#: The first columns of a sheet, before the columns to fill in.
SHOWN = ("id", "document", "language", "previous", "text")
MODEL = "model_labels"
CODER, COMMENT = "coder", "comment"

_WIDTHS = {"id": 16, "document": 16, "language": 9, "previous": 40, "text": 70, MODEL: 24, CODER: 12, COMMENT: 30}

#: Maximum number of characters of a drop-down list in XLSX, whose values are separated by commas.
_LIST_CHARACTERS = 255

#: Columns of the codebook sheet, and their widths.
_CODEBOOK_COLUMNS = (("label", 20), ("definition", 60), ("counts", 45), ("does not count", 45), ("examples", 80))

_CHOOSE = "Choose a value from the list. The codebook is on the second sheet."


def answer_columns(codebook: Codebook) -> list[str]:
    """Return the columns to fill in: one yes/no column per label, or a single column if exactly one label applies.

    Raises:
        DataError: A label has the same name as another column of the sheet.
    """
    if not codebook.multilabel:
        return ["label"]
    if clash := set(codebook.names) & {*SHOWN, MODEL, CODER, COMMENT, ACTS_OF, "label", "labels"}:
        raise DataError(
            f"codebook {codebook.name}: the label {min(clash)!r} has the name of another column of the sheet. Rename the label"
        )
    return list(codebook.names)


def write_sheet(
    path: str | Path,
    tasks: Sequence[CodingTask],
    codebook: Codebook,
    *,
    coder: str = "",
    extra: Mapping[str, Mapping[str, str]] | None = None,
    answers: Mapping[str, Sequence[str]] | None = None,
    acts_of: Sequence[str] = (),
) -> list[Path]:
    """Write a sheet for a coder, as XLSX or CSV according to the suffix.

    Args:
        path: Path of the sheet. Next to a CSV, the codebook is written as a second file.
        tasks: The rows, in the order in which the coder reads them.
        codebook: The codebook. In an XLSX it is the second sheet.
        coder: Name to write into the column `coder`.
        extra: Additional columns to show, by name and id.
        answers: Labels that are filled in, by id. Default: the columns to fill in are blank.
        acts_of: Coders of whom one can be chosen in the column `acts_of`. Default: there is no such column.

    Returns:
        The paths of the files written.

    Raises:
        DataError: The suffix is not allowed, the folder does not exist, a text is too long for a cell, or a label has the name
            of a column.
    """
    path = Path(path)
    need_suffix(path, (".xlsx", ".csv"), "coders")
    shown = list(SHOWN) + ([MODEL] if any(task.labels is not None for task in tasks) else []) + list(extra or {})
    columns = [
        escape_formula(name)
        for name in (*shown, *answer_columns(codebook), *([ACTS_OF] if acts_of else []), COMMENT, CODER)
    ]
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
        if task.id in (answers or {}):
            row |= _filled_in((answers or {})[task.id], codebook)
        rows.append({escape_formula(name): escape_formula(visible(value)) for name, value in row.items()})
    if path.suffix.lower() == ".csv":
        write_csv(path, columns, rows)
        codebook_file = companion(path, COMPANIONS["sheet", ".csv"])
        with replacing(codebook_file) as handle:
            handle.write(codebook_markdown(codebook))
        return [path, codebook_file]
    _write_xlsx(path, columns, rows, codebook, acts_of)
    return [path]


def _filled_in(labels: Sequence[str], codebook: Codebook) -> dict[str, str]:
    """Return the cells of the columns to fill in for some labels."""
    if not codebook.multilabel:
        return {"label": "|".join(labels)}
    return {name: "yes" if name in labels else "no" for name in codebook.names}


def _write_xlsx(
    path: Path,
    columns: Sequence[str],
    rows: Sequence[Mapping[str, str]],
    codebook: Codebook,
    coders: Sequence[str] = (),
) -> None:
    answers = {escape_formula(name) for name in answer_columns(codebook)}
    listed = ["yes", "no"] if codebook.multilabel else f"=codebook!$A$2:$A${len(codebook.names) + 1}"
    rule = {"validate": "list", "source": listed, "error_message": _CHOOSE}
    rules = dict.fromkeys(answers, rule)
    if coders and len(joined := ",".join(coders)) <= _LIST_CHARACTERS and joined.count(",") == len(coders) - 1:
        rules[ACTS_OF] = {"validate": "list", "source": list(coders)}
    coding = [Column(name, _WIDTHS.get(name, 18), wrap=True, validation=rules.get(name)) for name in columns]
    explained = [Column(name, width, wrap=True) for name, width in _CODEBOOK_COLUMNS]
    sheets = {
        "coding": (coding, [[row.get(name, "") for name in columns] for row in rows]),
        "codebook": (explained, _codebook_lines(codebook)),
    }
    for sheet, (shown, lines) in sheets.items():
        _check_cells(f"{path}, sheet {sheet}", shown, lines)
    # Temporary files go to the temporary folder of the system, so that a killed process leaves none next to the output.
    with replacing(path, "wb") as handle, tempfile.TemporaryDirectory(prefix="communique-") as folder:
        write_workbook(handle, sheets, folder=Path(folder))


def _check_cells(where: str, columns: Sequence[Column], lines: Sequence[Sequence[str]]) -> None:
    """Check that every text fits into its cell.

    Raises:
        DataError: A text is too long.
    """
    for number, line in enumerate(lines, 2):
        for column, value in zip(columns, line, strict=True):
            if (length := cell_length(value)) > CELL_CHARACTERS:
                raise DataError(
                    f"{where}, row {number}, column {column.name!r}: the text has {length} characters, but a cell of XLSX can hold "
                    f"only {CELL_CHARACTERS}. Write the sheet as CSV, or split the texts with `communique label --split`"
                )


def _codebook_lines(codebook: Codebook) -> list[list[str]]:
    lines = []
    for label in codebook.labels:
        examples = [f"{e.text} [{'|'.join(e.labels) or NONE}]" for e in label.examples]
        lines.append(
            [label.name, label.definition, *("\n".join(p) for p in (label.includes, label.excludes, examples))]
        )
    how = "yes or no for each label; no for every label if none applies" if codebook.multilabel else "exactly one label"
    lines += [[], ["codebook", f"{codebook.name} {codebook.version}"], ["unit", codebook.unit], ["answer", how]]
    lines += [["rule", rule] for rule in codebook.rules]
    return [[escape_formula(visible(value)) for value in (*line, *[""] * 5)][:5] for line in lines]


def read_sheet(table: Table, codebook: Codebook) -> Reading:
    """Read a sheet that a coder filled in, or any table with a column `labels` (a|b) or one column per label.

    A row without any answer counts as not coded. Blank cells in a row with a yes mean no, and a note reports them. Blank cells
    in a row without a yes are an error, because the row is unfinished.

    Raises:
        DataError: The table has no labels, a label has no column, or the labels are the output of a model.
    """
    reading = Reading(table.path, "sheet", problems=list(table.problems))
    table = _unescaped(table)
    names = {name: find_column(table.columns, name) for name in ("id", "text", "document", "labels")}
    lower = {column.lower(): column for column in reversed(table.columns)}
    for name in codebook.names if codebook.multilabel else ():
        if len(same := [column for column in table.columns if column.lower() == name.lower()]) > 1:
            raise DataError(
                f"{table.path}: the columns {' and '.join(map(repr, same))} have the same name. Rename one of them"
            )
    reading.model_shown = MODEL in lower
    answers = label_columns(table.columns, codebook)
    _check_columns(table, names["labels"], answers, codebook, reading)
    use_columns = codebook.multilabel and bool(answers)
    unread = assumed = 0
    answered = list(answers.values()) if use_columns else [names["labels"]]
    for number, row in table.rows:
        if broken := next((c for c in answered if c and isinstance(row.get(c), Unreadable)), None):
            # Read as a blank cell, it would count as no.
            reading.problems.append(f"{table.path}, row {number}, column {broken!r}: {row[broken].reason}")
            continue
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
        try:
            acts = _acts(row, table.columns, labels, codebook)
        except ValueError as error:
            reading.problems.append(f"{table.path}, row {number}: {error}")
            continue
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
            acts=acts,
            acts_of=cell(row, lower.get(ACTS_OF)) or "",
        )
    reading.notes += other_codebooks(str(table.path), (row for _, row in table.rows), codebook)
    reading.codebooks += named_codebooks(row for _, row in table.rows)
    reading.note(unread, f"left out {counted(unread, 'row')} that nobody coded")
    reading.note(assumed, f"{counted(assumed, 'row')} with blank cells next to a yes. Blank cells count as no")
    return reading


def _check_columns(
    table: Table, labels: str | None, answers: Mapping[str, str], codebook: Codebook, reading: Reading
) -> None:
    """Check that a table has the columns of the labels, and note columns that look like labels but are not read.

    Raises:
        DataError: It has no labels, a label has no column, or the labels are the output of a model.
    """
    unknown = unknown_columns(table.columns, codebook, (name for names in COLUMNS.values() for name in names))
    if codebook.multilabel and answers:
        if missing := [name for name in codebook.names if name not in answers]:
            raise DataError(
                f"{table.path}: there is no column for the label {missing[0]!r}. Restore the columns of the sheet"
                f"{describe_unknown(unknown, missing)}"
            )
        reading.notes += note_unread(table.path, (row for _, row in table.rows), unknown, codebook)
        if labels is not None:
            shown = ", ".join(map(repr, answers.values()))
            reading.notes.append(f"{table.path}: the labels are read from the columns {shown}, not from {labels!r}")
    elif labels is None:
        wanted = "one column per label" if codebook.multilabel else "a column 'label'"
        raise DataError(
            describe_names_below(str(table.path), table.rows)
            or f"{table.path}: the table has no labels. Add {wanted} ({', '.join(codebook.names)}) or a column 'labels' (a|b). "
            f"Columns found: {', '.join(table.columns)}{describe_unknown(unknown, ('label', 'labels', *codebook.names))}"
        )
    elif (reason := refuse_predictions(str(table.path), table.columns, labels)) is not None:
        raise DataError(f"{reason}. To compare a model with the coders, name its output with --model")


def _unescaped(table: Table) -> Table:
    """Return a table without the apostrophes that `escape_formula` added."""
    rows = [
        (number, {unescape_formula(name): unescape_formula(value) for name, value in row.items()})
        for number, row in table.rows
    ]
    return replace(table, columns=[unescape_formula(name) for name in table.columns], rows=rows)


def _acts(
    row: Mapping[str, Any], columns: Sequence[str], labels: Sequence[str] | None, codebook: Codebook
) -> dict[str, Act] | None:
    """Return kind, holder and target of the labels of a row of JSON Lines, or None if there is no such column.

    Raises:
        ValueError: They do not fit the text or the codebook.
    """
    if ACTS not in columns or not isinstance(row.get(ACTS), Mapping):
        return None
    return read_acts(row[ACTS], str(row.get(TEXT) or ""), labels, codebook)


def _from_columns(
    row: Mapping[str, Any], columns: Mapping[str, str], codebook: Codebook
) -> tuple[tuple[str, ...] | None, bool]:
    if is_uncoded(row, columns.values()):
        return None, False
    answers = read_answers(row, columns)
    chosen = [name for name, answer in answers.items() if answer]
    blank = sum(answer is None for answer in answers.values())
    if blank and not chosen:
        raise ValueError(
            f"{counted(len(answers) - blank, 'label')} answered, {blank} blank. Answer every label with yes or no, or "
            "leave all of them blank"
        )
    return decode(chosen or [NONE], codebook), blank > 0


def _from_cell(value: Any, codebook: Codebook) -> tuple[str, ...] | None:
    # An empty list means that no label applies. An empty cell means that the row was not coded.
    if is_blank(value):
        return None
    if isinstance(value, str) and value.strip() == NONE and codebook.multilabel:
        return ()
    return codebook.validate_labels(split_labels(value, codebook))
