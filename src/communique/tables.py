"""Tables in memory: read all rows of a file, and write rows under a temporary name. `readers` reads them as streams."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from .readers import SUFFIXES, Problem, Row, open_table
from .streams import read_text

__all__ = [
    "SUFFIXES",
    "Row",
    "Table",
    "cell",
    "read_table",
    "read_text",
    "replacing",
    "write_csv",
    "write_jsonl",
    "write_parquet",
]


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


def cell(row: Row, column: str | None) -> str | None:
    """Give a value as text without spaces at its ends; None where there is no column, no value or nothing but spaces."""
    value = row.get(column) if column else None
    return None if value is None else str(value).strip() or None


def read_table(path: str | Path) -> Table:
    """Read a table whole.

    Raises:
        DataError: The file as a whole cannot be read: missing, no header, two columns of one name, unknown ending.
    """
    table = Table(Path(path))
    with open_table(path) as stream:
        columns = dict.fromkeys(stream.columns)
        for chunk in stream.chunks:
            if isinstance(chunk, Problem):
                table.problems.append(chunk.reason)
                continue
            rows = chunk.to_rows()
            table.rows += zip(chunk.numbers, rows, strict=True)
            # Only rows of JSON Lines bring columns of their own.
            columns.update(dict.fromkeys(column for row in rows for column in row))
    table.columns, table.notes = list(columns), stream.notes
    return table


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
