"""Types and functions for reading tables as streams, one chunk of rows at a time.

A row that cannot be read becomes a `Problem` in its place, so that no row is lost silently. Rows are numbered as people see them:

- In CSV, TSV and XLSX, the header is row 1, and a quoted line break does not start a new row.
- In JSON Lines, the number of a row is its line number.
- In Parquet and Arrow files, the first row is row 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ..errors import DataError
from .encoding import REPLACEMENT, UNDECODABLE, TextFile

if TYPE_CHECKING:
    import pyarrow as pa


#: Maximum number of characters in a line or cell; a long book has five million. The limit is needed because an unclosed quotation
#: mark puts the rest of a file into one cell, and because a compressed line can unpack to more than fits into memory.
MAX_CELL = 1 << 24

#: Maximum number of columns in a table and of keys in a row. XLSX allows 16,384 columns.
MAX_COLUMNS = 20_000

#: Maximum number of rows and of cells in a chunk.
CHUNK, CHUNK_CELLS = 1024, 1 << 18

#: Number of characters of an unreadable row that are shown.
SHOWN = 1000
Row = dict[str, Any]


@dataclass(frozen=True)
class Chunk:
    """Consecutive readable rows, as dicts or as an Arrow table, with their row numbers."""

    numbers: Sequence[int]
    rows: list[Row] | pa.Table

    def to_rows(self) -> list[Row]:
        """Return the rows as dicts."""
        rows: list[Row] = self.rows if isinstance(self.rows, list) else self.rows.to_pylist()
        return rows


@dataclass(frozen=True)
class Problem:
    """A row that cannot be read: its number, the reason, and the beginning of its content."""

    number: int
    reason: str
    content: str = ""


#: Message about JSON without any key. Files of other formats have a header.
NO_KEYS = "the file is empty. Write one JSON object per line"


@dataclass
class TableStream:
    """An open table. For JSON Lines, `columns` are the columns of the first chunk."""

    path: Path
    columns: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    chunks: Iterable[Chunk | Problem] = ()
    #: Sheet of a workbook to read, by name or by number from 1. Default: the first visible sheet.
    sheet: str | None = None
    #: Return the proportion of the file read so far, from 0 to 1.
    position: Callable[[], float] = lambda: 0.0


class Unreadable(str):
    """The content of a cell that cannot be read: an empty text with the reason."""

    reason: str

    def __new__(cls, reason: str) -> Unreadable:
        """Create an empty text that has the attribute `reason`."""
        cell = super().__new__(cls, "")
        cell.reason = reason
        return cell


#: Cells that programs write for a missing value. Only exact matches count, because "na" and "Null" are words.
MISSING = frozenset({
    "NA", "N/A", "n/a", "n.a.", "N.A.", "#N/A", "NaN", "nan", "NAN", "NaT", "NULL", "null", "None", "<NA>", "-", "–", "—",
    # "No information" in German, Spanish, Portuguese, Polish, Czech and Russian.
    "k. A.", "k.A.", "s/d", "S/D", "s.d.", "n.d.", "b.d.", "b. d.", "н/д", "Н/Д",
    # Excel's error values in English, German, French, Spanish, Italian, Portuguese, Turkish and Russian.
    "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "#CALC!", "#SPILL!",
    "#NV", "#WERT!", "#BEZUG!", "#ZAHL!",
    "#N/D", "#ND", "#VALEUR!", "#NOM?", "#NOMBRE!",
    "#¡VALOR!", "#¡REF!", "#¿NOMBRE?", "#¡DIV/0!",
    "#VALORE!", "#RIF!", "#VALOR!",
    "#YOK", "#DEĞER!", "#BAŞV!", "#SAYI/0!",
    "#Н/Д", "#ЗНАЧ!", "#ССЫЛКА!", "#ДЕЛ/0!",
})  # fmt: skip


def is_missing(text: str) -> bool:
    """Return whether the text of a cell means that the value is missing (see `MISSING`)."""
    return len(text) < 12 and text.strip() in MISSING


def header(path: Path, names: Iterable[Any]) -> list[str]:
    """Return the names of columns without surrounding spaces. A column without a name gets one, such as `column_3`.

    Raises:
        DataError: Two columns have the same name, no column has a name, or there are too many columns.
    """
    names = list(names)
    if len(names) > MAX_COLUMNS:
        raise DataError(
            f"{path}: {len(names):,} columns, but at most {MAX_COLUMNS:,} are read. Keep only the columns that you need"
        )
    columns = ["" if name is None else str(name).replace(UNDECODABLE, REPLACEMENT).strip() for name in names]
    seen: set[str] = set()
    for name in columns:
        if name and name in seen:
            raise DataError(f"{path}, row 1: two columns are named {name!r}. Rename one of them")
        seen.add(name)
    if not any(columns):
        raise DataError(f"{path}: no header. Write the column names into the first row")
    for i, name in enumerate(columns):
        if not name:
            number = next(number for number in range(i + 1, i + 2 + len(columns)) if f"column_{number}" not in seen)
            columns[i] = f"column_{number}"
            seen.add(columns[i])
    return columns


def is_unnamed(column: str) -> bool:
    """Return whether a column probably has no name in the file, because `header` assigns such names."""
    return re.fullmatch(r"column_\d+", column) is not None


def chunked(pieces: Iterable[tuple[int, Row] | Problem]) -> Iterator[Chunk | Problem]:
    """Group rows into chunks. A problem ends the current chunk."""
    numbers: list[int] = []
    rows: list[Row] = []
    cells = 0
    for piece in pieces:
        if not isinstance(piece, Problem):
            numbers.append(piece[0])
            rows.append(piece[1])
            cells += len(piece[1])
        if rows and (isinstance(piece, Problem) or len(rows) >= CHUNK or cells >= CHUNK_CELLS):
            yield Chunk(numbers, rows)
            numbers, rows, cells = [], [], 0
        if isinstance(piece, Problem):
            yield piece
    if rows:
        yield Chunk(numbers, rows)


def bounded_line(handle: TextIO) -> tuple[str, bool]:
    """Read a line of at most `MAX_CELL` characters. Of a longer line, only the beginning is returned and the rest is skipped.

    Returns:
        The line with its line end, or an empty text at the end of the file, and whether the line was too long.
    """
    line = handle.readline(MAX_CELL)
    if len(line) < MAX_CELL or line.endswith(("\n", "\r")):
        return line, False
    while (rest := handle.readline(MAX_CELL)) and not rest.endswith(("\n", "\r")):
        pass
    return line[: 2 * SHOWN], True


def is_cut(line: str, text: TextFile) -> bool:
    """Return whether a line is incomplete because the rest of the file could not be read."""
    return text.source.failure is not None and not line.endswith(("\n", "\r"))


def damage_reason(text: TextFile) -> str:
    """Return the reason why a row with undecodable bytes is not read."""
    return (
        f"bytes that are not {text.encoding.title}. Name the file's encoding with --encoding, or save the file as UTF-8"
    )


def early_end(stream: TableStream, text: TextFile, number: int, content: str) -> Iterator[Problem]:
    """Yield a problem if the rest of the file could not be read."""
    if text.source.failure is not None:
        yield Problem(
            number,
            f"{stream.path}, row {number}: the file ends early ({text.source.failure}). The rows before this one are kept. "
            "Copy the file again",
            excerpt(content),
        )


def excerpt(content: str) -> str:
    """Return the beginning of an unreadable row, with a replacement character where bytes could not be decoded."""
    content = content.replace(UNDECODABLE, REPLACEMENT).strip()
    return content if len(content) <= SHOWN else content[:SHOWN] + "…"
