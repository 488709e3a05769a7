"""Label on a Ray cluster: the shards, and so the bytes, that `batch` gives on one machine. Needs the extra `ray`.

::

    one task reads and cuts     ──shards──>  actors, one model each  ──packed shards──>  this process keeps them
    (on this process's node)                 (anywhere)                                  in OUT.shards/

Nodes need no common disk: the input and the output lie on the node of this process, and the model is sent to the others.
Ray Data starts actors as there is work, stops the reading while it has enough, starts an actor anew that died with what
it had in work, and computes again what a lost node had not delivered. A shard counts as finished when it is on the disk.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import ray
import ray.data
import ray.exceptions
from ray.data.block import Block, BlockAccessor, BlockMetadata

from .. import __version__
from ..data.sentence import Sentence
from ..errors import CommuniqueError, DataError, UnreachableError
from ..reporting.progress import ProgressReporter
from .columns import Options
from .label import Classifier, label_shard
from .reader import Reader, Shard, prepare
from .shards import ShardFolder, pack

#: CPUs of an actor. A second one would wait while the first reads, splits and packs.
THREADS = 1

#: Number of the row behind the last shard, which brings what there is to tell of the input.
_END = -1


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to a cluster; to one's own, of all cores of this machine, where neither address nor RAY_ADDRESS names one.

    Raises:
        UnreachableError: No cluster answers there, or it is no place from which the input can be read.
    """
    address = address or os.environ.get("RAY_ADDRESS") or None
    if address and address.startswith("ray://"):
        raise UnreachableError(
            f"{address}: the Ray client, through which the cluster cannot read files; run the command on a node of the cluster "
            "with --ray-address auto"
        )
    own: dict[str, Any] = (
        {} if address and address != "local" else {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    )
    try:
        context = ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise UnreachableError(f"{address or 'Ray'}: no cluster answers ({reason}); `ray status` shows one") from error
    with context:
        yield


class _Shards(ray.data.Datasource):
    """The shards of an input, read in order by one task: where one ends depends on all that stands before."""

    def __init__(self, reader: Reader, finished: frozenset[int]) -> None:
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


def _read(reader: Reader, finished: frozenset[int]) -> Iterator[Block]:
    try:
        for shard in reader.shards():
            yield _block(shard.number, shard.position, None if shard.number in finished else shard)
    except CommuniqueError as error:
        yield _block(_END, 0.0, _Fault(str(error)))
    else:
        yield _block(_END, 0.0, reader.told)


def _block(number: int, position: float, content: Any) -> Block:
    held = np.empty(1, object)
    held[0] = content
    return BlockAccessor.batch_to_arrow_block(
        {"number": np.array([number]), "position": np.array([position]), "content": held}
    )


@dataclass(frozen=True)
class _Fault:
    """What is at fault, carried as a row: Ray wraps an error that is raised, and adds lines of its own to it."""

    text: str


class _Labeller:
    """A model in an actor, opened with its first shard: Ray would hide why an actor could not begin."""

    def __init__(
        self, load: Callable[[Path, int | None], Classifier], files: Any, options: Options, threads: int, version: str
    ) -> None:
        self._load, self._files, self._options, self._threads, self._version = load, files, options, threads, version

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        if isinstance(shard := row["content"], Shard):
            try:
                row["content"] = pack(label_shard(prepare(shard, self._options), self._model))
            except CommuniqueError as error:
                row["content"] = _Fault(str(error))
        return row

    @cached_property
    def _model(self) -> Classifier:
        if self._version != __version__:
            raise DataError(
                f"{ray.util.get_node_ip_address()}: communique {__version__} on this node, {self._version} where the command "
                "runs; install the same version on all nodes"
            )
        # The tokenizer's pool of threads takes all cores of a node otherwise, in each of its actors.
        os.environ.setdefault("RAYON_NUM_THREADS", str(self._threads))
        with tempfile.TemporaryDirectory(prefix="communique-") as folder:
            for name, content in ray.get(self._files).items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            model = self._load(Path(folder), self._threads)
            # Weights are read with the first text, and the folder goes: a killed actor cannot tidy up.
            model.predict([Sentence(id="", text="-", document="", language="en")])
        return model


def labelled(
    reader: Reader,
    model: Path,
    load: Callable[[Path, int | None], Classifier],
    folder: ShardFolder,
    progress: ProgressReporter,
    *,
    threads: int | None = None,
    actors: int | None = None,
) -> Iterator[pa.Table]:
    """Label an input on the connected cluster and keep each shard in the folder as it comes.

    Args:
        reader: The input; what there is to tell of it is in `reader.told` at the end.
        model: The model's folder.
        load: Opens a copy of it in an actor.
        folder: Where finished shards are kept, and those of an earlier run found.
        progress: Takes note of each shard.
        threads: CPUs of an actor; `THREADS` where None.
        actors: How many at most; as many as the cluster has CPUs for where None.

    Returns:
        The shards in order.

    Raises:
        CommuniqueError: What an actor or the reader found at fault.
    """
    threads = threads or THREADS
    positions: dict[int, tuple[float, bool]] = {}
    due = 0
    progress.begin()
    for row in _rows(reader, model, load, folder, threads, actors):
        if isinstance(row["content"], _Fault):
            raise CommuniqueError(row["content"].text)
        if row["number"] == _END:
            reader.told = row["content"]
            continue
        fresh = row["content"] is not None
        if fresh:
            folder.write(row["number"], row["content"])
        positions[row["number"]] = row["position"], fresh
        # Shards come as they are finished; they are counted in the order of the input.
        while due in positions:
            position, fresh = positions.pop(due)
            table = folder.read(due)
            if fresh:
                progress.done(position, len(table))
            else:
                progress.skipped(position)
            yield table
            due += 1


def _rows(
    reader: Reader,
    model: Path,
    load: Callable[[Path, int | None], Classifier],
    folder: ShardFolder,
    threads: int,
    actors: int | None,
) -> Iterator[dict[str, Any]]:
    context = ray.data.DataContext.get_current().copy()
    # A block a shard: blocks of the usual size would gather hundreds for one actor.
    context.target_max_block_size = 1
    context.enable_progress_bars = context.print_on_execution_start = False
    files = {
        path.relative_to(model).as_posix(): path.read_bytes() for path in sorted(model.rglob("*")) if path.is_file()
    }
    here = {"ray.io/node-id": ray.get_runtime_context().get_node_id()}
    # No fixed size: an actor whose node is gone must be able to leave the pool.
    pool = ray.data.ActorPoolStrategy(min_size=1, max_size=actors)
    with ray.data.DataContext.current(context):
        data = ray.data.read_datasource(
            _Shards(reader, frozenset(folder.finished())), override_num_blocks=1, num_cpus=0, label_selector=here
        ).map(
            _Labeller,
            fn_constructor_args=(load, ray.put(files), reader.options, threads, __version__),
            compute=pool,
            num_cpus=threads,
        )
    try:
        yield from data.iter_rows()
    except ray.exceptions.RayError as error:
        reason = (str(error).splitlines() or [""])[0]
        raise DataError(
            f"{folder.path}: the cluster failed ({reason}); what is finished stays there, and the same command with --resume "
            "goes on"
        ) from error
