"""Read tables as streams: CSV, TSV, JSON Lines, Parquet, Arrow files and XLSX, a chunk of rows at a time.

What cannot be read becomes a `Problem` in the place of its row and never a silent gap. Rows are numbered as people see
them: in CSV, TSV and XLSX the header is row 1 (a quoted line break does not start a new row); in JSON Lines rows are lines;
in Parquet and Arrow files the first row is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ..errors import DataError
from .encoding import REPLACEMENT, UNDECODABLE, TextFile

if TYPE_CHECKING:
    import pyarrow as pa


#: Characters of a line or cell that are read. A quotation mark that is never closed takes the rest of a file into one cell,
#: and a compressed line can unpack to more than the memory; a long book has five million characters.
MAX_CELL = 1 << 24

#: Most columns of a table and keys of a row. XLSX allows 16,384 columns.
MAX_COLUMNS = 20_000

#: Most rows and cells of a chunk.
CHUNK, CHUNK_CELLS = 1024, 1 << 18

#: Characters of an unreadable row that are shown.
SHOWN = 1000
Row = dict[str, Any]


@dataclass(frozen=True)
class Chunk:
    """Consecutive readable rows: their numbers, and the rows as dicts or as an Arrow table."""

    numbers: Sequence[int]
    rows: list[Row] | pa.Table

    def to_rows(self) -> list[Row]:
        """Return the rows as dicts."""
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
    #: Sheet of a workbook to read, by name or by number from 1. Default: the first visible one.
    sheet: str | None = None
    #: Share of the file read so far, 0 to 1.
    position: Callable[[], float] = lambda: 0.0


class Unreadable(str):
    """An empty cell that should hold something; `reason` says why it does not."""

    reason: str

    def __new__(cls, reason: str) -> Unreadable:
        """Make an empty text that carries the reason."""
        cell = super().__new__(cls, "")
        cell.reason = reason
        return cell


#: Cells that programs write where there is no value. Only a cell that is exactly one of them counts: "na" and "Null" are words.
MISSING = frozenset({
    "NA", "N/A", "n/a", "n.a.", "N.A.", "#N/A", "NaN", "nan", "NAN", "NaT", "NULL", "null", "None", "<NA>", "-", "–", "—",
    # "No information" in German, Spanish, Portuguese, Polish, Czech and Russian.
    "k. A.", "k.A.", "s/d", "S/D", "s.d.", "n.d.", "b.d.", "b. d.", "н/д", "Н/Д",
    # Errors of Excel in English, German, French, Spanish, Italian, Portuguese, Turkish and Russian.
    "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "#CALC!", "#SPILL!",
    "#NV", "#WERT!", "#BEZUG!", "#ZAHL!",
    "#N/D", "#ND", "#VALEUR!", "#NOM?", "#NOMBRE!",
    "#¡VALOR!", "#¡REF!", "#¿NOMBRE?", "#¡DIV/0!",
    "#VALORE!", "#RIF!", "#VALOR!",
    "#YOK", "#DEĞER!", "#BAŞV!", "#SAYI/0!",
    "#Н/Д", "#ЗНАЧ!", "#ССЫЛКА!", "#ДЕЛ/0!",
})  # fmt: skip


def is_missing(text: str) -> bool:
    """Return whether a cell says that there is no value, see `MISSING`."""
    return len(text) < 12 and text.strip() in MISSING


def header(path: Path, names: Iterable[Any]) -> list[str]:
    """Name columns: spaces at the ends are removed, and a column without a name gets one.

    Raises:
        DataError: Two columns have the same name, none has a name, or there are too many.
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
            raise DataError(f"{path}, row 1: two columns are named {name!r}; rename one of them")
        seen.add(name)
    if not any(columns):
        raise DataError(f"{path}: no header; the first row must name the columns")
    for i, name in enumerate(columns):
        if not name:
            number = next(number for number in range(i + 1, i + 2 + len(columns)) if f"column_{number}" not in seen)
            columns[i] = f"column_{number}"
            seen.add(columns[i])
    return columns


def chunked(pieces: Iterable[tuple[int, Row] | Problem]) -> Iterator[Chunk | Problem]:
    """Gather rows into chunks; a problem ends one."""
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
    """Read a line of at most `MAX_CELL` characters; of a longer one the beginning, and skip its rest.

    Returns:
        The line with its line end, empty at the end of the file, and whether it was too long.
    """
    line = handle.readline(MAX_CELL)
    if len(line) < MAX_CELL or line.endswith(("\n", "\r")):
        return line, False
    while (rest := handle.readline(MAX_CELL)) and not rest.endswith(("\n", "\r")):
        pass
    return line[: 2 * SHOWN], True


def is_cut(line: str, text: TextFile) -> bool:
    """Return whether a line is incomplete because the file could not be read to its end."""
    return text.source.failure is not None and not line.endswith(("\n", "\r"))


def damage_reason(text: TextFile) -> str:
    """Return the reason why a row with undecodable bytes is not read."""
    return f"bytes that are not {text.encoding.title}; name the file's encoding with --encoding, or save it as UTF-8"


def early_end(stream: TableStream, text: TextFile, number: int, content: str) -> Iterator[Problem]:
    """Yield a problem if the file could not be read to its end."""
    if text.source.failure is not None:
        yield Problem(
            number,
            f"{stream.path}, row {number}: the file ends early ({text.source.failure}); copy it again; "
            "the rows before are kept",
            excerpt(content),
        )


def excerpt(content: str) -> str:
    """Return the beginning of an unreadable row, with marks where bytes could not be decoded."""
    content = content.replace(UNDECODABLE, REPLACEMENT).strip()
    return content if len(content) <= SHOWN else content[:SHOWN] + "…"
