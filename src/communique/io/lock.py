"""Lock folders and files, so that two processes never write the same output."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ..errors import DataError, OutputError
from .atomic import disk_errors

#: Name of the file in a locked folder.
LOCK = "lock"


def acquire(folder: Path, check: Callable[[Path], None], remedy: str = "name another output with -o") -> IO[bytes]:
    """Create a folder if necessary and acquire its lock, until `release` or the end of the process, even if it is killed.

    On file systems without locks, such as some network drives, nothing is locked.

    Args:
        folder: The folder. The folder that contains it must exist.
        check: Raises an error if an existing folder does not belong to the caller. Nothing in it is then changed.
        remedy: What the user can do instead of waiting, for the message.

    Raises:
        DataError: Another process has the lock, or the folder cannot be written.
        OutputError: The path is a link to a folder that does not exist.
    """
    with disk_errors(folder):
        while True:
            try:
                folder.mkdir()
            except FileExistsError:
                with suppress(FileNotFoundError):
                    check(folder)
            try:
                handle = (folder / LOCK).open("ab")
            except FileNotFoundError:
                if folder.is_symlink():
                    raise OutputError(
                        f"{folder}: is a link to a folder that does not exist. Delete the link, or {remedy}"
                    ) from None
                continue  # Between the two calls above, another process finished and removed the folder.
            try:
                _lock(handle)
            except (BlockingIOError, PermissionError):
                handle.close()
                raise DataError(
                    f"{folder}: another process is writing this output. Wait until it ends, or {remedy}"
                ) from None
            except OSError:
                return handle
            if _is_current(folder, handle):
                return handle
            handle.close()


def release(folder: Path, handle: IO[bytes]) -> None:
    """Release the lock of a folder and delete its file, and the folder too if it is then empty."""
    with suppress(OSError):
        # If the folder was deleted, another process may have created and locked it again.
        if _is_current(folder, handle):
            (folder / LOCK).unlink(missing_ok=True)
            folder.rmdir()
    handle.close()


@contextmanager
def locked(folder: Path, check: Callable[[Path], None], remedy: str = "name another output with -o") -> Iterator[None]:
    """Acquire the lock of a folder, and release it after the block. Arguments and errors are those of `acquire`."""
    handle = acquire(folder, check, remedy)
    try:
        yield
    finally:
        release(folder, handle)


def wait_for_lock(handle: IO[Any]) -> None:
    """Wait until no other process has the lock of an open file, and acquire it. It is released when the file is closed.

    Nothing is locked on file systems without locks and on Windows, where others could not read a locked file.
    """
    if os.name == "posix":
        with suppress(OSError):
            _lock(handle, wait=True)


def _is_current(folder: Path, handle: IO[bytes]) -> bool:
    """Return whether the file of a lock still is the one in the folder."""
    try:
        return os.path.samestat(os.stat(folder / LOCK), os.fstat(handle.fileno()))
    except OSError:
        return False


def _lock(handle: IO[Any], *, wait: bool = False) -> None:
    if os.name == "posix":
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    else:
        import msvcrt

        msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
