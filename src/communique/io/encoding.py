"""Open files as bytes or text: compressed or not, in any encoding, never whole in memory.

Bytes that the encoding does not allow become `UNDECODABLE`, so that a reader can tell the row in which they stand; everything
else is read as if they were not there.
"""

from __future__ import annotations

import codecs
import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from ..errors import DataError
from .recognise import BLOCK, Encoding, recognise
from .suffixes import ending

#: What stands for bytes that cannot be decoded. No decoder of a codec ever gives this lone surrogate for valid text.
UNDECODABLE = "\udcff"

#: What people see in its place.
REPLACEMENT = "\ufffd"


def _replace_undecodable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return UNDECODABLE, error.end


# Error handlers of codecs have one place, and it is this one; the name belongs to this package.
codecs.register_error("communique.mark", _replace_undecodable)


class _HashingFile(io.FileIO):
    """A file that hashes the bytes read from it."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path, "rb")
        self.sha256 = hashlib.sha256()

    def readinto(self, buffer: Any) -> int:
        n = super().readinto(buffer) or 0
        self.sha256.update(memoryview(buffer)[:n])
        return n


def _unreadable(path: Any, error: OSError) -> DataError:
    return DataError(f"{path}: {error.strerror or error}. Name a file that can be read")


class ByteReader(io.RawIOBase):
    """A file's decompressed bytes. A failure ends them and is kept in `failure`, so what was read before stays usable.

    Raises:
        DataError: The file cannot be opened.
    """

    def __init__(self, path: str | Path) -> None:
        try:
            self._file = self._open(path)
            self.size = max(1, os.fstat(self._file.fileno()).st_size)
        except OSError as error:
            raise _unreadable(path, error) from error
        self.failure: str | None = None
        self._stream: Any = self._file
        codec = ending(path)[1]
        if codec is not None:
            import pyarrow as pa

            self._stream = pa.input_stream(io.BufferedReader(self._file, BLOCK), compression=codec)

    @staticmethod
    def _open(path: str | Path) -> io.FileIO:
        return io.FileIO(path, "rb")

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer. Return 0 at the end, or where the rest cannot be read."""
        if self.failure is not None:
            return 0
        try:
            return int(self._stream.readinto(buffer) or 0)
        except (OSError, ValueError) as error:
            self.failure = str(getattr(error, "strerror", None) or error).splitlines()[0]
            return 0

    @property
    def position(self) -> float:
        """Proportion of the file's bytes read so far, 0 to 1."""
        return 1.0 if self._file.closed else min(1.0, self._file.tell() / self.size)

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._file.close()
        super().close()


class HashingReader(ByteReader):
    """A reader that also hashes the file's bytes, compressed as they are on the disk."""

    _file: _HashingFile

    @staticmethod
    def _open(path: str | Path) -> _HashingFile:
        return _HashingFile(path)

    def sha256(self) -> str:
        """Read the rest of the file and return the hash of all of its bytes."""
        try:
            while self._file.readinto(bytearray(BLOCK)):
                pass
        except OSError as error:
            raise _unreadable(self._file.name, error) from error
        return self._file.sha256.hexdigest()


@dataclass
class TextFile:
    """An open text file: lines with their line ends as they are, and the bytes below."""

    handle: TextIO
    source: ByteReader
    encoding: Encoding
    notes: list[str] = field(default_factory=list)


@contextmanager
def open_text(path: str | Path, encoding: Encoding | None = None) -> Iterator[TextFile]:
    """Open a text file; line ends stay as they are.

    Args:
        path: The file; `.gz` and `.zst` are decompressed.
        encoding: As `inspect` returned it. Default: recognised here.

    Raises:
        DataError: The file cannot be opened or is not text.
    """
    if encoding is None:
        with io.BufferedReader(ByteReader(path), BLOCK) as raw:
            encoding = recognise(path, raw)
    source = ByteReader(path)
    with io.TextIOWrapper(
        io.BufferedReader(source, BLOCK), encoding=encoding.name, errors="communique.mark", newline=""
    ) as handle:
        yield TextFile(handle, source, encoding, list(encoding.notes))


def inspect(
    path: str | Path, *, text: bool, language: str | None = None, encoding: str | None = None
) -> tuple[str, Encoding | None]:
    """Hash a file and, if it is text, recognise its encoding, in one pass over its bytes.

    Args:
        path: The file.
        text: Whether it is a text file.
        language: Language of its text, if it is known.
        encoding: Its encoding, if the user named it.

    Returns:
        The SHA-256 of the file's bytes, and the encoding of a text file.

    Raises:
        DataError: The file cannot be read, or is not text although it should be.
    """
    with HashingReader(path) as source:
        found = Encoding.chosen(encoding)
        if text and found is None:
            buffer = io.BufferedReader(source, BLOCK)
            found = recognise(path, buffer, language)
            buffer.detach()  # otherwise it would close the file, whose rest is still to be hashed
        return source.sha256(), found


def read_text(path: str | Path, encoding: Encoding | None = None, *, limit: int | None = None) -> tuple[str, list[str]]:
    """Read a whole text file.

    Args:
        path: The file.
        encoding: As `inspect` returned it. Default: recognised here.
        limit: Number of characters after which reading stops, at the next window of that size.

    Returns:
        The text with its line endings as they are, and notes on what had to be assumed.

    Raises:
        DataError: The file cannot be opened or is not text.
    """
    notes: list[str] = []
    windows: list[str] = []
    for window, _ in text_windows(path, -1 if limit is None else limit, notes, encoding):
        windows.append(window)
        if limit is not None and sum(map(len, windows)) > limit:
            break
    return "".join(windows), notes


def text_windows(
    path: str | Path, size: int, notes: list[str], encoding: Encoding | None = None
) -> Iterator[tuple[str, float]]:
    """Read a text file in windows of so many characters.

    Args:
        path: The file.
        size: Characters of a window; -1 gives the whole file at once.
        notes: Receives, at the end of the file, notes on what had to be assumed.
        encoding: As `inspect` returned it. Default: recognised here.

    Yields:
        Text with its line endings as they are, and the share of the file's bytes read so far.

    Raises:
        DataError: The file cannot be opened or is not text.
    """
    damaged = 0
    with open_text(path, encoding) as text:
        while content := text.handle.read(size):
            damaged += content.count(UNDECODABLE)
            yield content.replace(UNDECODABLE, REPLACEMENT), text.source.position
    lines = text.notes
    if text.source.failure is not None:
        lines.append(f"{path}: the file ends early ({text.source.failure}); what stands before is read")
    if damaged:
        if text.encoding.name == "utf-8":
            lines = []
        lines.append(f"{path}: {damaged} places are not {text.encoding.title}; '{REPLACEMENT}' is there")
    notes += lines
