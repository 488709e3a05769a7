"""Write labelled shards as Parquet, JSON Lines, CSV or TSV, compressed or not."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from ..data.predictions_schema import ERROR, PREFIX
from ..io.arrow import cast_to, unify_schemas
from ..io.suffixes import ending
from ..io.tables import Row
from .label import LabelledShard, ShardCounts
from .shard import json_text

#: Endings of an output; those of text also with `.gz` or `.zst` behind them.
OUTPUT_SUFFIXES = (".jsonl", ".csv", ".tsv", ".parquet")


def output_suffix(path: str | Path) -> str | None:
    """Return the suffix that decides how an output is written; None if it is unknown."""
    suffix, codec = ending(path)
    return suffix if suffix in OUTPUT_SUFFIXES and not (suffix == ".parquet" and codec) else None


def write_shards(
    handle: IO[bytes],
    suffix: str,
    codec: str | None,
    headers: Sequence[tuple[pa.Schema, ShardCounts]],
    shards: Iterable[LabelledShard],
) -> None:
    """Write labelled shards one after the other.

    Args:
        handle: An open binary file.
        suffix: One of `OUTPUT_SUFFIXES`.
        codec: Arrow's name of a compression of text, or None.
        headers: Schema and counts of all shards: the columns of a file must be known before its first row.
        shards: The shards, in order; one is in memory at a time.
    """
    if suffix == ".parquet":
        _write_parquet(handle, _columns(headers), shards)
        return
    with _compressed(handle, codec) as target:
        if suffix == ".jsonl":
            for shard in shards:
                target.write(jsonl(shard))
        else:
            _write_delimited(target, "\t" if suffix == ".tsv" else ",", _columns(headers), shards)


@contextmanager
def _compressed(handle: IO[bytes], codec: str | None) -> Iterator[Any]:
    if codec is None:
        yield handle
        return
    # Arrow writes no time into a gzip header, unlike Python: the same rows are the same bytes.
    stream = pa.CompressedOutputStream(pa.PythonFile(handle, "w"), codec)
    yield stream
    stream.flush()
    stream.close()


def jsonl(shard: LabelledShard) -> bytes:
    """Return a labelled shard as JSON Lines in UTF-8."""
    return "".join(json_text(row) + "\n" for row in shard.to_rows()).encode()


def _columns(headers: Sequence[tuple[pa.Schema, ShardCounts]]) -> pa.Schema:
    """Find the columns of all shards; `error` is among them only if some row has one."""
    schema = unify_schemas(schema for schema, _ in headers)
    errors = any(counts.unreadable or counts.letterless for _, counts in headers)
    return pa.schema([column for column in schema if column.name != ERROR or errors])


def _write_parquet(handle: IO[bytes], schema: pa.Schema, shards: Iterable[LabelledShard]) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(handle, schema, compression="zstd") as writer:
        for shard in shards:
            # One row group per shard.
            table = shard.table.select([name for name in shard.table.column_names if name in schema.names])
            writer.write_table(cast_to(table, schema), row_group_size=max(1, len(table)))


def _write_delimited(target: Any, delimiter: str, schema: pa.Schema, shards: Iterable[LabelledShard]) -> None:
    columns = [column for name in schema.names for column in _flat_names(schema.field(name))]
    # Without a BOM spreadsheets read UTF-8 as a legacy encoding. Lines end as RFC 4180 says: with "\n" alone, Python leaves a
    # cell that contains "\r" unquoted, and it would start a row.
    target.write("\ufeff".encode() + _csv([columns], delimiter))
    for shard in shards:
        rows = map(flat, shard.to_rows())
        target.write(_csv(([cell(row.get(column)) for column in columns] for row in rows), delimiter))


def _flat_names(field: pa.Field) -> list[str]:
    if field.name == "probabilities":
        return [f"{PREFIX}{child.name}" for child in field.type]
    return [field.name]


def flat(row: Row) -> Row:
    """Return a row with one column per probability."""
    return row | {f"{PREFIX}{label}": p for label, p in (row.get("probabilities") or {}).items()}


def _csv(lines: Iterable[Sequence[Any]], delimiter: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows(lines)
    return text.getvalue().encode()


def cell(value: Any) -> Any:
    """Write lists of names as ``a|b``, and what is nested as JSON."""
    if isinstance(value, list) and all(isinstance(v, (str, int, float)) for v in value):
        return "|".join(map(str, value))
    return json_text(value) if isinstance(value, (list, dict)) else value
