"""Write rows as JSON Lines, CSV or Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .atomic import replacing


def write_jsonl(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object per line, in UTF-8 and without escaping characters."""
    with replacing(path) as handle:
        handle.writelines(jsonl_lines(rows))


def jsonl_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines that `write_jsonl` writes, with their line ends."""
    return (json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)


def write_csv(path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a CSV file in UTF-8. Lists become ``a|b``.

    The file begins with a byte order mark, because spreadsheets would otherwise read it in a legacy encoding.
    """
    with replacing(path) as handle:
        handle.write("\ufeff")
        # Use the line end of RFC 4180. With "\n", Python would not quote a cell that contains "\r", and readers would cut it there.
        writer = csv.DictWriter(handle, columns, lineterminator="\r\n", restval="")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: "|".join(map(str, v)) if isinstance(v, list) else v for key, v in row.items()})


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
