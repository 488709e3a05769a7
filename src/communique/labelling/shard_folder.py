"""The folder of a run that can stop and resume: finished shards, a description of the run, and a lock.

::

    OUT.shards/
      lock            held by the process that writes
      run.json        model, codebook, input and options; a run with others cannot resume here
      00000.arrow     finished shards; a shard under a temporary name is not finished
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa

from ..errors import DataError
from ..io.atomic import disk_errors, replacing
from .label import LabelledShard, ShardCounts

#: Version of the folder and of the shards in it.
FORMAT = 3

_RUN, _LOCK = "run.json", "lock"

#: Key of a shard's counts in the metadata of its file.
_COUNTS = b"communique"

_REMEDY = (
    "Free some disk space or choose another output. Finished shards are kept; the same command with --resume continues"
)


def shards_folder(out: Path) -> Path:
    """Return the folder next to an output in which its finished shards are kept."""
    return out.with_name(out.name + ".shards")


def pack(shard: LabelledShard) -> bytes:
    """Return the bytes of a labelled shard's file, the same on every machine."""
    table = shard.table.replace_schema_metadata({_COUNTS: json.dumps(asdict(shard.counts)).encode()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table.combine_chunks())
    return cast(bytes, sink.getvalue().to_pybytes())


class ShardFolder:
    """Finished shards of a run.

    Args:
        out: The output file.
        run: Description of the run: nested dicts of text and numbers.
        resume: True resumes from the finished shards; False deletes them; None refuses if there are any.

    Raises:
        DataError: Another process writes this output, or there are shards of another run, or of this run and `resume` is
            None.
    """

    def __init__(self, out: Path, run: dict[str, Any], *, resume: bool | None) -> None:
        self.out, self.path = out, shards_folder(out)
        self.run = json.loads(json.dumps(run | {"format": FORMAT}))
        with disk_errors(self.path):
            self._lock: IO[bytes] | None = _locked(self.path)
        try:
            with disk_errors(self.path):
                self._begin(resume)
        except BaseException:
            self.close()
            raise

    def _begin(self, resume: bool | None) -> None:
        for rest in self.path.glob("*.part"):
            rest.unlink()
        earlier = self._read_run()
        finished = len(list(self.path.glob("*.arrow")))
        if earlier is not None and resume is None and finished:
            raise DataError(
                f"{self.path}: {finished} finished shards of an interrupted run. Run the same command with --resume to "
                "continue, or with --restart to begin again"
            )
        if earlier is not None and resume and finished:
            if differences := _differences(earlier, self.run):
                raise DataError(
                    *(f"{self.path}: the interrupted run had another {line}" for line in differences),
                    "Use the same again, or begin again with --restart",
                )
            return
        if resume and self.out.exists():
            raise DataError(
                f"{self.out}: nothing to resume: the output exists, and there is no interrupted run next to it. Without --resume "
                "it is labelled again and replaced"
            )
        for old in self.path.glob("*.arrow"):
            old.unlink()
        with replacing(self.path / _RUN, "wb") as handle:
            handle.write(json.dumps(self.run, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace"))

    def _read_run(self) -> dict[str, Any] | None:
        try:
            content = json.loads((self.path / _RUN).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) else None

    def _shard(self, number: int) -> Path:
        return self.path / f"{number:05d}.arrow"

    def finished(self) -> set[int]:
        """Return the numbers of the finished shards whose files are complete."""
        numbers = set()
        for path in self.path.glob("*.arrow"):
            # A file that is cut off, or that is not one of ours, is no finished shard.
            with suppress(pa.ArrowException, OSError, ValueError, TypeError, KeyError):
                self.read_header(int(path.stem))
                numbers.add(int(path.stem))
        return numbers

    def write(self, number: int, packed: bytes) -> None:
        """Write the bytes that `pack` returned. When this returns, they are on the disk under the shard's name.

        Raises:
            DataError: The disk is full or cannot be written.
        """
        with replacing(self._shard(number), "wb", remedy=_REMEDY) as handle:
            handle.write(packed)

    def read(self, number: int) -> LabelledShard:
        """Read a finished shard."""
        with pa.OSFile(str(self._shard(number))) as handle:
            table = pa.ipc.open_file(handle).read_all()
        return LabelledShard(number, table.replace_schema_metadata(), _counts(table.schema))

    def read_header(self, number: int) -> tuple[pa.Schema, ShardCounts]:
        """Read the schema and the counts of a finished shard, not its rows."""
        with pa.OSFile(str(self._shard(number))) as handle:
            schema = pa.ipc.open_file(handle).schema
        return schema.remove_metadata(), _counts(schema)

    def finish(self, write: Callable[[IO[bytes]], None]) -> None:
        """Write the output, which takes its name once it is complete and on the disk; then delete the shards.

        Raises:
            DataError: The disk is full or cannot be written.
        """
        # Written inside the folder, so that a killed process leaves nothing anywhere else.
        with replacing(self.out, "wb", folder=self.path, remedy=_REMEDY) as handle:
            write(handle)
        with disk_errors(self.path):
            self.remove()

    def remove(self) -> None:
        """Delete the folder."""
        for shard in self.path.glob("*.arrow"):
            shard.unlink()
        self.close()

    def close(self) -> None:
        """Release the lock; finished shards stay."""
        if self._lock is not None:
            if not any(self.path.glob("*.arrow")):
                shutil.rmtree(self.path, ignore_errors=True)
            self._lock.close()
            self._lock = None


def _counts(schema: pa.Schema) -> ShardCounts:
    return ShardCounts(**json.loads(schema.metadata[_COUNTS]))


def _locked(folder: Path) -> IO[bytes] | None:
    """Take the lock of a folder. The system releases it when the process ends, however it ends."""
    if folder.with_suffix("").is_dir():
        raise DataError(f"{folder.with_suffix('')}: is a folder. Give the output the name of a file")
    if not folder.parent.is_dir():
        raise DataError(f"{folder.parent}: the folder of the output does not exist. Create it first")
    while True:
        folder.mkdir(exist_ok=True)
        try:
            handle = (folder / _LOCK).open("ab")
        except FileNotFoundError:
            continue  # The other process finished, and removed the folder, between the two lines above.
        try:
            _lock(handle)
        except OSError:
            handle.close()
            raise DataError(
                f"{folder}: another process writes this output. Wait for it, or name another output with -o"
            ) from None
        with suppress(OSError):
            if os.path.samestat(os.stat(folder / _LOCK), os.fstat(handle.fileno())):
                return handle
        handle.close()


def _lock(handle: IO[bytes]) -> None:
    if os.name == "posix":
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        import msvcrt

        msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]


def _differences(old: Any, new: Any, name: str = "") -> list[str]:
    """Return the differences between two descriptions of runs, one line per value."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = dict.fromkeys([*old, *new])
        if old.keys() == new.keys() and list(old) != list(new):
            return [f"order of {name or 'fields'}"]
        return [line for key in keys for line in _differences(old.get(key), new.get(key), f"{name} {key}".strip())]
    return [] if old == new else [f"{name}: {_value(old)}, now {_value(new)}"]


def _value(value: Any) -> str:
    if value is None:
        return "none"
    text = str(value)
    return text if len(text) <= 40 else text[:12] + "…"
