"""The folder in which a run stores its finished shards, so that it can be interrupted and resumed.

::

    OUT.shards/
      lock            held by the process that writes the output
      run.json        model, codebook, input and options; a run with different ones cannot resume here
      00000.sha256    hash of a shard's file, in the format of `sha256sum -c`
      00000.arrow     finished shard; a shard with a temporary name is not finished
      scratch/        temporary files of a workbook that is being written

If a folder contains files but no `run.json`, it is not ours: it is refused, and nothing in it is changed. Only the files and
folders listed above are deleted, by name. The whole folder is deleted only when it is empty.
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
from ..io.lock import LOCK, acquire, release
from ..io.output import RUN, target
from ..io.output import shards_folder as shards_folder
from ..reporting.format import counted
from .label import LabelledShard, ShardCounts

#: Version of the format of the folder and its shards.
FORMAT = 4

_SCRATCH = "scratch"

#: File names of finished shards, of their hashes, and of files that are being written.
_SHARD, _HASH, _PART = (
    re.compile(r"(\d{5,})\.arrow"),
    re.compile(r"\d{5,}\.sha256"),
    re.compile(r"\..*\.[0-9a-f]{8}\.part", re.S),
)

#: Key in the metadata of a shard's file. Its value has the counts, the rows that start a paragraph, and whether the last column
#: contains the extra columns as JSON.
_DESCRIBED = b"communique"

_REMEDY = "Free some disk space or choose another output. Finished shards are kept: run the same command with --resume to continue"


def pack(shard: LabelledShard) -> bytes:
    """Return a labelled shard as the bytes of its file. They are the same on every machine."""
    table = shard.table
    if shard.extra_json is not None:
        # The JSON is the last column. A name would not identify it, because the user's columns can have any name.
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
    """The folder with the finished shards of a run.

    Args:
        out: The output file.
        run: Description of the run, as nested dicts of text and numbers.
        resume: True resumes from the finished shards, False deletes them, and None raises an error if there are any.

    Attributes:
        damaged: Numbers of shards whose files have changed since they were written. They do not count as finished.

    Raises:
        OutputError: The folder was not created by a run.
        DataError: Another process is writing this output, or `run.json` is damaged. Or the folder has finished shards, but
            `resume` is None or the shards belong to another run.
    """

    def __init__(self, out: Path, run: dict[str, Any], *, resume: bool | None) -> None:
        self.out, self.path = target(out), shards_folder(out)
        self.run = json.loads(json.dumps(run | {"format": FORMAT}))
        self.damaged: list[int] = []
        self._lock: IO[bytes] | None = acquire(self.path, _check_ours)
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
                f"{self.path}: the folder has {counted(finished, 'finished shard')} of an interrupted run. Run the same command "
                "with --resume to continue, or with --restart to begin again"
            )
        if finished and resume:
            if differences := _differences(_read_run(self.path), self.run):
                raise DataError(
                    *(f"{self.path}: the interrupted run had a different {line}" for line in differences),
                    "Run the command with the same model, input and options as before, or begin again with --restart",
                )
            self._clear_scratch()
            self._delete(_PART)
            return
        self._clear_scratch()
        self._delete(_PART, _SHARD, _HASH)
        with replacing(self.path / RUN, "wb") as handle:
            handle.write(json.dumps(self.run, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace"))

    def numbers(self) -> list[int]:
        """Return the numbers of all shards in the folder, including damaged ones."""
        return sorted(int(match[1]) for path in self.path.iterdir() if (match := _SHARD.fullmatch(path.name)))

    def _shard(self, number: int) -> Path:
        return self.path / f"{number:05d}.arrow"

    def finished(self) -> set[int]:
        """Return the numbers of the finished shards. A shard whose bytes do not match its hash counts as damaged."""
        numbers = self.numbers()
        self.damaged = [number for number in numbers if self._content(number) is None]
        return set(numbers).difference(self.damaged)

    def write(self, number: int, packed: bytes) -> None:
        """Write the bytes that `pack` returned. They are on disk under the name of the shard when this method returns.

        Raises:
            DataError: The disk is full or cannot be written.
        """
        path = self._shard(number)
        # Write the shard last, because it counts as finished as soon as the file has its name.
        with replacing(path.with_suffix(".sha256"), "wb", remedy=_REMEDY) as handle:
            handle.write(_hash_line(path, packed))
        with replacing(path, "wb", remedy=_REMEDY) as handle:
            handle.write(packed)

    def _content(self, number: int) -> bytes | None:
        """Return the bytes of a shard's file, or None if they do not match the hash that was written with them."""
        path = self._shard(number)
        with suppress(OSError):
            content = path.read_bytes()
            if path.with_suffix(".sha256").read_bytes() == _hash_line(path, content):
                return content
        return None

    def read(self, number: int) -> LabelledShard:
        """Read a finished shard.

        Raises:
            DataError: The shard was damaged after it had been found to be finished.
        """
        content = self._content(number)
        if content is None:
            raise DataError(
                f"{self._shard(number)}: the shard is damaged. Check the disk, and run the same command with --resume to label the "
                "shard again"
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
        """Write the output, and then delete the shards. The output gets its name once it is complete and on disk.

        Raises:
            DataError: The disk is full or cannot be written.
        """
        # Write inside the folder, so that a killed process leaves no files anywhere else.
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
        """Delete the shards, and also the folder unless it contains other files."""
        self._delete(_SHARD, _HASH)
        self.close()

    def close(self) -> None:
        """Release the lock. Finished shards are kept. If there are none, delete the folder unless it contains other files."""
        if self._lock is None:
            return
        lock, self._lock = self._lock, None
        with suppress(OSError):
            if not self.numbers():
                self._delete(_PART, _HASH)
                (self.path / RUN).unlink(missing_ok=True)
                # Delete the lock last, because a folder without lock and run.json no longer belongs to a run.
                release(self.path, lock)
        lock.close()

    def _delete(self, *names: re.Pattern[str]) -> None:
        for path in list(self.path.iterdir()):
            if any(name.fullmatch(path.name) for name in names) and path.is_file():
                path.unlink()


def _hash_line(path: Path, content: bytes) -> bytes:
    return f"{hashlib.sha256(content).hexdigest()}  {path.name}\n".encode()


def _read_run(folder: Path) -> dict[str, Any]:
    """Read the description of the run that a folder belongs to.

    Raises:
        DataError: The description is damaged.
    """
    try:
        content = json.loads((folder / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict) or "communique" not in content or "format" not in content:
        raise DataError(
            f"{folder / RUN}: the file is damaged, so it is not known which run the shards belong to. Delete {folder} to begin "
            "again, or name another output with -o"
        )
    return content


def _check_ours(folder: Path) -> None:
    """Check that a folder was created by a run, even if that run was killed before it could write `run.json`.

    Raises:
        OutputError: The folder was not created by a run.
        DataError: `run.json` is damaged.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        raise OutputError(
            f"{folder}: this file is in the place of the folder for shards. Move the file, or name another output with -o"
        )
    names = {path.name for path in folder.iterdir()}
    if RUN in names:
        _read_run(folder)
    elif not all(name == LOCK or _PART.fullmatch(name) for name in names):
        raise OutputError(
            f"{folder}: the folder contains files but no {RUN}, so it was not created by communique. Nothing in it was changed. "
            "Move the folder, or name another output with -o"
        )


def _differences(old: Any, new: Any, name: str = "") -> list[str]:
    """Return the differences between the descriptions of two runs, one line per value."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = dict.fromkeys([*old, *new])
        if old.keys() == new.keys() and list(old) != list(new):
            return [f"order of {name or 'fields'}"]
        return [line for key in keys for line in _differences(old.get(key), new.get(key), f"{name} {key}".strip())]
    return [] if old == new else [f"{name}: {_value(old)} then, {_value(new)} now"]


def _value(value: Any) -> str:
    if value is None:
        return "none"
    text = str(value)
    return text if len(text) <= 40 else text[:12] + "…"
