"""Read tables row by row: CSV, TSV, JSON Lines, Parquet and XLSX.

A row that cannot be read becomes a line in `Table.problems` and never a silent gap. Rows are numbered as people see them:
in CSV, TSV and XLSX the header is row 1 (a quoted line break does not start a new row); in JSON Lines rows are lines; in
Parquet the first row is 1.
"""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from .errors import DataError

#: Endings of the tables that can be read.
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet", ".xlsx")

Row = dict[str, Any]


@dataclass
class Table:
    """The readable rows of a file, and what was not readable.

    `rows` holds pairs of a row's number and its values by column. `notes` tells what was assumed, such as an encoding.
    """

    path: Path
    columns: list[str] = field(default_factory=list)
    rows: list[tuple[int, Row]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_text(path: Path) -> tuple[str, list[str]]:
    """Read a text file: UTF-8 with or without BOM, UTF-16 with BOM, else what charset-normalizer finds.

    Returns:
        The text with its line endings as they are, and a note where the encoding had to be guessed.

    Raises:
        DataError: The file cannot be opened or is not text.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; give a file that can be read") from error
    for encoding, mark in (("utf-16", (b"\xff\xfe", b"\xfe\xff")), ("utf-8-sig", (b"",))):
        if raw.startswith(mark):
            try:
                return raw.decode(encoding), []
            except UnicodeDecodeError:
                continue
    from charset_normalizer import from_bytes

    guess = from_bytes(raw).best()
    if guess is None:
        raise DataError(f"{path}: neither UTF-8 nor any encoding of text that can be recognised; save it as UTF-8")
    encoding, text = _by_language(raw, guess.encoding, str(guess))
    return text, [f"{path}: not UTF-8; read as {encoding}. Save it as UTF-8 if characters look wrong"]


#: Code pages of Central and of Western Europe score alike in charset-normalizer; the text's language decides.
_CODE_PAGES = {
    "cp1250": ("bs", "cs", "hr", "hu", "pl", "sk", "sl"),
    "cp1252": ("ca", "da", "de", "en", "es", "fi", "fr", "is", "it", "nl", "no", "pt", "sv"),
}


def _by_language(raw: bytes, encoding: str, text: str) -> tuple[str, str]:
    from .documents import identify_language

    if encoding in _CODE_PAGES:
        language = identify_language(text)
        for other, languages in _CODE_PAGES.items():
            if other != encoding and language in languages:
                with suppress(UnicodeDecodeError):
                    return other, raw.decode(other)
    return encoding, text


def cell(row: Row, column: str | None) -> str | None:
    """Give a value as text without spaces at its ends; None where there is no column, no value or nothing but spaces."""
    value = row.get(column) if column else None
    return None if value is None else str(value).strip() or None


def read_table(path: str | Path) -> Table:
    """Read a table.

    Raises:
        DataError: The file as a whole cannot be read: missing, no header, two columns of one name, unknown ending.
    """
    path = Path(path)
    readers = {
        ".csv": _read_delimited,
        ".tsv": _read_delimited,
        ".jsonl": _read_jsonl,
        ".parquet": _read_parquet,
        ".xlsx": _read_xlsx,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: tables end in {', '.join(SUFFIXES)}; rename or convert the file")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    table = Table(path)
    reader(table)
    return table


def _header(path: Path, names: Iterable[Any]) -> list[str]:
    columns = ["" if name is None else str(name).strip() for name in names]
    for i, name in enumerate(columns):
        if name and name in columns[:i]:
            raise DataError(f"{path}, row 1: two columns are named {name!r}; rename one of them")
    if not any(columns):
        raise DataError(f"{path}: no header; the first row must name the columns")
    return [name or f"column_{i + 1}" for i, name in enumerate(columns)]


def _read_delimited(table: Table) -> None:
    text, table.notes = read_text(table.path)
    first = text.splitlines()[0] if text.strip() else ""
    # Spreadsheets of many European locales write ';'. The header decides: names of columns hold no delimiters.
    delimiter = "\t" if table.path.suffix.lower() == ".tsv" else max(",;\t", key=first.count)
    # The default limit of 131,072 characters a field is below a long statement pasted into one cell.
    limit = csv.field_size_limit(1 << 30)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        number = 0
        while True:
            number += 1
            try:
                cells = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                problem = (
                    f"{table.path}, row {number} (line {reader.line_num}): {error}; "
                    "close the quotation mark, or double it inside a quoted cell"
                )
                if not table.columns:
                    raise DataError(problem) from error
                table.problems.append(problem)
                continue
            if not table.columns:
                table.columns = _header(table.path, cells)
            elif len(cells) == len(table.columns):
                table.rows.append((number, dict(zip(table.columns, cells, strict=True))))
            elif any(cell.strip() for cell in cells):
                table.problems.append(
                    f"{table.path}, row {number}: {len(cells)} cells, the header has {len(table.columns)}; "
                    f"quote cells that contain {delimiter!r} or add the missing ones"
                )
    finally:
        csv.field_size_limit(limit)
    if not table.columns:
        raise DataError(f"{table.path}: empty; the first row must name the columns")


def _read_jsonl(table: Table) -> None:
    text, table.notes = read_text(table.path)
    columns: dict[str, None] = {}
    # Not str.splitlines, which also cuts at U+2028 and at form feeds inside strings.
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:
            table.problems.append(f"{table.path}, row {number}: not JSON ({error}); write one JSON object a line")
            continue
        if not isinstance(row, dict):
            table.problems.append(
                f"{table.path}, row {number}: a JSON {type(row).__name__}; write one JSON object a line"
            )
            continue
        if len(stripped := {key.strip(): value for key, value in row.items()}) < len(row):
            table.problems.append(f"{table.path}, row {number}: two keys differ in spaces alone; rename one of them")
            continue
        row = stripped
        columns.update(dict.fromkeys(row))
        table.rows.append((number, row))
    table.columns = list(columns)


def _object(pairs: list[tuple[str, Any]]) -> Row:
    row = dict(pairs)
    if len(row) < len(pairs):
        repeated = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
        raise ValueError(f"two values are named {repeated!r}")
    return row


def _read_parquet(table: Table) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # The header first: reading two columns of one name fails with a message about neither.
        table.columns = _header(table.path, pq.read_schema(table.path).names)
        content = pq.read_table(table.path)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{table.path}: not a readable Parquet file ({str(error).splitlines()[0]})") from error
    values = content.rename_columns(table.columns).to_pylist()
    table.rows = list(enumerate(values, 1))


def _read_xlsx(table: Table) -> None:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        book = CalamineWorkbook.from_path(str(table.path))
        name = book.sheet_names[0]
        sheet = book.get_sheet_by_name(name)
        cells = sheet.to_python()
    except (CalamineError, OSError, IndexError) as error:
        raise DataError(f"{table.path}: not a readable XLSX file ({error})") from error
    if len(book.sheet_names) > 1:
        table.notes.append(f"{table.path}: {len(book.sheet_names)} sheets; the first, {name!r}, is read")
    if not cells:
        raise DataError(f"{table.path}: empty; the first row must name the columns")
    table.columns = _header(table.path, cells[0])
    # Empty rows above the header are not among the cells, but people count them.
    first = sheet.start[0] + 2 if sheet.start else 2
    table.rows = [
        (number, dict(zip(table.columns, map(_whole, row), strict=True)))
        for number, row in enumerate(cells[1:], first)
        if any(cell != "" for cell in row)
    ]


def _whole(cell: Any) -> Any:
    """Make 2019.0 the 2019 that people see: XLSX has no whole numbers, and ids must equal those of a CSV."""
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


@contextmanager
def replacing(path: str | Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file for writing under a temporary name beside it; it takes its own name when all went well."""
    path = Path(path)
    options: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    handle = tempfile.NamedTemporaryFile(  # noqa: SIM115  # closed below, before it is renamed
        mode, dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False, **options
    )
    try:
        with handle:
            yield handle
        os.chmod(handle.name, 0o666 & ~_umask())
        os.replace(handle.name, path)
    except BaseException:
        Path(handle.name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_jsonl(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object a line, UTF-8, characters unescaped."""
    with replacing(path) as handle:
        for row in rows:
            handle.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")


def write_csv(path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write UTF-8 with a BOM, without which spreadsheets take it for a legacy encoding; lists become ``a|b``."""
    with replacing(path) as handle:
        handle.write("\ufeff")
        # RFC 4180; with "\n" alone, Python leaves a cell that contains "\r" unquoted, and it would start a row.
        writer = csv.DictWriter(handle, columns, lineterminator="\r\n", restval="")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: "|".join(map(str, v)) if isinstance(v, list) else v for key, v in row.items()})


def write_parquet(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write Parquet; a column whose values have several types becomes text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {}
    for column in dict.fromkeys(column for row in rows for column in row):
        values = [row.get(column) for row in rows]
        try:
            arrays[column] = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            arrays[column] = pa.array([None if value is None else str(value) for value in values])
    with replacing(path, "wb") as handle:
        pq.write_table(pa.table(arrays), handle)
