"""Read CSV and TSV files as streams of rows."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from itertools import chain
from typing import Any

from ..errors import DataError
from ..reporting.format import counted
from .encoding import UNDECODABLE, TextFile
from .tables import (
    MAX_CELL,
    Problem,
    Row,
    TableStream,
    bounded_line,
    chunked,
    damage_reason,
    early_end,
    excerpt,
    header,
    is_cut,
)


class _Lines:
    """The lines of a text file. If a row is broken, its lines after the first can be put back and read again as separate rows."""

    def __init__(self, text: TextFile) -> None:
        self._handle = text.handle
        self._again: deque[str] = deque()
        self.row: list[str] = []
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line, too_long = (self._again.popleft(), False) if self._again else bounded_line(self._handle)
        if not line:
            raise StopIteration
        self.row.append(line)
        self.number += 1
        if too_long:
            raise csv.Error(f"a line of more than {MAX_CELL:,} characters")
        return line

    def put_back(self) -> None:
        """Put back all lines of the row except the first."""
        self._again.extendleft(reversed(self.row[1:]))
        self.number -= len(self.row) - 1
        del self.row[1:]


def open_delimited(stream: TableStream, text: TextFile, file_format: str) -> None:
    """Fill a stream from a CSV or TSV file.

    Raises:
        DataError: The file has no header, or two columns have the same name.
    """
    lines = _Lines(text)
    try:
        first = next(lines, "")
        if named := _DELIMITER.fullmatch(first.strip()):
            first = next(lines, "")
    except csv.Error as error:
        raise DataError(
            f"{stream.path}, row 1 (line {lines.number}): {error}. Check that the file is a table"
        ) from error
    # Spreadsheets write ';' in many European locales. Use the delimiter that is most frequent in the header, because column names
    # rarely contain delimiters.
    delimiter = "\t" if file_format == ".tsv" else max(",;\t", key=first.count)
    if named:
        delimiter = named[1]
    reader = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
    try:
        cells = _next(reader)
    except csv.Error as error:
        raise DataError(f"{stream.path}, row 1 (line {lines.number}): {error}. {_QUOTES}") from error
    if not cells and text.source.failure is not None:
        raise DataError(f"{stream.path}: not readable ({text.source.failure}). Copy the file again")
    if not any(cells or ()) and not any(line.strip() for line in lines):
        raise DataError(f"{stream.path}: the file is empty. Write the column names into the first row")
    stream.columns = header(stream.path, cells or ())
    stream.chunks = chunked(_delimited(stream, text, csv.reader(lines, delimiter=delimiter, strict=True), lines))


#: The first line of a file in which Excel declares the delimiter.
_DELIMITER = re.compile(r'"?sep=([^\w\s"]|\t)"?', re.IGNORECASE)

_QUOTES = "Close the quotation mark, or double it inside a quoted cell"


def _next(reader: Any) -> list[str] | None:
    """Return the next row, or None at the end of the file.

    The csv module's limit of 131,072 characters per cell is raised, because a cell may contain a long text.
    """
    limit = csv.field_size_limit(MAX_CELL)
    try:
        return next(reader, None)
    finally:
        csv.field_size_limit(limit)


def _delimited(stream: TableStream, text: TextFile, reader: Any, lines: _Lines) -> Iterator[tuple[int, Row] | Problem]:
    # The header is row 1, as in a spreadsheet, even if a line that declares the delimiter precedes it.
    number = 1
    while True:
        number += 1
        lines.row.clear()
        begin = lines.number + 1
        place = f"{stream.path}, row {number}"
        try:
            cells = _next(reader)
        except csv.Error as error:
            lines.put_back()
            yield Problem(number, f"{place} (line {begin}): {error}. {_QUOTES}", excerpt(lines.row[0]))
            continue
        if cells is None or is_cut(lines.row[-1], text):
            break
        if text.encoding.damaged and any(UNDECODABLE in line for line in lines.row):
            yield Problem(number, f"{place}: {damage_reason(text)}", excerpt("".join(lines.row)))
        elif len(cells) == len(stream.columns):
            yield number, dict(zip(stream.columns, cells, strict=True))
        elif any(cell.strip() for cell in cells):
            yield Problem(
                number,
                f"{place}: the row has {counted(len(cells), 'cell')}, but the header has {len(stream.columns)}. "
                f"Quote cells that contain {reader.dialect.delimiter!r}, or add the missing cells",
                excerpt("".join(lines.row)),
            )
    yield from early_end(stream, text, number, "".join(lines.row))
