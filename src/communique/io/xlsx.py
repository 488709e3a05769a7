"""Read the first sheet of an XLSX workbook."""

from __future__ import annotations

from typing import Any

from ..errors import DataError
from .tables import TableStream, chunked, header


def open_xlsx(stream: TableStream) -> None:
    """Fill a stream from the first sheet of a workbook.

    Raises:
        DataError: The file is not a readable workbook, its sheet is empty, or two columns share a name.
    """
    # A workbook is a ZIP of one XML tree: it is read whole, and has at most 1,048,576 rows.
    from python_calamine import CalamineError, CalamineWorkbook

    path = stream.path
    try:
        book = CalamineWorkbook.from_path(str(path))
        name = book.sheet_names[0]
        sheet = book.get_sheet_by_name(name)
        cells = sheet.to_python()
    except (CalamineError, OSError, IndexError) as error:
        raise DataError(f"{path}: not a readable XLSX file ({error})") from error
    if len(book.sheet_names) > 1:
        stream.notes.append(f"{path}: {len(book.sheet_names)} sheets; the first, {name!r}, is read")
    if not cells:
        raise DataError(f"{path}: empty; the first row must name the columns")
    columns = stream.columns = header(path, cells[0])
    # Empty rows above the header are not among the cells, but people count them.
    first = sheet.start[0] + 2 if sheet.start else 2
    stream.chunks = chunked(
        (number, dict(zip(columns, map(_whole, row), strict=True)))
        for number, row in enumerate(cells[1:], first)
        if any(cell != "" for cell in row)
    )


def _whole(cell: Any) -> Any:
    """Make 2019.0 the 2019 that people see: XLSX has no whole numbers, and ids must equal those of a CSV."""
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell
