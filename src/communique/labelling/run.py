"""Label corpora of any size: shard by shard, in memory that does not grow, with a run that can stop and go on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa

from .. import __version__
from ..errors import DataError
from ..io.atomic import file_sha256
from ..io.paths import hashes
from ..io.suffixes import ending
from ..models.info import INFO, ModelInfo
from ..reporting.progress import ProgressReporter
from .label import Classifier, label_shard
from .reader import Prepared, Reader, Shard, ahead, prepare
from .shards import ShardFolder, pack
from .summary import Summary
from .write import write_shards

#: Rows of a shard: some seconds of work to lose, and enough texts for batches of like length. Speed by size is not measured.
SHARD_ROWS = 4096

#: Memory in MB without any rows, and for each row of a shard, on the safe side. `benchmarks/memory.py --distinct` gave peaks of
#: 965 MB in shards of 256 rows, 890 MB in shards of 4,096 and 1,016 MB in shards of 16,384 (two threads, the shipped model, texts
#: of real lengths, none twice): small shards end in batches of more shapes.
BASE_MB, ROW_MB = 1000.0, 0.02

#: No shard is smaller, whatever the memory.
MIN_SHARD_ROWS = 256


def shard_rows(memory_mb: float | None) -> int:
    """Choose the size of shards for a limit of memory.

    Raises:
        DataError: The model alone needs more.
    """
    if memory_mb is None:
        return SHARD_ROWS
    rows = int((memory_mb - BASE_MB) / ROW_MB)
    if rows < MIN_SHARD_ROWS:
        least = math.ceil(BASE_MB + MIN_SHARD_ROWS * ROW_MB)
        raise DataError(f"--memory-limit {memory_mb:.0f} MB: labelling needs at least {least} MB; give more")
    return min(SHARD_ROWS, rows)


def describe(model: Path, info: ModelInfo, reader: Reader, form: str, threads: int | None = None) -> dict[str, Any]:
    """Describe a run by everything that its output depends on."""
    return {
        "communique": __version__,
        "model": {
            "name": info.name,
            "version": info.version,
            "sha256": file_sha256(model / INFO),
            "codebook": info.codebook_sha256,
        },
        "input": hashes(reader.files),
        "option": asdict(reader.options) | {"output": form, "threads": threads},
    }


def labelled(
    reader: Reader, load: Callable[[], Classifier], progress: ProgressReporter, folder: ShardFolder | None = None
) -> Iterator[pa.Table]:
    """Label an input shard by shard, in order.

    Args:
        reader: The input.
        load: Opens the model; called at most once, when the first shard is read.
        progress: Takes note of each shard.
        folder: Where finished shards are kept, and those of an earlier run found; no shards are kept where None.
    """

    def finished(number: int) -> bool:
        return folder is not None and number in folder

    model: Classifier | None = None
    for shard in ahead(reader, finished):
        if isinstance(shard, Shard):
            progress.skipped(shard.position)
            # Only a folder has finished shards.
            yield cast(ShardFolder, folder).read(shard.number)
            continue
        if model is None:
            model = load()
            progress.begin()
        yield _label(shard, model, progress, folder)


def _label(shard: Prepared, model: Classifier, progress: ProgressReporter, folder: ShardFolder | None) -> pa.Table:
    table = label_shard(shard, model)
    if folder is not None:
        folder.write(shard.number, pack(table))
    progress.done(shard.position, len(table))
    return table


def label_to_file(
    tables: Iterable[pa.Table],
    reader: Reader,
    load: Callable[[], Classifier],
    names: tuple[str, ...],
    folder: ShardFolder,
    *,
    out: IO[bytes] | None = None,
) -> Summary:
    """Put labelled shards into a file.

    Args:
        tables: The shards in order, each kept in `folder` when it comes: what `labelled` gives, here or in `ray_engine`.
        reader: The input.
        load: Opens the model, for the columns of an output without rows.
        names: The model's labels.
        folder: Where shards wait until all are finished.
        out: Where the output goes in place of the folder's own.

    Returns:
        Counts of the whole output, shards of an earlier run included.

    Raises:
        DataError: Nothing could be read, or the disk is full or cannot be written.
    """
    summary = Summary(names)
    n = 0
    for n, table in enumerate(tables, 1):  # noqa: B007  # used behind the loop
        summary.add(table)
    try:
        refuse_if_unreadable(summary, reader)
    except DataError:
        folder.remove()
        raise
    if n == 0:
        folder.write(0, pack(label_shard(prepare(Shard(0, []), reader.options), load())))
        n = 1
    form, codec = ending(folder.out)
    schemas = [folder.schema(number) for number in range(n)]

    def write(handle: IO[bytes]) -> None:
        write_shards(handle, form, codec, schemas, map(folder.read, range(n)))

    if out is None:
        folder.finish(write)
    else:
        write(out)
        folder.remove()
    return summary


def refuse_if_unreadable(summary: Summary, reader: Reader) -> None:
    """Refuse an input of which nothing could be read.

    Raises:
        DataError: With the reasons.
    """
    if summary.rows and summary.unreadable == summary.rows:
        raise DataError(*reader.told.unreadable)
