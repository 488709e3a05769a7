"""Open files as streams of bytes or text, whether or not they are compressed and in any encoding.

Bytes that are invalid in the encoding become `UNDECODABLE`, so that a reader can report the row that contains them. They do not
affect the rest of the file.
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

#: Replaces bytes that cannot be decoded. No codec decodes valid text to this lone surrogate.
UNDECODABLE = "\udcff"

#: Replaces `UNDECODABLE` in everything that people see.
REPLACEMENT = "\ufffd"


def _replace_undecodable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return UNDECODABLE, error.end


# Codec error handlers are registered globally, so the name begins with that of this package.
codecs.register_error("communique.mark", _replace_undecodable)


class _HashingFile(io.FileIO):
    """A file that hashes the bytes that are read from it."""

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
    """The decompressed bytes of a file.

    If reading fails, the stream ends there and `failure` contains the reason, so that the bytes before the failure can be used.

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
        """Fill a buffer and return the number of bytes read: 0 at the end, or if the rest cannot be read."""
        if self.failure is not None:
            return 0
        try:
            return int(self._stream.readinto(buffer) or 0)
        except (OSError, ValueError) as error:
            self.failure = str(getattr(error, "strerror", None) or error).splitlines()[0]
            return 0

    @property
    def position(self) -> float:
        """Proportion of the file's bytes read so far, from 0 to 1."""
        return 1.0 if self._file.closed else min(1.0, self._file.tell() / self.size)

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._file.close()
        super().close()


class HashingReader(ByteReader):
    """A reader that also hashes the file's bytes as they are on disk, without decompressing them."""

    _file: _HashingFile

    @staticmethod
    def _open(path: str | Path) -> _HashingFile:
        return _HashingFile(path)

    def sha256(self) -> str:
        """Read the rest of the file and return the SHA-256 of all its bytes."""
        try:
            while self._file.readinto(bytearray(BLOCK)):
                pass
        except OSError as error:
            raise _unreadable(self._file.name, error) from error
        return self._file.sha256.hexdigest()


@dataclass
class TextFile:
    """An open text file: a text stream with unchanged line ends, and the byte stream that it reads from."""

    handle: TextIO
    source: ByteReader
    encoding: Encoding
    notes: list[str] = field(default_factory=list)


@contextmanager
def open_text(path: str | Path, encoding: Encoding | None = None) -> Iterator[TextFile]:
    """Open a text file. Line ends are not changed.

    Args:
        path: The file. `.gz` and `.zst` files are decompressed.
        encoding: Encoding that `inspect` returned. Default: recognised from the file.

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
        language: Language of the text, if it is known.
        encoding: Encoding, if the user named it.

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
            buffer.detach()  # otherwise the buffer would close the file before the rest of it is hashed
        return source.sha256(), found


def read_text(path: str | Path, encoding: Encoding | None = None, *, limit: int | None = None) -> tuple[str, list[str]]:
    """Read a whole text file.

    Args:
        path: The file.
        encoding: Encoding that `inspect` returned. Default: recognised from the file.
        limit: Stop reading once the text is longer than this number of characters. Default: read the whole file.

    Returns:
        The text with unchanged line ends, and notes on assumptions, such as the encoding.

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
    """Read a text file in windows of a fixed number of characters.

    Args:
        path: The file.
        size: Number of characters per window. With -1, the whole file is one window.
        notes: List to which notes on assumptions, such as the encoding, are added at the end of the file.
        encoding: Encoding that `inspect` returned. Default: recognised from the file.

    Yields:
        Text with unchanged line ends, and the proportion of the file's bytes read so far.

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
        lines.append(f"{path}: the file ends early ({text.source.failure}). Only the text before this point is read")
    if damaged:
        if text.encoding.name == "utf-8":
            lines = []
        places = f"{damaged} places are" if damaged > 1 else "1 place is"
        lines.append(f"{path}: {places} not valid {text.encoding.title} and read as '{REPLACEMENT}'")
    notes += lines
