"""Read a sheet of an XLSX workbook."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..errors import DataError
from ..reporting.format import counted
from .tables import Problem, Row, TableStream, Unreadable, chunked, header
from .workbook import SheetFacts, inspect_sheet


def open_xlsx(stream: TableStream) -> None:
    """Fill a stream from a sheet of a workbook: the sheet that `stream.sheet` names, or else the first visible sheet.

    Raises:
        DataError: The file is not a readable workbook or has no such sheet, the sheet is empty or too large, or two columns have
            the same name.
    """
    # The whole sheet is read into memory, because it is one XML tree in a ZIP archive. It has at most 1,048,576 rows.
    from python_calamine import CalamineError, CalamineWorkbook

    path = stream.path
    try:
        book = CalamineWorkbook.from_path(str(path))
        name = _choose(stream, book)
        facts = inspect_sheet(path, name)
        sheet = book.get_sheet_by_name(name)
        rows = iter(sheet.iter_rows())
        first = next(rows, None)
    except (CalamineError, OSError, IndexError, ValueError) as error:
        raise DataError(f"{path}: not a readable XLSX file ({error}). Save it again, or save it as CSV") from error
    if first is None:
        raise DataError(f"{path}: sheet {name!r} is empty. Write the column names into the first row")
    # calamine leaves out empty columns before the table, but not empty rows.
    top, left = 0, (sheet.start or (0, 0))[1]
    while first is not None and not any(cell != "" for cell in first):
        first, top = next(rows, None), top + 1
    columns = stream.columns = header(path, first or ())
    faults = sum(row != top + 1 for row, _ in facts.faults)
    if faults:
        stream.notes.append(
            f"{path}: {counted(faults, 'cell')} with an error value or a formula without a saved value "
            f"{'are' if faults != 1 else 'is'} read as empty. Open the workbook in Excel or LibreOffice, correct and save it"
        )
    stream.chunks = chunked(_rows(stream, rows, columns, facts, (top + 2, left + 1)))


def _choose(stream: TableStream, book: Any) -> str:
    """Return the name of the sheet to read. If there are several sheets, add a note that names it."""
    sheets = [s for s in book.sheets_metadata if "WorkSheet" in str(s.typ)]
    names: list[str] = [s.name for s in sheets]
    if not names:
        raise DataError(f"{stream.path}: no sheet with cells. Save the table in a worksheet, or save it as CSV")
    visible = [s.name for s in sheets if str(s.visible).endswith(".Visible")] or names
    given = stream.sheet
    if given is None:
        name = visible[0]
    elif given in names:
        name = given
    elif given.isdecimal() and 1 <= int(given) <= len(names):
        name = names[int(given) - 1]
    else:
        raise DataError(f"{stream.path}: no sheet {given!r}. Name one of {', '.join(map(repr, names))} with --sheet")
    if len(names) > 1 or name not in visible:
        shown = ", ".join(repr(n) + ("" if n in visible else " (hidden)") for n in names)
        hint = (
            ""
            if given is not None
            else ". To read another sheet, move it to the front, or use --sheet if the command has this option"
        )
        stream.notes.append(f"{stream.path}: reading sheet {name!r} of {shown}{hint}")
    return name


def _rows(
    stream: TableStream, rows: Iterator[list[Any]], columns: list[str], facts: SheetFacts, origin: tuple[int, int]
) -> Iterator[tuple[int, Row] | Problem]:
    """Yield rows with their numbers. Empty rows are left out, as in CSV, but a row that contains only faults is yielded."""
    with_faults: dict[int, list[tuple[int, str]]] = {}
    for (row, column), reason in facts.faults.items():
        with_faults.setdefault(row, []).append((column - origin[1], reason))
    # In a column of numbers, an empty cell is None. In a column with texts, it is an empty text.
    typed = facts.numbers - facts.texts
    empties = [None if i + origin[1] in typed else "" for i in range(len(columns))]
    for number, cells in enumerate(rows, origin[0]):
        values = [_value(cell, empty) for cell, empty in zip(cells, empties, strict=True)]
        for column, reason in with_faults.get(number, ()):
            if 0 <= column < len(values):
                values[column] = Unreadable(reason)
        if any(isinstance(value, Unreadable) or value not in ("", None) for value in values):
            yield number, dict(zip(columns, values, strict=True))


def _value(cell: Any, empty: str | None) -> Any:
    """Return the value of a cell, with whole numbers as integers.

    XLSX stores 2019 as 2019.0, but ids must be the same as those in a CSV file.
    """
    if cell == "":
        return empty
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell
