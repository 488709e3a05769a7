"""Read Parquet and Arrow files as streams of record batches, with their data types."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DataError
from .arrow import readable
from .tables import CHUNK, CHUNK_CELLS, Chunk, Problem, TableStream, header

#: A column of a row group is read if it has at most the first number of bytes, or on average at most the second number of bytes per
#: row. Limits are needed because a whole page of a column is read into memory, and a single cell can have any size.
_ALWAYS_READ, _MAX_MEAN = 64_000_000, 4_000_000

_FAILURES = (pa.ArrowException, OSError, ValueError)


@contextmanager
def open_parquet(stream: TableStream) -> Iterator[None]:
    """Fill a stream from a Parquet file. If a row group cannot be read, each of its rows becomes a problem.

    Raises:
        DataError: The file has no readable footer, or two columns have the same name.
    """
    try:
        # Use a buffer, so that a row group of a million rows is not read into memory at once.
        file = pq.ParquetFile(stream.path, buffer_size=1 << 20, pre_buffer=False)
    except _FAILURES as error:
        raise DataError(f"{stream.path}: not a readable Parquet file ({_first_line(error)})") from error
    with file:
        stream.columns = header(stream.path, file.schema_arrow.names)
        total = max(1, file.metadata.num_rows)
        done = [0]
        stream.position = lambda: done[0] / total
        stream.chunks = _parquet(stream, file, done)
        yield


def _parquet(stream: TableStream, file: Any, done: list[int]) -> Iterator[Chunk | Problem]:
    for group in range(file.num_row_groups):
        end = done[0] + file.metadata.row_group(group).num_rows
        if too_large := _too_large(file, group):
            reason = f"row group {group + 1} of the file has {too_large}. Split long texts into several rows"
        else:
            try:
                for batch in file.iter_batches(_batch_rows(stream), row_groups=[group]):
                    yield _chunk(stream, batch, done)
                continue
            except _FAILURES as error:
                reason = f"row group {group + 1} of the file cannot be read ({_first_line(error)}). Copy the file again"
        while done[0] < end:
            done[0] += 1
            yield Problem(done[0], f"{stream.path}, row {done[0]}: {reason}")


def _too_large(file: Any, group: int) -> str | None:
    """Describe a column of a row group whose cells are too large to be read, or return None. Only the file's footer is used."""
    metadata = file.metadata.row_group(group)
    for i in range(metadata.num_columns):
        column = metadata.column(i)
        size = column.total_uncompressed_size
        if size > max(_ALWAYS_READ, _MAX_MEAN * metadata.num_rows):
            name = column.path_in_schema[:100]
            return f"{size // 1_000_000:,} MB in {metadata.num_rows:,} cells of the column {name!r}"
    return None


@contextmanager
def open_arrow(stream: TableStream) -> Iterator[None]:
    """Fill a stream from a file in Arrow's file or stream format, such as those that `datasets.save_to_disk` writes.

    Raises:
        DataError: The file has no readable schema, or two columns have the same name.
    """
    try:
        with pa.OSFile(str(stream.path)) as probe:
            streamed = probe.read(6) != b"ARROW1"
        handle = pa.OSFile(str(stream.path))
        reader = pa.ipc.open_stream(handle) if streamed else pa.ipc.open_file(handle)
    except _FAILURES as error:
        raise DataError(f"{stream.path}: not a readable Arrow file ({_first_line(error)})") from error
    with handle:
        size = max(1, os.path.getsize(stream.path))
        stream.columns = header(stream.path, reader.schema.names)
        stream.position = lambda: min(1.0, handle.tell() / size)
        batches = reader if streamed else (reader.get_batch(i) for i in range(reader.num_record_batches))
        stream.chunks = _arrow(stream, iter(batches))
        yield


def _arrow(stream: TableStream, batches: Iterator[Any]) -> Iterator[Chunk | Problem]:
    done = [0]
    while True:
        try:
            batch = next(batches, None)
        except _FAILURES as error:
            reason = (
                f"the file ends early ({_first_line(error)}). The rows before this one are kept. Copy the file again"
            )
            yield Problem(done[0] + 1, f"{stream.path}, row {done[0] + 1}: {reason}")
            return
        if batch is None:
            return
        step = _batch_rows(stream)
        for start in range(0, len(batch), step):
            yield _chunk(stream, batch.slice(start, step), done)


def _batch_rows(stream: TableStream) -> int:
    return max(1, min(CHUNK, CHUNK_CELLS // len(stream.columns)))


def _chunk(stream: TableStream, batch: Any, done: list[int]) -> Chunk:
    first = done[0] + 1
    done[0] += len(batch)
    table = pa.Table.from_batches([batch]).rename_columns(stream.columns)
    return Chunk(range(first, done[0] + 1), readable(table))


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
