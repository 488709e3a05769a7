"""The folder of a run that can stop and resume: finished shards, a description of the run, and a lock.

::

    OUT.shards/
      lock            held by the process that writes
      run.json        model, codebook, input and options; a run with others cannot resume here
      00000.sha256    hash of a shard's file, as `sha256sum -c` reads it
      00000.arrow     finished shard; a shard under a temporary name is not finished
      scratch/        temporary files of a workbook that is being written

A folder without `run.json` belongs to somebody else: it is refused, and nothing in it is touched. What is deleted are the files
and the folder above, by name, and the whole folder once it is empty.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa

from ..errors import DataError, OutputError
from ..io.atomic import disk_errors, replacing
from ..io.output import RUN, target
from ..io.output import shards_folder as shards_folder
from .label import LabelledShard, ShardCounts

#: Version of the folder and of the shards in it.
FORMAT = 4

_LOCK, _SCRATCH = "lock", "scratch"

#: Names of the files of finished shards, of their hashes, and of files that are being written.
_SHARD, _HASH, _PART = (
    re.compile(r"(\d{5,})\.arrow"),
    re.compile(r"\d{5,}\.sha256"),
    re.compile(r"\..*\.[0-9a-f]{8}\.part", re.S),
)

#: Key in the metadata of a shard's file, of its counts, of the rows that begin a paragraph, and whether
#: its last column holds the extra columns as JSON.
_DESCRIBED = b"communique"

_REMEDY = (
    "Free some disk space or choose another output. Finished shards are kept; the same command with --resume continues"
)


def pack(shard: LabelledShard) -> bytes:
    """Return the bytes of a labelled shard's file, the same on every machine."""
    table = shard.table
    if shard.extra_json is not None:
        # The last column, whatever its name: names are the user's.
        table = table.append_column("", shard.extra_json)
    described = {
        "counts": asdict(shard.counts),
        "json": shard.extra_json is not None,
        "paragraphs": shard.paragraphs,
    }
    table = table.replace_schema_metadata({_DESCRIBED: json.dumps(described).encode()})
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

    Attributes:
        damaged: Numbers of shards whose files have changed since they were written, and which are therefore not finished.

    Raises:
        OutputError: The folder of the shards is not one of ours.
        DataError: Another process writes this output, `run.json` is damaged, or there are shards of another run, or of this
            run and `resume` is None.
    """

    def __init__(self, out: Path, run: dict[str, Any], *, resume: bool | None) -> None:
        self.out, self.path = target(out), shards_folder(out)
        self.run = json.loads(json.dumps(run | {"format": FORMAT}))
        self.damaged: list[int] = []
        with disk_errors(self.path):
            self._lock: IO[bytes] | None = _locked(self.path)
        try:
            with disk_errors(self.path):
                self._begin(resume)
        except BaseException:
            self.close()
            raise

    def _begin(self, resume: bool | None) -> None:
        finished = len(self.numbers())
        if finished and resume is None:
            raise DataError(
                f"{self.path}: {finished} finished shards of an interrupted run. Run the same command with --resume to "
                "continue, or with --restart to begin again"
            )
        if finished and resume:
            if differences := _differences(_read_run(self.path), self.run):
                raise DataError(
                    *(f"{self.path}: the interrupted run had another {line}" for line in differences),
                    "Use the same again, or begin again with --restart",
                )
            self._clear_scratch()
            self._delete(_PART)
            return
        self._clear_scratch()
        self._delete(_PART, _SHARD, _HASH)
        with replacing(self.path / RUN, "wb") as handle:
            handle.write(json.dumps(self.run, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace"))

    def numbers(self) -> list[int]:
        """Return the numbers of the shards that are there, finished or damaged."""
        return sorted(int(match[1]) for path in self.path.iterdir() if (match := _SHARD.fullmatch(path.name)))

    def _shard(self, number: int) -> Path:
        return self.path / f"{number:05d}.arrow"

    def finished(self) -> set[int]:
        """Return the numbers of the finished shards. A shard whose bytes do not have its hash counts as damaged."""
        numbers = self.numbers()
        self.damaged = [number for number in numbers if self._content(number) is None]
        return set(numbers).difference(self.damaged)

    def write(self, number: int, packed: bytes) -> None:
        """Write the bytes that `pack` returned. When this returns, they are on the disk under the shard's name.

        Raises:
            DataError: The disk is full or cannot be written.
        """
        path = self._shard(number)
        # The shard comes last: once it has its name, it is finished.
        with replacing(path.with_suffix(".sha256"), "wb", remedy=_REMEDY) as handle:
            handle.write(_hash_line(path, packed))
        with replacing(path, "wb", remedy=_REMEDY) as handle:
            handle.write(packed)

    def _content(self, number: int) -> bytes | None:
        """Read the bytes of a shard's file; None if they do not have the hash that was written with them."""
        path = self._shard(number)
        with suppress(OSError):
            content = path.read_bytes()
            if path.with_suffix(".sha256").read_bytes() == _hash_line(path, content):
                return content
        return None

    def read(self, number: int) -> LabelledShard:
        """Read a finished shard.

        Raises:
            DataError: It was damaged after it was found to be finished.
        """
        content = self._content(number)
        if content is None:
            raise DataError(
                f"{self._shard(number)}: the shard is damaged. Check the disk, and run the same command with --resume to label it "
                "again"
            )
        table = pa.ipc.open_file(pa.BufferReader(content)).read_all()
        described = json.loads(table.schema.metadata[_DESCRIBED])
        table = table.replace_schema_metadata()
        extra_json = None
        if described["json"]:
            last = table.num_columns - 1
            table, extra_json = table.remove_column(last), table.column(last)
        paragraphs = tuple(described["paragraphs"])
        return LabelledShard(number, table, ShardCounts(**described["counts"]), extra_json, paragraphs)

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

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Create a folder for temporary files. It is deleted afterwards, or by the next run if the process is killed."""
        path = self.path / _SCRATCH
        try:
            path.mkdir()
            yield path
        finally:
            self._clear_scratch()

    def _clear_scratch(self) -> None:
        shutil.rmtree(self.path / _SCRATCH, ignore_errors=True)

    def remove(self) -> None:
        """Delete the shards, and the folder unless it holds something else."""
        self._delete(_SHARD, _HASH)
        self.close()

    def close(self) -> None:
        """Release the lock; finished shards stay."""
        if self._lock is not None:
            with suppress(OSError):
                if not self.numbers():
                    self._delete(_PART, _HASH)
                    (self.path / RUN).unlink(missing_ok=True)
                    # The lock comes last: without it and run.json the folder is nobody's.
                    (self.path / _LOCK).unlink(missing_ok=True)
                    self.path.rmdir()
            self._lock.close()
            self._lock = None

    def _delete(self, *names: re.Pattern[str]) -> None:
        for path in list(self.path.iterdir()):
            if any(name.fullmatch(path.name) for name in names) and path.is_file():
                path.unlink()


def _hash_line(path: Path, content: bytes) -> bytes:
    return f"{hashlib.sha256(content).hexdigest()}  {path.name}\n".encode()


def _read_run(folder: Path) -> dict[str, Any]:
    """Read the description of the run that a folder belongs to.

    Raises:
        DataError: It is damaged.
    """
    try:
        content = json.loads((folder / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict) or "communique" not in content or "format" not in content:
        raise DataError(
            f"{folder / RUN}: is damaged, so it does not say which run the shards belong to. Delete {folder} to begin again, or "
            "name another output with -o"
        )
    return content


def _check_ours(folder: Path) -> None:
    """Check that a folder was made by a run, or is one in which a run was killed before it could begin.

    Raises:
        OutputError: It is not.
        DataError: Its `run.json` is damaged.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        raise OutputError(
            f"{folder}: is not a folder, and the shards of the output need one. Move it, or name another output"
        )
    names = {path.name for path in folder.iterdir()}
    if RUN in names:
        _read_run(folder)
    elif not all(name == _LOCK or _PART.fullmatch(name) for name in names):
        raise OutputError(
            f"{folder}: holds files but no {RUN}, so it is not known to hold shards of a run. It is left as it is: move it, or "
            "name another output with -o"
        )


def _locked(folder: Path) -> IO[bytes]:
    """Take the lock of a folder. The system releases it when the process ends, however it ends."""
    while True:
        try:
            folder.mkdir()
        except FileExistsError:
            with suppress(FileNotFoundError):
                _check_ours(folder)
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
