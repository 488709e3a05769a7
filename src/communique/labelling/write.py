"""Write labelled shards as Parquet, JSON Lines, CSV or TSV, compressed or not."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from ..data.predictions_schema import ERROR
from ..io.arrow import cast_to, unify_schemas
from ..io.suffixes import ending
from ..io.tables import Row
from .label import counts, rows
from .reader import json_text

#: Endings of an output; those of text also with `.gz` or `.zst` behind them.
OUTPUT_SUFFIXES = (".jsonl", ".csv", ".tsv", ".parquet")


def output_form(path: str | Path) -> str | None:
    """Give the ending that says how an output is written; None where it is not known."""
    form, codec = ending(path)
    return form if form in OUTPUT_SUFFIXES and not (form == ".parquet" and codec) else None


def write_shards(
    handle: IO[bytes], form: str, codec: str | None, schemas: Iterable[pa.Schema], tables: Iterable[pa.Table]
) -> None:
    """Write labelled shards one after the other.

    Args:
        handle: Where to, in bytes.
        form: One of `OUTPUT_SUFFIXES`.
        codec: Arrow's name of a compression of text, or None.
        schemas: Those of all shards: what columns a file has must be known before its first row.
        tables: The shards, in order; one is in memory at a time.
    """
    if form == ".parquet":
        _write_parquet(handle, schemas, tables)
        return
    with _compressed(handle, codec) as target:
        if form == ".jsonl":
            for table in tables:
                target.write(jsonl(table))
        else:
            _write_delimited(target, "\t" if form == ".tsv" else ",", schemas, tables)


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


def jsonl(table: pa.Table) -> bytes:
    """Write a labelled shard as JSON Lines in UTF-8."""
    return "".join(json_text(row) + "\n" for row in rows(table)).encode()


def _columns(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """Find the columns of all shards; `error` stands behind the output's own, and only where some row has one."""
    schemas = list(schemas)
    schema = unify_schemas(schemas)
    wanted = [name for name in schema.names if name != ERROR or any(counts(one)["errors"] for one in schemas)]
    return pa.schema([schema.field(name) for name in wanted])


def _write_parquet(handle: IO[bytes], schemas: Iterable[pa.Schema], tables: Iterable[pa.Table]) -> None:
    import pyarrow.parquet as pq

    schema = _columns(schemas)
    with pq.ParquetWriter(handle, schema, compression="zstd") as writer:
        for table in tables:
            # A row group a shard.
            table = table.select([name for name in table.column_names if name in schema.names])
            writer.write_table(cast_to(table, schema), row_group_size=max(1, len(table)))


def _write_delimited(target: Any, delimiter: str, schemas: Iterable[pa.Schema], tables: Iterable[pa.Table]) -> None:
    schema = _columns(schemas)
    columns = [column for name in schema.names for column in _flat_names(schema.field(name))]
    # Without a BOM spreadsheets take UTF-8 for a legacy encoding. Lines end as RFC 4180 says: with "\n" alone, Python
    # leaves a cell that contains "\r" unquoted, and it would start a row.
    target.write("\ufeff".encode() + _csv([columns], delimiter))
    for table in tables:
        flat = (_flat(row) for row in rows(table))
        target.write(_csv(([_cell(row.get(column)) for column in columns] for row in flat), delimiter))


def _flat_names(field: pa.Field) -> list[str]:
    if field.name == "probabilities":
        return [f"probability_{child.name}" for child in field.type]
    return [field.name]


def _flat(row: Row) -> Row:
    """Give each probability a column of its own."""
    return row | {f"probability_{label}": p for label, p in row["probabilities"].items()}


def _csv(lines: Iterable[Sequence[Any]], delimiter: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows(lines)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    """Write lists of names as ``a|b``, and what is nested as JSON."""
    if isinstance(value, list) and all(isinstance(v, (str, int, float)) for v in value):
        return "|".join(map(str, value))
    return json_text(value) if isinstance(value, (list, dict)) else value
