"""Write files and folders under a temporary name, so that an interruption never leaves a partial output."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import IO, Any

from ..errors import CommuniqueError, DataError
from .output import check_folder, is_standard, is_stream, target

#: Advice in messages about an output that cannot be written.
REMEDY = "Free some disk space or choose another output"


@contextmanager
def disk_errors(path: Path, remedy: str = REMEDY) -> Iterator[None]:
    """Turn an `OSError` in the block, and any error while the disk is full, into a `DataError` with the path and the advice."""
    try:
        with _full_disk(path, remedy):
            yield
    except BrokenPipeError:
        raise  # the process that reads the pipe has ended; this is not a disk error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}. {remedy}") from error


@contextmanager
def _full_disk(path: Path, remedy: str = REMEDY) -> Iterator[None]:
    """Turn any error while the disk is full into a `DataError`. Libraries in C++ and Rust raise errors of their own."""
    try:
        yield
    except (BrokenPipeError, CommuniqueError):
        raise
    except Exception as error:
        if not ((isinstance(error, OSError) and error.errno == errno.ENOSPC) or _is_full(path)):
            raise
        raise DataError(f"{path}: {os.strerror(errno.ENOSPC)}. {remedy}") from error


def _is_full(path: Path) -> bool:
    """Return whether less than 1 MB is free on the disk of a path."""
    found = next(one for one in (path, *path.absolute().parents) if one.exists())
    return shutil.disk_usage(found).free < 1_000_000


@contextmanager
def replacing(
    path: str | Path, mode: str = "w", *, folder: Path | None = None, remedy: str = REMEDY
) -> Iterator[IO[Any]]:
    """Open a temporary file for writing. It replaces `path` once it is complete and has been flushed to disk.

    If `path` is a link, the file that it points to is replaced. Standard output and pipes are written directly.

    Args:
        path: The output. An existing file is kept until it is replaced, and the new file gets its permissions.
        mode: `w` for UTF-8 text with line ends as written, or `wb` for bytes.
        folder: Folder for the temporary file, on the same file system as `path`. Default: the folder of `path`.
        remedy: Advice in the message if the output cannot be written.

    Raises:
        DataError: The disk is full, or the file cannot be written.
    """
    if is_stream(path):
        with _stream(path, mode) as handle:
            yield handle
        return
    path = target(path)
    # Shorten the name, because a longer one could exceed the file system's limit.
    part = (folder or path.parent) / f".{path.name[:40]}.{token_hex(4)}.part"
    options: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    try:
        with disk_errors(path, remedy):
            with part.open(mode.replace("w", "x"), **options) as handle:
                yield handle
            with suppress(FileNotFoundError):
                part.chmod(stat.S_IMODE(path.stat().st_mode))
            # Open the file again for fsync, because a compressor may have closed the first handle.
            with part.open("rb+") as written:
                os.fsync(written.fileno())
            os.replace(part, path)
            _sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


@contextmanager
def _stream(path: str | Path, mode: str) -> Iterator[IO[Any]]:
    """Open standard output or a pipe. Only a pipe is closed at the end."""
    with ExitStack() as stack:
        if is_standard(path):
            handle: Any = sys.stdout.buffer
            stack.callback(handle.flush)
        else:
            stack.enter_context(disk_errors(Path(path)))
            handle = stack.enter_context(open(path, "wb"))
        if "b" not in mode:
            handle = io.TextIOWrapper(handle, encoding="utf-8", newline="")
            stack.callback(handle.detach)
        yield handle


def _sync_folder(folder: Path) -> None:
    # Without this call, a power failure can undo the renaming. Windows cannot open a folder and does not need the call.
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def new_folder(folder: str | Path, *, replace: bool = False, marker: str) -> Iterator[Path]:
    """Create a temporary folder and rename it to `folder` once the block has filled it.

    Args:
        folder: The folder to create.
        replace: Whether an existing folder is replaced.
        marker: Name of a file that every folder of this kind contains. A folder without it is never replaced.

    Raises:
        OutputError: The folder exists and `replace` is false, or it contains other files.
        DataError: The temporary folder cannot be created, or the disk is full.
    """
    check_folder(folder, overwrite=replace, marker=marker)
    folder = target(folder)
    with disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        # Other errors of the block are not about this folder, for example if a file that it copies cannot be read.
        with _full_disk(folder):
            yield temporary
        temporary.chmod(0o755)
        if folder.exists():
            old = temporary.with_suffix(".old")
            os.replace(folder, old)
            try:
                os.replace(temporary, folder)
            except BaseException:
                os.replace(old, folder)
                raise
            shutil.rmtree(old)
        else:
            os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def tree_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, or of the names and contents of all files below a folder."""
    if path.is_file():
        return file_sha256(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    lines = (f"{file.relative_to(path).as_posix()} {file_sha256(file)}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
