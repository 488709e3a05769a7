"""Notice that a file changed, and read files again only then. The command line and the server may change the same project."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self, TypeVar, cast


class FileState(NamedTuple):
    """What stays the same as long as nobody writes a file: what identifies it on its disk, its time in nanoseconds and its size."""

    inode: int
    changed: int
    size: int


class Readable(Protocol):
    """A type that reads its values from a file. They never change afterwards."""

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a file."""


ReadableT = TypeVar("ReadableT", bound=Readable)


def file_state(path: Path) -> FileState | None:
    """Return the state of a file, or None if there is no file, or nobody may look at it."""
    try:
        found = path.stat()
    except OSError:
        return None
    return FileState(found.st_ino, found.st_mtime_ns, found.st_size)


def load_once(kind: type[ReadableT], path: Path) -> ReadableT:
    """Read a file, or return what was read before if the file has not changed since. Errors are those of the type.

    Args:
        kind: The type of the content.
        path: The file.
    """
    state = file_state(path)
    return kind.load(path) if state is None else cast(ReadableT, _load(kind, path, state))


@lru_cache(maxsize=512)
def _load(kind: Any, path: Path, state: FileState) -> Any:
    # The state is older than what is read here. If the file changes in between, the next call finds another state.
    return kind.load(path)
