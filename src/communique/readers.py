"""Read tables as streams: CSV, TSV, JSON Lines, Parquet, Arrow files and XLSX, a chunk of rows at a time.

What cannot be read becomes a `Problem` in the place of its row and never a silent gap. Rows are numbered as people see
them: in CSV, TSV and XLSX the header is row 1 (a quoted line break does not start a new row); in JSON Lines rows are lines;
in Parquet and Arrow files the first row is 1.
"""

from __future__ import annotations

import csv
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import DataError
from .streams import MARK, REPLACEMENT, Encoding, Text, ending, open_text

if TYPE_CHECKING:
    import pyarrow as pa

#: Endings of the tables that can be read; those of text also with `.gz` or `.zst` behind them.
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet", ".xlsx")

#: Endings that only folders of `datasets.save_to_disk` use.
ARROW = ".arrow"

#: Rows of a chunk.
CHUNK = 1024

#: Characters a cell may hold. A quotation mark that is never closed takes the rest of a file into one cell: an end to it.
MAX_CELL = 1 << 26

#: Characters of an unreadable row that are shown.
SHOWN = 1000

Row = dict[str, Any]


@dataclass(frozen=True)
class Chunk:
    """Consecutive readable rows: their numbers, and the rows as dicts or as an Arrow table."""

    numbers: Sequence[int]
    rows: list[Row] | pa.Table

    def to_rows(self) -> list[Row]:
        """Give the rows as dicts."""
        rows: list[Row] = self.rows if isinstance(self.rows, list) else self.rows.to_pylist()
        return rows


@dataclass(frozen=True)
class Problem:
    """A row that cannot be read: why, and what stands there."""

    number: int
    reason: str
    content: str = ""


@dataclass
class TableStream:
    """An open table. `columns` of JSON Lines are those of the first chunk."""

    path: Path
    columns: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    chunks: Iterable[Chunk | Problem] = ()
    #: Share of the file read so far, 0 to 1.
    position: Callable[[], float] = lambda: 0.0


@contextmanager
def open_table(path: str | Path, *, form: str | None = None, encoding: Encoding | None = None) -> Iterator[TableStream]:
    """Open a table.

    Args:
        path: The file.
        form: What it holds, as an ending such as `.csv`; its own ending where None.
        encoding: Of a text file; recognised where None.

    Raises:
        DataError: The file as a whole cannot be read: missing, no header, two columns of one name, unknown ending.
    """
    path = Path(path)
    own, codec = ending(path)
    form = form or own
    if form not in (*SUFFIXES, ARROW):
        raise DataError(f"{path}: tables end in {', '.join(SUFFIXES)}; rename or convert the file")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    stream = TableStream(path)
    if form in (".csv", ".tsv", ".jsonl"):
        with open_text(path, encoding) as text:
            stream.notes = text.notes
            stream.position = lambda: text.source.position
            if form == ".jsonl":
                _open_jsonl(stream, text)
            else:
                _open_delimited(stream, text, form)
            yield stream
        return
    if codec is not None:
        raise DataError(f"{path}: {form} files hold their own compression; unpack it to a file that ends in {form}")
    if form == ".xlsx":
        _open_xlsx(stream)
        yield stream
    else:
        from .arrow_readers import open_arrow, open_parquet

        with (open_parquet if form == ".parquet" else open_arrow)(stream):
            yield stream


def header(path: Path, names: Iterable[Any]) -> list[str]:
    """Name columns: spaces at the ends go, a column without a name gets one.

    Raises:
        DataError: Two have one name, or none has any.
    """
    columns = ["" if name is None else str(name).replace(MARK, REPLACEMENT).strip() for name in names]
    for i, name in enumerate(columns):
        if name and name in columns[:i]:
            raise DataError(f"{path}, row 1: two columns are named {name!r}; rename one of them")
    if not any(columns):
        raise DataError(f"{path}: no header; the first row must name the columns")
    return [name or f"column_{i + 1}" for i, name in enumerate(columns)]


def chunked(pieces: Iterable[tuple[int, Row] | Problem]) -> Iterator[Chunk | Problem]:
    """Gather rows into chunks; a problem ends one."""
    numbers: list[int] = []
    rows: list[Row] = []
    for piece in pieces:
        if not isinstance(piece, Problem):
            numbers.append(piece[0])
            rows.append(piece[1])
        if rows and (isinstance(piece, Problem) or len(rows) >= CHUNK):
            yield Chunk(numbers, rows)
            numbers, rows = [], []
        if isinstance(piece, Problem):
            yield piece
    if rows:
        yield Chunk(numbers, rows)


class _Lines:
    """A text file's lines, of which those of a row that proved broken can be read again as rows of their own."""

    def __init__(self, text: Text) -> None:
        self._handle = text.handle
        self._again: deque[str] = deque()
        self.row: list[str] = []
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._handle)
        self.row.append(line)
        self.number += 1
        return line

    def put_back(self) -> None:
        """Put all lines of the row back but its first."""
        self._again.extendleft(reversed(self.row[1:]))
        self.number -= len(self.row) - 1
        del self.row[1:]


def _open_delimited(stream: TableStream, text: Text, form: str) -> None:
    lines = _Lines(text)
    first = next(lines, "")
    # Spreadsheets of many European locales write ';'. The header decides: names of columns hold no delimiters.
    delimiter = "\t" if form == ".tsv" else max(",;\t", key=first.count)
    reader = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
    try:
        cells = _next(reader)
    except csv.Error as error:
        raise DataError(f"{stream.path}, row 1 (line {lines.number}): {error}; {_QUOTES}") from error
    if not cells and text.source.failure is not None:
        raise DataError(f"{stream.path}: not readable ({text.source.failure}); copy the file again")
    if not any(cells or ()) and not any(line.strip() for line in lines):
        raise DataError(f"{stream.path}: empty; the first row must name the columns")
    stream.columns = header(stream.path, cells or ())
    stream.chunks = chunked(_delimited(stream, text, csv.reader(lines, delimiter=delimiter, strict=True), lines))


_QUOTES = "close the quotation mark, or double it inside a quoted cell"


def _next(reader: Any) -> list[str] | None:
    """Read a row, or None at the end; the limit of the csv module, 131,072 characters a cell, is below a long statement."""
    limit = csv.field_size_limit(MAX_CELL)
    try:
        return next(reader, None)
    finally:
        csv.field_size_limit(limit)


def _delimited(stream: TableStream, text: Text, reader: Any, lines: _Lines) -> Iterator[tuple[int, Row] | Problem]:
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
            yield Problem(number, f"{place} (line {begin}): {error}; {_QUOTES}", _shown(lines.row[0]))
            continue
        if cells is None or _is_cut(lines.row[-1], text):
            break
        if text.encoding.damaged and any(MARK in line for line in lines.row):
            yield Problem(number, f"{place}: {_damage(text)}", _shown("".join(lines.row)))
        elif len(cells) == len(stream.columns):
            yield number, dict(zip(stream.columns, cells, strict=True))
        elif any(cell.strip() for cell in cells):
            yield Problem(
                number,
                f"{place}: {len(cells)} cells, the header has {len(stream.columns)}; "
                f"quote cells that contain {reader.dialect.delimiter!r} or add the missing ones",
                _shown("".join(lines.row)),
            )
    yield from _early_end(stream, text, number, "".join(lines.row))


def _is_cut(line: str, text: Text) -> bool:
    return text.source.failure is not None and not line.endswith(("\n", "\r"))


def _damage(text: Text) -> str:
    return f"bytes that are not {text.encoding.name}; save the file as UTF-8"


def _early_end(stream: TableStream, text: Text, number: int, content: str) -> Iterator[Problem]:
    if text.source.failure is not None:
        yield Problem(
            number,
            f"{stream.path}, row {number}: the file ends early ({text.source.failure}); copy it again; "
            "the rows before are kept",
            _shown(content),
        )


def _shown(content: str) -> str:
    content = content.replace(MARK, REPLACEMENT).strip()
    return content if len(content) <= SHOWN else content[:SHOWN] + "…"


def _open_jsonl(stream: TableStream, text: Text) -> None:
    chunks = chunked(_json_rows(stream, text))
    # The first rows name the columns; problems before them are kept for whoever reads on.
    begin: list[Chunk | Problem] = []
    for chunk in chunks:
        begin.append(chunk)
        if isinstance(chunk, Chunk):
            stream.columns = list(dict.fromkeys(column for row in chunk.to_rows() for column in row))
            break
        if len(begin) >= CHUNK:
            break
    stream.chunks = chain(begin, chunks)


def _json_rows(stream: TableStream, text: Text) -> Iterator[tuple[int, Row] | Problem]:
    number, line = 0, ""
    # Lines of the file, not str.splitlines, which also cuts at U+2028 and at form feeds inside strings.
    for number, line in enumerate(text.handle, 1):  # used behind the loop
        if _is_cut(line, text):
            number -= 1
            break
        if not line.strip():
            continue
        row = _json_row(line, text)
        if isinstance(row, str):
            yield Problem(number, f"{stream.path}, row {number}: {row}", _shown(line))
        else:
            yield number, row
    yield from _early_end(stream, text, number + 1, line)


def _json_row(line: str, text: Text) -> Row | str:
    """Read a line; what is wrong with it where it holds no row."""
    if text.encoding.damaged and MARK in line:
        return _damage(text)
    try:
        row = json.loads(line, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        return f"not JSON ({error}); write one JSON object a line"
    if not isinstance(row, dict):
        return f"a JSON {type(row).__name__}; write one JSON object a line"
    if len(stripped := {key.strip(): value for key, value in row.items()}) < len(row):
        return "two keys differ in spaces alone; rename one of them"
    return stripped


def _object(pairs: list[tuple[str, Any]]) -> Row:
    row = dict(pairs)
    if len(row) < len(pairs):
        repeated = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
        raise ValueError(f"two values are named {repeated!r}")
    return row


def _open_xlsx(stream: TableStream) -> None:
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
