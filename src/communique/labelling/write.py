"""Write labelled shards as Parquet, a workbook, an HTML page, or as JSON Lines, CSV or TSV with optional compression."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from ..data.codebook import Codebook
from ..io.arrow import cast_to
from ..io.paths import InputFile
from ..io.suffixes import ending
from ..models.info import ModelInfo
from ..reporting.format import escape_formula
from .cells import cell, flat, flat_names, output_schema
from .label import LabelledShard, ShardCounts
from .made_by import origin_metadata
from .page import write_page
from .paragraphs import paragraph_metadata
from .shard import json_text
from .spreadsheet import check_cells, check_size, write_spreadsheet
from .summary import Summary

#: Suffixes of outputs. Text formats can have an additional `.gz` or `.zst`.
OUTPUT_SUFFIXES = (".jsonl", ".csv", ".tsv", ".parquet", ".xlsx", ".html")

#: Suffixes of formats that can be compressed, and of formats in which formulas can be escaped.
_COMPRESSED, DELIMITED = (".jsonl", ".csv", ".tsv"), (".csv", ".tsv")


@dataclass(frozen=True)
class OutputForm:
    """The format of an output.

    Attributes:
        name: The name of the output in messages.
        suffix: One of `OUTPUT_SUFFIXES`.
        codec: Arrow's name of the compression of a text format, or None.
        info: The model's description.
        codebook: The model's codebook.
        run: Hash of everything that the output depends on. A page stores it, because it cannot be read back as a table.
        files: The files of the input. A Parquet file records which they are.
        escape_formulas: Whether an apostrophe is put in front of CSV cells that a spreadsheet would run as a formula.
    """

    name: str
    suffix: str
    codec: str | None
    info: ModelInfo
    codebook: Codebook
    run: str = ""
    escape_formulas: bool = False
    files: Sequence[InputFile] = ()


def output_suffix(path: str | Path) -> str | None:
    """Return the suffix that determines the format of an output, or None if the format is unknown."""
    suffix, codec = ending(path)
    return suffix if suffix in OUTPUT_SUFFIXES and (codec is None or suffix in _COMPRESSED) else None


def check_shard(form: OutputForm, shard: LabelledShard) -> None:
    """Check that the rows of a shard fit into the output. This is called as soon as a shard is labelled.

    Raises:
        FormatError: They do not fit.
    """
    if form.suffix == ".xlsx":
        check_cells(form.name, shard.table)


def write_shards(
    handle: IO[bytes],
    form: OutputForm,
    headers: Sequence[tuple[pa.Schema, ShardCounts]],
    shards: Iterable[LabelledShard],
    summary: Summary,
    scratch: Path,
) -> None:
    """Write labelled shards one after the other.

    Args:
        handle: An open binary file.
        form: The format of the output.
        headers: Schema and counts of all shards. The columns of a file must be known before its first row is written.
        shards: The shards, in order. Only one is in memory at a time.
        summary: Counts of all shards.
        scratch: A folder for temporary files, which the caller deletes.

    Raises:
        FormatError: The rows do not fit into the output.
    """
    schema = output_schema(headers)
    if form.suffix == ".parquet":
        _write_parquet(handle, schema, shards, form)
    elif form.suffix == ".xlsx":
        check_size(form.name, summary.rows, schema)
        write_spreadsheet(handle, form.info, form.codebook, schema, shards, summary, scratch)
    elif form.suffix == ".html":
        write_page(handle, form.info, form.codebook, shards, summary, run=form.run)
    else:
        with _compressed(handle, form.codec) as target:
            if form.suffix == ".jsonl":
                for shard in shards:
                    target.write(jsonl(shard))
            else:
                _write_delimited(target, form, schema, shards)


@contextmanager
def _compressed(handle: IO[bytes], codec: str | None) -> Iterator[Any]:
    if codec is None:
        yield handle
        return
    # Unlike Python, Arrow writes no time into a gzip header, so the same rows always give the same bytes.
    stream = pa.CompressedOutputStream(pa.PythonFile(handle, "w"), codec)
    yield stream
    stream.flush()
    stream.close()


def jsonl(shard: LabelledShard) -> bytes:
    """Return a labelled shard as JSON Lines in UTF-8."""
    return "".join(json_text(row) + "\n" for row in shard.iter_rows()).encode()


def _write_parquet(handle: IO[bytes], schema: pa.Schema, shards: Iterable[LabelledShard], form: OutputForm) -> None:
    import pyarrow.parquet as pq

    kept = set(schema.names)  # Each access to `names` builds the list again.
    begins: list[int] = []
    rows = 0
    with pq.ParquetWriter(handle, schema, compression="zstd") as writer:
        for shard in shards:
            begins += [rows + row for row in shard.paragraphs]
            rows += len(shard.table)
            # One row group per shard.
            table = shard.table.select([name for name in shard.table.column_names if name in kept])
            writer.write_table(cast_to(table, schema), row_group_size=max(1, len(table)))
        writer.add_key_value_metadata(paragraph_metadata(begins, rows) | origin_metadata(form.info, form.files))


def _write_delimited(target: Any, form: OutputForm, schema: pa.Schema, shards: Iterable[LabelledShard]) -> None:
    delimiter = "\t" if form.suffix == ".tsv" else ","
    columns = flat_names(schema)
    # Without a byte order mark, spreadsheets read UTF-8 as a legacy encoding. Lines end with "\r\n", as RFC 4180 says. With "\n"
    # alone, Python would not quote a cell that contains "\r", and the cell would start a new row.
    target.write("\ufeff".encode() + _csv([_written(form, columns)], delimiter))
    for shard in shards:
        rows = map(flat, shard.iter_rows())
        target.write(_csv((_written(form, [cell(row.get(column)) for column in columns]) for row in rows), delimiter))


def _written(form: OutputForm, cells: Sequence[Any]) -> Sequence[Any]:
    if not form.escape_formulas:
        return cells
    return [escape_formula(value) if isinstance(value, str) else value for value in cells]


def _csv(lines: Iterable[Sequence[Any]], delimiter: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows(lines)
    return text.getvalue().encode()
