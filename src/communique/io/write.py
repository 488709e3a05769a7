"""Write rows as JSON Lines, CSV or Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..reporting.format import escape_formula
from .atomic import replacing


def write_jsonl(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object per line, in UTF-8 and without escaping characters."""
    with replacing(path) as handle:
        handle.writelines(jsonl_lines(rows))


def jsonl_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines that `write_jsonl` writes, with their line ends."""
    return (json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)


def write_csv(
    path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, escape_formulas: bool = False
) -> None:
    """Write a CSV file in UTF-8. Lists become ``a|b``.

    The file begins with a byte order mark, because spreadsheets would otherwise read it in a legacy encoding.

    Args:
        path: The file.
        columns: The columns.
        rows: The values of each row by column.
        escape_formulas: Whether to put an apostrophe in front of texts and names of columns that a spreadsheet would run as a
            formula, because people will open the file in one.
    """
    escaped = escape_formula if escape_formulas else str
    with replacing(path) as handle:
        handle.write("\ufeff")
        # Use the line end of RFC 4180. With "\n", Python would not quote a cell that contains "\r", and readers would cut it there.
        writer = csv.writer(handle, lineterminator="\r\n")
        writer.writerow(map(escaped, columns))
        known = set(columns)
        for row in rows:
            if not row.keys() <= known:
                raise ValueError(f"not among the columns: {', '.join(sorted(row.keys() - known))}")
            cells = (row.get(name, "") for name in columns)
            texts = ("|".join(map(str, one)) if isinstance(one, list) else one for one in cells)
            writer.writerow([escaped(one) if isinstance(one, str) else one for one in texts])


def write_parquet(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a Parquet file. A column with values of several types becomes text."""
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
