"""Notice that a file changed, and read files again only then. Several programs may change them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from pathlib import Path
from typing import NamedTuple, TypeVar

ResultT = TypeVar("ResultT")


class FileState(NamedTuple):
    """The device, inode, size and times (in nanoseconds) of a file.

    If the content of a file changes, its state nearly always changes too.
    """

    device: int
    inode: int
    size: int
    modified: int
    changed: int


def file_state(path: Path) -> FileState | None:
    """Return the state of a file, or None if there is no file, or nobody may look at it."""
    try:
        found = path.stat()
    except OSError:
        return None
    return FileState(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def kept_while_unchanged(maxsize: int) -> Callable[[Callable[[Path], ResultT]], Callable[[Path], ResultT]]:
    """Decorate a function that reads a file, so that it is called again only if the file changed. Results must not be changed.

    Args:
        maxsize: Number of files whose results are kept.
    """

    def decorate(read: Callable[[Path], ResultT]) -> Callable[[Path], ResultT]:
        @lru_cache(maxsize=maxsize)
        def kept(path: Path, state: FileState) -> ResultT:
            # The state is older than what is read here. If the file changes in between, the next call finds another state.
            return read(path)

        @wraps(read)
        def reading(path: Path) -> ResultT:
            state = file_state(path)
            return read(path) if state is None else kept(path, state)

        return reading

    return decorate
