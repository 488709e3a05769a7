"""Open a table as a stream of rows, or read all of its rows."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DataError
from .conllu import open_conllu
from .delimited import open_delimited
from .documents.read import require_reader
from .encoding import TextFile, open_text
from .hints import missing_file, refuse_standard_input, unknown_suffix
from .json_array import holds_lines, open_json
from .jsonl import open_jsonl
from .recognise import Encoding
from .suffixes import CORPUS_SUFFIXES, JSON, ROW_SUFFIXES, TABLE_SUFFIXES, TEXT_SUFFIXES, ending
from .tables import Problem, Row, TableStream
from .tei import open_tei
from .xlsx import open_xlsx


@contextmanager
def open_table(
    path: str | Path, *, file_format: str | None = None, encoding: Encoding | None = None, sheet: str | None = None
) -> Iterator[TableStream]:
    """Open a table, or a corpus of segments or sentences.

    Args:
        path: The file.
        file_format: Format of the file, as a suffix such as `.csv`. Default: the file's suffix.
        encoding: Encoding of a text file, as `encoding.inspect` returned it. Default: recognised from the file.
        sheet: Sheet of a workbook, by name or by number from 1. Default: the first visible sheet.

    Raises:
        DataError: The whole file cannot be read: it is missing or damaged, has an unknown suffix or no header, or two columns have
            the same name.
        MissingExtraError: The library that reads the format is not installed.
    """
    refuse_standard_input(path)
    path = Path(path)
    own, codec = ending(path)
    file_format = file_format or own
    if file_format not in ROW_SUFFIXES:
        shown = ", ".join((*TABLE_SUFFIXES, JSON, *CORPUS_SUFFIXES))
        hint = unknown_suffix(path, TABLE_SUFFIXES)
        raise DataError(f"{path}: not a supported table format ({shown}). Rename or convert the file{hint}")
    if not path.is_file():
        raise DataError(f"{path}: no such file{missing_file(path)}")
    stream = TableStream(path, sheet=sheet)
    if file_format in TEXT_SUFFIXES:
        if file_format == JSON:
            with open_text(path, encoding) as text:
                file_format = ".jsonl" if holds_lines(text) else JSON
        with open_text(path, encoding) as text:
            stream.notes = text.notes
            stream.position = lambda: text.source.position
            _open_text(stream, text, file_format)
            yield stream
        return
    if codec is not None:
        raise DataError(
            f"{path}: compressed {file_format} files cannot be read. Decompress it to a file that ends in {file_format}"
        )
    if file_format == ".xlsx":
        open_xlsx(stream)
        yield stream
    elif file_format == ".xml":
        require_reader(file_format)
        with open_tei(stream):
            yield stream
    else:
        from .arrow_files import open_arrow, open_parquet

        with (open_parquet if file_format == ".parquet" else open_arrow)(stream):
            yield stream


def _open_text(stream: TableStream, text: TextFile, file_format: str) -> None:
    if file_format == ".jsonl":
        open_jsonl(stream, text)
    elif file_format == JSON:
        open_json(stream, text)
    elif file_format == ".conllu":
        open_conllu(stream, text)
    else:
        open_delimited(stream, text, file_format)


@dataclass
class Table:
    """The readable rows of a file, and the problems with the other rows.

    Each item of `rows` is a row's number and its values by column. `notes` list assumptions, such as an encoding.
    """

    path: Path
    columns: list[str] = field(default_factory=list)
    rows: list[tuple[int, Row]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def cell(row: Row, column: str | None) -> str | None:
    """Return a value as text without surrounding spaces, or None if there is no column, no value, or only spaces."""
    value = row.get(column) if column else None
    return None if value is None else str(value).strip() or None


#: A text such as 1,234, which is either a whole number with a separator of thousands or a number with a decimal comma.
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


def has_decimal_comma(value: object) -> bool:
    """Return whether a cell is a text with one comma and no point, which `as_number` reads as a decimal comma."""
    return isinstance(value, str) and value.count(",") == 1 and "." not in value


def as_number(value: object, *, largest: float = math.inf) -> float:
    """Return a cell as a number. A text may have a decimal comma, as in the spreadsheets of many countries.

    Args:
        value: The cell.
        largest: The largest number that makes sense. If it is below 1,000, a comma cannot separate thousands.

    Raises:
        ValueError: The text is not a number, or it is ambiguous, such as 1,234.
        TypeError: The value is neither a text nor a number.
    """
    if isinstance(value, str) and has_decimal_comma(value):
        if largest >= 1000 and _THOUSANDS.fullmatch(value.strip()):
            raise ValueError(
                f"{value!r} may be a decimal number or have a separator of thousands. Write it without a comma"
            )
        value = value.replace(",", ".")
    return float(value)  # type: ignore[arg-type]


def read_table(path: str | Path, *, encoding: str | None = None, sheet: str | None = None) -> Table:
    """Read a whole table into memory.

    Args:
        path: The file.
        encoding: Encoding of a text file. Default: recognised from the file.
        sheet: Sheet of a workbook, by name or by number from 1. Default: the first visible sheet.

    Raises:
        DataError: The whole file cannot be read: it is missing or damaged, has an unknown suffix or no header, or two columns have
            the same name.
    """
    table = Table(Path(path))
    with open_table(path, encoding=Encoding.chosen(encoding), sheet=sheet) as stream:
        columns = dict.fromkeys(stream.columns)
        for chunk in stream.chunks:
            if isinstance(chunk, Problem):
                table.problems.append(chunk.reason)
                continue
            rows = chunk.to_rows()
            table.rows += zip(chunk.numbers, rows, strict=True)
            # Only rows of JSON Lines can have columns that are not in the first chunk.
            columns.update(dict.fromkeys(column for row in rows for column in row))
    table.columns, table.notes = list(columns), stream.notes
    return table
