"""Label on a Ray cluster. The shards and the output bytes are the same as on one machine. Requires the extra `ray`.

::

    one task reads the input    ──shards──>  actors, one model each  ──packed shards──>  this process stores them
    (on this process's node)                 (on any node)                               in OUT.shards/

The nodes do not need a shared disk. The input and the output are on the node of this process, and the model is sent to the
other nodes. Ray Data starts actors when there is work, and pauses reading while enough shards are waiting. If an actor dies, Ray
Data restarts it and its shards. If a node is lost, Ray Data recomputes the shards that the node had not delivered. A shard
counts as finished once it is on disk.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.data
import ray.exceptions
from ray.data.block import Block, BlockAccessor, BlockMetadata

from .. import __version__
from ..errors import CommuniqueError, DataError, UnreachableError
from ..models.classifier import Classifier
from ..reporting.progress import ProgressReporter
from .label import label_shard
from .options import InputNotes
from .reader import ShardReader
from .run import FileSink
from .shard import Shard
from .shard_folder import pack

#: CPUs per actor. A second CPU would be idle while the first one reads, splits and packs.
THREADS = 1

#: Shard number of the last row, which contains the notes about the input instead of a shard.
_END = -1

#: A function such as `load.load_model`, which opens the model in a folder with a given number of threads.
Loader = Callable[..., Classifier]


class RayEngine:
    """Label shards on a Ray cluster.

    Args:
        folder: The model folder. A copy is sent to every actor.
        load: Function that opens the copy.
        address: Address of the cluster. Default: RAY_ADDRESS if it is set, otherwise a new cluster with this machine's cores.
        threads: CPUs per actor. Default: `THREADS`.
        actors: Largest number of actors. Default: as many as the CPUs of the cluster allow.
    """

    def __init__(
        self,
        folder: Path,
        load: Loader,
        *,
        address: str | None = None,
        threads: int | None = None,
        actors: int | None = None,
    ) -> None:
        self._folder, self._load, self._address = folder, load, address
        self._threads, self._actors = threads or THREADS, actors

    def label(self, reader: ShardReader, sink: FileSink, progress: ProgressReporter) -> InputNotes:
        """Label the shards that the sink does not have yet, and pass each one to the sink as it arrives.

        Raises:
            UnreachableError: No cluster answers, or the address is that of a Ray client, through which input cannot be read.
            DataError: The cluster failed.
            CommuniqueError: The reader or an actor reported an error.
        """
        notes = reader.notes
        arrived: dict[int, tuple[float, int | None]] = {}
        due = 0
        with _connected(self._address):
            progress.begin()
            for row in self._rows(reader, sink):
                if isinstance(row["content"], _Failure):
                    raise CommuniqueError(row["content"].message)
                if row["number"] == _END:
                    notes = row["content"]
                    continue
                if isinstance(row["content"], _Packed):
                    sink.write_packed(row["number"], row["content"].content)
                arrived[row["number"]] = row["position"], getattr(row["content"], "rows", None)
                # Shards arrive in any order, but progress is reported in the order of the input.
                while due in arrived:
                    position, n = arrived.pop(due)
                    if n is None:
                        progress.skipped(position)
                    else:
                        progress.done(position, n)
                    due += 1
        return notes

    def _rows(self, reader: ShardReader, sink: FileSink) -> Iterator[dict[str, Any]]:
        context = ray.data.DataContext.get_current().copy()
        # Use one block per shard. A block of the default size would give hundreds of shards to one actor.
        context.target_max_block_size = 1
        context.enable_progress_bars = context.print_on_execution_start = False
        files = {
            path.relative_to(self._folder).as_posix(): path.read_bytes()
            for path in sorted(self._folder.rglob("*"))
            if path.is_file()
        }
        here = {"ray.io/node-id": ray.get_runtime_context().get_node_id()}
        # The pool has no fixed size, because an actor must be able to leave it when its node is lost.
        pool = ray.data.ActorPoolStrategy(min_size=1, max_size=self._actors)
        with ray.data.DataContext.current(context):
            data = ray.data.read_datasource(
                _Shards(reader, sink.finished), override_num_blocks=1, num_cpus=0, label_selector=here
            ).map(
                _Actor,
                fn_constructor_args=(self._load, ray.put(files), self._threads, __version__),
                compute=pool,
                num_cpus=self._threads,
            )
        try:
            yield from data.iter_rows()
        except ray.exceptions.RayError as error:
            reason = (str(error).splitlines() or [""])[0]
            raise DataError(
                f"{sink.folder.path}: the cluster failed ({reason}). Finished shards are kept in this folder. Run the same command "
                "with --resume to continue"
            ) from error


@contextmanager
def _connected(address: str | None) -> Iterator[None]:
    address = address or os.environ.get("RAY_ADDRESS") or None
    if address and address.startswith("ray://"):
        raise UnreachableError(
            f"{address}: this is the address of a Ray client, through which the cluster cannot read files. Run the command on a "
            "node of the cluster with --ray-address auto"
        )
    own: dict[str, Any] = (
        {} if address and address != "local" else {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    )
    try:
        context = ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except Exception as error:
        raise UnreachableError(_not_started(address, error)) from error
    with context:
        yield


def _not_started(address: str | None, error: Exception) -> str:
    """Say why Ray does not run. Ray raises errors of many classes, for example a bare `Exception` if its start takes too long."""
    reason = (str(error).splitlines() or [""])[0] or type(error).__name__
    if address and address != "local":
        return f"{address}: no cluster answers ({reason}). Check with `ray status` whether a cluster is running"
    return (
        f"Ray did not start on this machine ({reason}). Run the command again when the machine has more free memory and "
        "processors, or label without a cluster: omit --engine ray"
    )


class _Shards(ray.data.Datasource):
    """Shards of an input as a Ray data source. One task reads them in order, because each shard depends on what precedes it."""

    def __init__(self, reader: ShardReader, finished: Container[int]) -> None:
        super().__init__()
        self._read = partial(_read, reader, finished)

    def get_name(self) -> str:
        return "Shards"

    def estimate_inmemory_data_size(self) -> int | None:
        return None

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: Any = None
    ) -> list[ray.data.ReadTask]:
        return [ray.data.ReadTask(self._read, BlockMetadata(None, None, None, None))]


def _read(reader: ShardReader, finished: Container[int]) -> Iterator[Block]:
    try:
        for shard in reader.shards():
            yield _block(shard.number, shard.position, None if shard.number in finished else shard)
    except CommuniqueError as error:
        yield _block(_END, 0.0, _Failure(str(error)))
    else:
        yield _block(_END, 0.0, reader.notes)


def _block(number: int, position: float, content: Any) -> Block:
    held = np.empty(1, object)
    held[0] = content
    return BlockAccessor.batch_to_arrow_block(
        {"number": np.array([number]), "position": np.array([position]), "content": held}
    )


@dataclass(frozen=True)
class _Failure:
    """An error that is returned as a row. If it were raised, Ray would wrap it and add lines of its own."""

    message: str


@dataclass(frozen=True)
class _Packed:
    """A labelled shard as the bytes of its file, with its number of rows."""

    content: bytes
    rows: int


class _Actor:
    """An actor with a model. It opens the model with its first shard, because Ray would hide why an actor could not start."""

    def __init__(self, load: Loader, files: Any, threads: int, version: str) -> None:
        self._load, self._files, self._threads, self._version = load, files, threads, version

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        if isinstance(shard := row["content"], Shard):
            try:
                labelled = label_shard(shard, self._model)
                row["content"] = _Packed(pack(labelled), len(labelled.table))
            except CommuniqueError as error:
                row["content"] = _Failure(str(error))
        return row

    @cached_property
    def _model(self) -> Classifier:
        if self._version != __version__:
            raise DataError(
                f"{ray.util.get_node_ip_address()}: this node has communique {__version__}, but the command runs with "
                f"{self._version}. Install the same version on all nodes"
            )
        # Otherwise, the tokenizer's thread pool uses all cores of the node in each of its actors.
        os.environ.setdefault("RAYON_NUM_THREADS", str(self._threads))
        with tempfile.TemporaryDirectory(prefix="communique-") as folder:
            for name, content in ray.get(self._files).items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            model = self._load(Path(folder), threads=self._threads)
            # The weights are read with the first text. After that, the folder is deleted, because a killed actor could not do it.
            model.predict(["-"])
        return model
