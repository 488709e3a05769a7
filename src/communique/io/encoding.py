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
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from ..errors import DataError
from .suffixes import ending

#: What stands for bytes that cannot be decoded. No decoder of a codec ever gives this lone surrogate for valid text.
UNDECODABLE = "\udcff"

#: What people see in its place.
REPLACEMENT = "\ufffd"

#: Bytes by which an encoding is recognised; charset-normalizer gains nothing from more.
SAMPLE = 1 << 18

#: Lines with characters beyond ASCII that are counted to tell a damaged UTF-8 file from one in a legacy encoding.
COUNTED_LINES = 20_000
_BLOCK = 1 << 20


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

            self._stream = pa.input_stream(io.BufferedReader(self._file, _BLOCK), compression=codec)

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
            while self._file.readinto(bytearray(_BLOCK)):
                pass
        except OSError as error:
            raise _unreadable(self._file.name, error) from error
        return self._file.sha256.hexdigest()


@dataclass(frozen=True)
class Encoding:
    """A text file's encoding, notes for the user, and whether bytes in it may be damaged."""

    name: str
    notes: tuple[str, ...] = ()
    damaged: bool = False


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
        with io.BufferedReader(ByteReader(path), _BLOCK) as raw:
            encoding = _recognise(path, raw)
    source = ByteReader(path)
    with io.TextIOWrapper(
        io.BufferedReader(source, _BLOCK), encoding=encoding.name, errors="communique.mark", newline=""
    ) as handle:
        yield TextFile(handle, source, encoding, list(encoding.notes))


def inspect(path: str | Path, *, text: bool) -> tuple[str, Encoding | None]:
    """Hash a file and, if it is text, recognise its encoding, in one pass over its bytes.

    Returns:
        The SHA-256 of the file's bytes, and the encoding of a text file.

    Raises:
        DataError: The file cannot be read, or is not text although it should be.
    """
    with HashingReader(path) as source:
        encoding = None
        if text:
            buffer = io.BufferedReader(source, _BLOCK)
            encoding = _recognise(path, buffer)
            buffer.detach()  # otherwise it would close the file, whose rest is still to be hashed
        return source.sha256(), encoding


def _recognise(path: str | Path, handle: BinaryIO) -> Encoding:
    """Recognise an encoding: UTF-8, UTF-16, UTF-32, otherwise what charset-normalizer finds.

    A file in which most lines with characters beyond ASCII are valid UTF-8 is UTF-8 with damaged lines, not a legacy
    encoding, so its good lines stay readable.
    """
    head = handle.read(SAMPLE)
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return Encoding(name, damaged=True)
    if wide := _utf16_without_mark(head):
        return Encoding(wide, (f"{path}: no byte order mark; read as {wide}. Save it as UTF-8",), damaged=True)
    lines = _LinesBeyondAscii()
    decoder = codecs.getincrementaldecoder("utf-8")()
    valid, block = True, head
    while block:
        lines.add(block)
        if valid:
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                valid = False
        if not valid and lines.enough:
            break
        block = handle.read(_BLOCK)
    if valid:
        with suppress(UnicodeDecodeError):
            decoder.decode(b"", True)
            return Encoding("utf-8")
    lines.end()
    if lines.good >= lines.bad and lines.good:
        return Encoding(
            "utf-8", (f"{path}: UTF-8 with damaged bytes; the rows that hold them are not labelled",), damaged=True
        )
    name = _legacy(path, head if len(head) < SAMPLE else lines.sample)
    note = f"{path}: not UTF-8; read as {name}. Save it as UTF-8 if characters look wrong"
    return Encoding(name, (note,), damaged=True)


def read_text(path: str | Path) -> tuple[str, list[str]]:
    """Read a whole text file.

    Returns:
        The text with its line endings as they are, and notes on what had to be assumed.

    Raises:
        DataError: The file cannot be opened or is not text.
    """
    notes: list[str] = []
    return "".join(window for window, _ in text_windows(path, -1, notes)), notes


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
        lines.append(f"{path}: {damaged} places are not {text.encoding.name}; '{REPLACEMENT}' is there")
    notes += lines


def _is_utf8(content: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(content, True)
    except UnicodeDecodeError:
        return False
    return True


def _utf16_without_mark(head: bytes) -> str | None:
    """Recognise UTF-16 by its NUL bytes: every line end and space has one, and always on the same side."""
    nul = (head[0::2].count(0), head[1::2].count(0))
    if max(nul) < max(2, len(head) // 50) or min(nul) * 20 > max(nul):
        return None
    rest = head.replace(b"\0", b"")
    if max(nul) * 6 < len(head) and _controls(rest) * 50 < len(rest) and _is_utf8(rest):
        return None  # A text with some NUL bytes; UTF-16 of this script would have other bytes next to them.
    name = "utf-16-le" if nul[1] > nul[0] else "utf-16-be"
    with suppress(UnicodeDecodeError):
        codecs.getincrementaldecoder(name)().decode(head)
        return name
    return None


def _controls(sample: bytes) -> int:
    """Count characters that no text has: line ends, tabs, page breaks and escapes are allowed."""
    return sum(sample.count(i) for i in (*range(9), *range(14, 27), *range(28, 32)))


class _LinesBeyondAscii:
    """Counts the lines with bytes beyond ASCII that are valid UTF-8 and those that are not, and samples the latter.

    Lines of any length are looked at in pieces; only their first bytes are kept, for the sample.
    """

    def __init__(self) -> None:
        self.good = self.bad = 0
        self.sample = b""
        self._start_line(b"")

    @property
    def enough(self) -> bool:
        return self.good + self.bad >= COUNTED_LINES

    def add(self, block: bytes) -> None:
        if self.enough:
            return
        first, *rest = block.split(b"\n") if not block.isascii() else _ends(block)
        self._continue_line(first)
        for piece in rest:
            self.end()
            self._start_line(piece)

    def end(self) -> None:
        """Count the line that has begun, if it holds bytes beyond ASCII."""
        if self._ascii or self.enough:
            return
        self._decode(b"", final=True)
        self.good += self._valid
        self.bad += not self._valid
        if not self._valid and len(self.sample) < SAMPLE:
            self.sample += self._begin + b"\n"

    def _start_line(self, piece: bytes) -> None:
        self._begin, self._ascii, self._valid = b"", True, True
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._continue_line(piece)

    def _continue_line(self, piece: bytes) -> None:
        self._begin += piece[: SAMPLE - len(self._begin)]
        self._ascii = self._ascii and piece.isascii()
        if not self._ascii:
            self._decode(piece)

    def _decode(self, piece: bytes, *, final: bool = False) -> None:
        try:
            self._decoder.decode(piece, final)
        except UnicodeDecodeError:
            self._valid = False
            self._decoder.reset()


def _ends(block: bytes) -> list[bytes]:
    """Split off the first and the last line of an ASCII block; the lines between them need not be looked at."""
    first, newline, rest = block.partition(b"\n")
    return [first, rest.rpartition(b"\n")[2]] if newline else [first]


#: Code pages of Central and of Western Europe score the same in charset-normalizer; the text's language decides.
_CODE_PAGES = {
    "cp1250": ("bs", "cs", "hr", "hu", "pl", "sk", "sl"),
    "cp1252": ("ca", "da", "de", "en", "es", "fi", "fr", "is", "it", "nl", "no", "pt", "sv"),
}


def _legacy(path: str | Path, sample: bytes) -> str:
    from charset_normalizer import from_bytes

    predicted = None if _controls(sample) * 50 > len(sample) else from_bytes(sample).best()
    if predicted is None:
        raise DataError(f"{path}: neither UTF-8 nor any encoding of text that can be recognised; save it as UTF-8")
    if predicted.encoding in _CODE_PAGES:
        from ..text.language import probable_language

        # Read by the wrong one, a text is still of some language, but less clearly so.
        fits = {predicted.encoding: 0.0}
        for page, languages in _CODE_PAGES.items():
            with suppress(UnicodeDecodeError):
                language, probability = probable_language(sample.decode(page))
                if language in languages:
                    fits[page] = probability
        return max(fits, key=lambda page: fits[page])
    return predicted.encoding
