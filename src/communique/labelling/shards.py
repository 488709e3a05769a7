"""The folder of a run that can stop and go on: finished shards, what the run is, and a lock.

::

    OUT.shards/
      lock            held by the process that writes
      run.json        model, codebook, input and options: a run with others cannot go on here
      00000.arrow     finished shards; one under a temporary name is not finished
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa

from ..errors import DataError
from ..io.atomic import _replacing, disk_errors

#: Format of the folder and of the shards in it.
FORMAT = 1
_RUN, _LOCK = "run.json", "lock"


def shards_folder(out: Path) -> Path:
    """Give the folder beside an output in which its shards wait."""
    return out.with_name(out.name + ".shards")


def pack(table: pa.Table) -> bytes:
    """Write a labelled shard as the bytes of its file, on whichever machine it was labelled."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table.combine_chunks())
    return cast(bytes, sink.getvalue().to_pybytes())


class ShardFolder:
    """Finished shards of a run.

    Args:
        out: The output.
        run: What the run is: nested dicts of text and numbers.
        resume: True goes on with what is there; False starts anew; None refuses where something is there.

    Raises:
        DataError: Another process writes this output; or there are shards of another run, or of this one and nobody said
            what to do with them.
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
        there = self._read_run()
        finished = len(list(self.path.glob("*.arrow")))
        if there is not None and resume is None and finished:
            raise DataError(
                f"{self.path}: {finished} finished shards of a run that stopped; the same command with --resume goes on, "
                "with --restart it begins anew"
            )
        if there is not None and resume and finished:
            if differences := _differences(there, self.run):
                raise DataError(
                    *(f"{self.path}: the run that stopped had another {line}" for line in differences),
                    "give the same again, or begin anew with --restart",
                )
            return
        if resume and self.out.exists():
            raise DataError(
                f"{self.out}: exists, and no run that stopped is beside it: nothing to resume; without --resume it is "
                "labelled anew and replaced"
            )
        for old in self.path.glob("*.arrow"):
            old.unlink()
        with _replacing(self.path / _RUN) as handle:
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
        """Give the numbers of the shards that are finished and whole."""
        return {number for path in self.path.glob("*.arrow") if (number := int(path.stem)) in self}

    def __contains__(self, number: int) -> bool:
        """Tell whether a shard is finished and whole."""
        return self._shard(number).is_file() and _schema(self._shard(number)) is not None

    def write(self, number: int, packed: bytes) -> None:
        """Keep a shard that `pack` packed: on the disk and under its name when this returns.

        Raises:
            DataError: The disk is full or cannot be written.
        """
        with disk_errors(self.path), _replacing(self._shard(number)) as handle:
            handle.write(packed)

    def read(self, number: int) -> pa.Table:
        """Read a finished shard."""
        with pa.OSFile(str(self._shard(number))) as handle:
            return pa.ipc.open_file(handle).read_all()

    def schema(self, number: int) -> pa.Schema:
        """Read a finished shard's schema."""
        with pa.OSFile(str(self._shard(number))) as handle:
            return pa.ipc.open_file(handle).schema

    def finish(self, write: Callable[[IO[bytes]], None]) -> None:
        """Write the output: it takes its name when it is whole and on the disk, and the shards go.

        Raises:
            DataError: The disk is full or cannot be written.
        """
        with disk_errors(self.out):
            # Inside the folder: what is left of a killed process is found there, and nowhere else.
            with _replacing(self.path / "output", self.out) as handle:
                write(handle)
            self.remove()

    def remove(self) -> None:
        """Delete the folder."""
        for shard in self.path.glob("*.arrow"):
            shard.unlink()
        self.close()

    def close(self) -> None:
        """Give the lock back; finished shards stay."""
        if self._lock is not None:
            if not any(self.path.glob("*.arrow")):
                shutil.rmtree(self.path, ignore_errors=True)
            self._lock.close()
            self._lock = None


def _locked(folder: Path) -> IO[bytes] | None:
    """Take the lock of a folder, which the system gives back when the process ends, however it ends."""
    if folder.with_suffix("").is_dir():
        raise DataError(f"{folder.with_suffix('')}: a folder; give the output the name of a file")
    if not folder.parent.is_dir():
        raise DataError(f"{folder.parent}: the folder of the output is not there; make it first")
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
                f"{folder}: another process writes this output; wait for it, or give another output with -o"
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


def _schema(path: Path) -> pa.Schema | None:
    try:
        with pa.OSFile(str(path)) as handle:
            return pa.ipc.open_file(handle).schema
    except (pa.ArrowException, OSError):
        return None


def _differences(old: Any, new: Any, name: str = "") -> list[str]:
    """Say what differs between two descriptions of runs, one line a value."""
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
