"""Label an input of any size. An engine labels the shards of the input, and a sink stores them and writes the output.

::

    find_files ──> ShardReader ──Shard──> engine (LocalEngine, RayEngine) ──LabelledShard──> sink (FileSink, StreamSink)

Memory does not grow with the input. An interrupted run can be resumed and then produces the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
import queue
import threading
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import IO, Any, Protocol, TypeVar

from .. import __version__
from ..errors import DataError, FormatError
from ..models.classifier import Classifier
from ..models.info import ModelInfo
from ..reporting.progress import ProgressReporter
from .label import LabelledShard, Positions, label_shard
from .options import InputNotes
from .page import size_warning
from .reader import ShardReader
from .shard import Shard
from .shard_folder import ShardFolder, pack, shards_folder
from .summary import Summary
from .write import OutputForm, check_shard, write_shards

#: Rows per shard. Labelling one shard takes a few seconds, so an interrupted run loses little work. A shard has enough texts to
#: form batches of similar lengths. The speed with other sizes was not measured.
SHARD_ROWS = 4096

#: Estimated memory in MB without any rows, and per row of a shard. The estimates are on the safe side. `benchmarks/memory.py
#: --distinct` measured peaks of 965 MB with shards of 256 rows, 890 MB with 4,096 rows and 1,016 MB with 16,384 rows (two threads,
#: the shipped model, texts of realistic lengths, no repeated texts). Small shards need more memory because their batches have
#: more different shapes.
BASE_MB, ROW_MB = 1000.0, 0.02

#: Smallest number of rows per shard, whatever the memory limit.
MIN_SHARD_ROWS = 256

#: Number of shards that are read and split ahead of the one that is being labelled.
AHEAD = 2


def shard_rows(memory_mb: float | None) -> int:
    """Return the number of rows per shard that fits a memory limit in MB.

    Raises:
        DataError: The limit is too low for the model and the smallest shard.
    """
    if memory_mb is None:
        return SHARD_ROWS
    rows = int((memory_mb - BASE_MB) / ROW_MB)
    if rows < MIN_SHARD_ROWS:
        least = math.ceil(BASE_MB + MIN_SHARD_ROWS * ROW_MB)
        raise DataError(f"--memory-limit {memory_mb:.0f} MB: labelling needs at least {least} MB. Raise the limit")
    return min(SHARD_ROWS, rows)


def describe_run(info: ModelInfo, reader: ShardReader, threads: int | None) -> dict[str, Any]:
    """Return everything that the shards of a run depend on, as plain values."""
    return {
        "communique": __version__,
        "model": {
            "name": info.name,
            "version": info.version,
            "sha256": info.sha256,
            "codebook": info.codebook_sha256,
        },
        "input": {file.display_name: file.sha256 or "unreadable" for file in reader.files},
        "option": asdict(reader.options) | {"threads": threads},
    }


def run_sha256(run: dict[str, Any]) -> str:
    """Return the SHA-256 of the description of a run."""
    return hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()


class Sink(Protocol):
    """The destination of labelled shards."""

    #: Numbers of the shards that an earlier run finished.
    finished: Container[int]

    def write(self, shard: LabelledShard) -> None:
        """Write a labelled shard."""
        ...

    def close(self, notes: InputNotes) -> Summary:
        """Complete the output after the last shard, and return counts of the whole output.

        Raises:
            DataError: No record could be read.
        """
        ...


SinkT = TypeVar("SinkT", bound=Sink)
SinkT_contra = TypeVar("SinkT_contra", bound=Sink, contravariant=True)


class Engine(Protocol[SinkT_contra]):
    """Label the shards of an input and pass them to a sink."""

    def label(self, reader: ShardReader, sink: SinkT_contra, progress: ProgressReporter) -> InputNotes:
        """Label the shards that the sink does not have yet, and return the notes about the input."""
        ...


class LocalEngine:
    """Label shards in this process. A thread reads and splits the next shards while the model computes.

    Args:
        model: The opened model.
    """

    def __init__(self, model: Classifier) -> None:
        self._model = model

    def label(self, reader: ShardReader, sink: Sink, progress: ProgressReporter) -> InputNotes:
        """Label the shards in order."""
        for shard in _read_ahead(reader, sink.finished):
            if shard.number in sink.finished:
                progress.skipped(shard.position)
                continue
            progress.begin()
            labelled = label_shard(shard, self._model)
            sink.write(labelled)
            progress.done(shard.position, len(labelled.table))
        return reader.notes


def _read_ahead(reader: ShardReader, finished: Container[int]) -> Iterator[Shard]:
    """Yield shards that a thread reads ahead. The thread also splits them into rows unless they are finished."""
    waiting: queue.Queue[Shard | BaseException | None] = queue.Queue(AHEAD)
    stopped = threading.Event()

    def put(item: Shard | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def read() -> None:
        try:
            for shard in reader.shards():
                if shard.number not in finished:
                    shard.prepare()
                if not put(shard):
                    return
            put(None)
        except BaseException as error:  # Raised again where the shards are used.
            put(error)

    thread = threading.Thread(target=read, name="communique-reader", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        thread.join(timeout=5)


class FileSink:
    """Store shards in a folder until all are finished, and then write the output from them.

    Args:
        folder: The folder of the shards, next to the output.
        form: How the output is written.
        handle: An open binary file that receives the output. Default: the output file that belongs to the folder.
    """

    def __init__(self, folder: ShardFolder, form: OutputForm, *, handle: IO[bytes] | None = None) -> None:
        self.folder, self._form, self._handle = folder, form, handle
        self.finished: Container[int] = folder.finished()

    def write(self, shard: LabelledShard) -> None:
        """Store a shard. It is on disk when this method returns.

        Raises:
            DataError: The shard does not fit into the output, or the disk is full or cannot be written.
        """
        self.write_packed(shard.number, pack(shard))
        self._check(shard)

    def write_packed(self, number: int, packed: bytes) -> None:
        """Store a shard that was packed elsewhere."""
        self.folder.write(number, packed)

    def close(self, notes: InputNotes) -> Summary:
        """Write the output and delete the shards.

        Raises:
            DataError: No record could be read, the rows do not fit into the output, or the disk is full or cannot be written.
        """
        summary = Summary(self._form.info.labels)
        numbers = range(notes.counts["shards"])
        headers = []
        for shard in map(self.folder.read, numbers):
            summary.add(shard)
            headers.append((shard.table.schema, shard.counts))
            self._check(shard)
        try:
            _refuse_unreadable(summary.rows, summary.unreadable, notes)
        except DataError:
            self.folder.remove()
            raise

        def write(handle: IO[bytes]) -> None:
            shards = map(Positions().complete, map(self.folder.read, numbers))
            with self._keeping_shards(), self.folder.scratch() as scratch:
                write_shards(handle, self._form, headers, shards, summary, scratch)

        if self._handle is None:
            self.folder.finish(write)
        else:
            write(self._handle)
            self.folder.remove()
        if self._form.suffix == ".html" and (warning := size_warning(self._form.name, summary.rows)):
            notes.note(warning)
        return summary

    def _check(self, shard: LabelledShard) -> None:
        with self._keeping_shards():
            check_shard(self._form, shard)

    @contextmanager
    def _keeping_shards(self) -> Iterator[None]:
        """Add an explanation to a `FormatError`: how to write the finished shards in another format."""
        try:
            yield
        except FormatError as error:
            if self._handle is not None:
                raise
            other = self.folder.out.with_suffix(".parquet")
            raise FormatError(
                f"{error}. Finished shards are kept. To use them, rename {self.folder.path.name} to {shards_folder(other).name} "
                f"and run the same command with -o {other.name} --resume"
            ) from error


class StreamSink:
    """Show each shard as soon as it is labelled.

    Args:
        show: Function that prints or writes a shard.
        names: The model's labels.
    """

    finished: Container[int] = frozenset()

    def __init__(self, show: Callable[[LabelledShard], None], names: tuple[str, ...]) -> None:
        self._show, self._summary, self._positions = show, Summary(names), Positions()

    def write(self, shard: LabelledShard) -> None:
        """Count a shard and show it."""
        shard = self._positions.complete(shard)
        self._summary.add(shard)
        self._show(shard)

    def close(self, notes: InputNotes) -> Summary:
        """Return the counts."""
        _refuse_unreadable(self._summary.rows, self._summary.unreadable, notes)
        return self._summary


def _refuse_unreadable(rows: int, unreadable: int, notes: InputNotes) -> None:
    if rows and unreadable == rows:
        raise DataError(*notes.unreadable)


def label_files(
    reader: ShardReader, engine: Engine[SinkT], sink: SinkT, progress: ProgressReporter
) -> tuple[Summary, InputNotes]:
    """Label an input.

    Returns:
        Counts of the whole output, including shards of an earlier run, and the notes about the input.

    Raises:
        DataError: No record could be read, or the disk is full or cannot be written.
        ChangedError: A file changed while it was read. Finished shards are kept and contain its earlier state.
    """
    with progress:
        notes = engine.label(reader, sink, progress)
        reader.check_unchanged()
        return sink.close(notes), notes
