"""Recognise the encoding of a text file from its bytes.

UTF-8, UTF-16 and UTF-32 are recognised with and without a byte order mark. Other encodings are detected with `chardet`, and its
result is reported as a guess.
"""

from __future__ import annotations

import codecs
import io
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import DataError

#: Number of bytes from which an encoding is recognised. More bytes do not improve chardet's result.
SAMPLE = 1 << 18

#: Maximum number of lines with non-ASCII characters that are counted to distinguish a damaged UTF-8 file from a legacy encoding.
COUNTED_LINES = 20_000
BLOCK = 1 << 20

#: Rare encodings that chardet sometimes prefers to the code page that was actually used, because they differ in only a few letters.
_RARE = ("cp437", "cp858", "cp863", "hp-roman8", "maciceland")

#: A candidate encoding for the language that the user named is preferred if the best confidence is at most this many times as high.
_LANGUAGE_BONUS = 1.1

#: Escape sequences of ISO-2022 and the marker of HZ. Text in these encodings consists of ASCII bytes only.
_SEVEN_BIT = re.compile(rb"\x1b[$(]|\x0e|~\{")

#: Minimum number of characters from one Unicode block for UTF-16 to be recognised.
_FEW = 4

#: Minimum proportion of a decoded sample that must be letters, digits, punctuation or spaces.
_READABLE = 0.9


@dataclass(frozen=True)
class Encoding:
    """The encoding of a text file, notes for the user, and whether the file may contain damaged bytes."""

    name: str
    notes: tuple[str, ...] = ()
    damaged: bool = False

    @classmethod
    def chosen(cls, name: str | None) -> Encoding | None:
        """Return the encoding that the user named, or None if the encoding is to be recognised."""
        return None if name is None else cls(name, damaged=True)

    @property
    def title(self) -> str:
        """The name of the encoding for messages, which do not distinguish UTF-8 with a byte order mark from UTF-8."""
        return self.name.removesuffix("-sig")


def check_encoding(name: str) -> str:
    """Return Python's name of a text encoding.

    Raises:
        ValueError: There is no text encoding with this name.
    """
    try:
        codec = codecs.lookup(name)
        # Raises an error for codecs that are not text encodings, such as hex.
        io.TextIOWrapper(io.BytesIO(), encoding=name)
    except (LookupError, ValueError):
        raise ValueError(f"{name!r} is not a text encoding. Use a name such as utf-8, cp1250 or iso-8859-2") from None
    # A UTF-8 file may begin with a byte order mark, which is not part of the text.
    return "utf-8-sig" if codec.name == "utf-8" else codec.name


def recognise(path: str | Path, handle: BinaryIO, language: str | None = None) -> Encoding:
    """Recognise the encoding of a file: UTF-8, UTF-16, UTF-32, or else the encoding that chardet detects.

    If most lines with non-ASCII characters are valid UTF-8, the file counts as UTF-8 with damaged lines rather than as a legacy
    encoding, so that its valid lines can be read.

    Args:
        path: The file, for messages.
        handle: The file's bytes.
        language: Language of the text, if it is known. It decides between encodings that fit about equally well.

    Raises:
        DataError: The file is not text.
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
    if wide := _utf16_without_mark(head) or _utf32_without_mark(head):
        return _guess(path, wide)
    lines = _LinesBeyondAscii()
    if _read_as_utf8(handle, head, lines):
        seven_bit = _chardet(head, language) if head.isascii() and _SEVEN_BIT.search(head) else None
        return _guess(path, seven_bit) if seven_bit else Encoding("utf-8")
    if lines.good >= lines.bad and lines.good:
        note = (
            f"{path}: UTF-8 with damaged bytes. The rows that contain them are not labelled. If the file has another encoding, "
            "name it with --encoding"
        )
        return Encoding("utf-8", (note,), damaged=True)
    sample = head if len(head) < SAMPLE else lines.sample
    found = _chardet(sample, language)
    if found is not None and not found.startswith("utf") and _controls(sample) * 50 > len(sample):
        found = None
    if found is None:
        raise DataError(
            f"{path}: neither UTF-8 nor any other text encoding that can be recognised. Save it as UTF-8, or name its encoding "
            "with --encoding"
        )
    return _guess(path, found)


def _guess(path: str | Path, name: str) -> Encoding:
    note = f"{path}: not UTF-8, so it is read as {name}, which is a guess. If characters look wrong, save the file as UTF-8"
    return Encoding(name, (f"{note}, or name its encoding with --encoding",), damaged=True)


def _read_as_utf8(handle: BinaryIO, head: bytes, lines: _LinesBeyondAscii) -> bool:
    """Return whether a file is valid UTF-8, and count its non-ASCII lines in `lines` until there are enough."""
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
        block = handle.read(BLOCK)
    if valid:
        with suppress(UnicodeDecodeError):
            decoder.decode(b"", True)
            return True
    lines.end()
    return False


def _chardet(sample: bytes, language: str | None) -> str | None:
    """Return the most probable encoding of a sample of text, or None if the sample is not text.

    docs/guides/input-formats.md reports how often the result is right.
    """
    from chardet import detect_all

    candidates = [
        found
        for found in detect_all(sample, ignore_threshold=True, exclude_encodings=_RARE, no_match_encoding="cp1252")
        if found["encoding"] and _reads_as_text(sample, found["encoding"])
    ]
    if not candidates:
        return None
    best = candidates[0]
    if language is not None:
        spoken = language.split("-")[0]
        # chardet's code for Norwegian is `no`.
        same = {"no", "nb", "nn"} if spoken in ("no", "nb", "nn") else {spoken}
        near = (c for c in candidates if c["confidence"] * _LANGUAGE_BONUS >= best["confidence"])
        best = next((c for c in near if c["language"] in same), best)
    return codecs.lookup(str(best["encoding"])).name


def _reads_as_text(sample: bytes, encoding: str) -> bool:
    """Return whether a sample, decoded with an encoding, consists almost entirely of letters, digits, punctuation and spaces."""
    try:
        # Decode incrementally, because the sample may end within a character.
        text = codecs.getincrementaldecoder(encoding)().decode(sample)
    except (UnicodeError, LookupError):
        return False
    return not text or sum(c.isprintable() or c.isspace() for c in text) >= _READABLE * len(text)


def _is_utf8(content: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(content, True)
    except UnicodeDecodeError:
        return False
    return True


def _utf16_without_mark(head: bytes) -> str | None:
    """Recognise UTF-16 by a byte that is frequent only at even or only at odd positions: NUL, or the high byte of a block."""
    return _utf16_by_block(head) or _utf16_by_nul(head)


def _utf16_by_block(head: bytes) -> str | None:
    # Most Thai characters are 0E xx and most Hindi characters 09 xx. These bytes are valid UTF-8, but control characters.
    for side, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        [(block, n)] = Counter(head[side::2]).most_common(1) or [(32, 0)]
        # In UTF-16, every line end and space contains a NUL. Without this check, a column of single digits would count as Gurmukhi.
        known = 0 in head or block not in b"\t\n\f\r"
        frequent = n >= _FEW and 4 * n >= len(head) and head[1 - side :: 2].count(block) * 20 < n
        if known and block < 32 and frequent and _decodes(head, name):
            return name
    return None


def _utf16_by_nul(head: bytes) -> str | None:
    nul = (head[0::2].count(0), head[1::2].count(0))
    if max(nul) < max(2, len(head) // 50) or min(nul) * 20 > max(nul):
        return None
    rest = head.replace(b"\0", b"")
    if max(nul) * 6 < len(head) and _controls(rest) * 50 < len(rest) and _is_utf8(rest):
        return None  # A text with a few NUL bytes: without them, it is valid UTF-8.
    name = "utf-16-le" if nul[1] > nul[0] else "utf-16-be"
    return name if _decodes(head, name) else None


def _decodes(head: bytes, encoding: str) -> bool:
    """Return whether bytes are valid in an encoding. The last character may be incomplete."""
    try:
        codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _utf32_without_mark(head: bytes) -> str | None:
    """Recognise UTF-32 by its zero bytes: the high byte of each character is 0, because no character is above U+10FFFF."""
    if len(head) < 8:
        return None
    for name, zero in (("utf-32-le", 3), ("utf-32-be", 0)):
        if not any(head[zero::4]) and _decodes(head, name):
            return name
    return None


def _controls(sample: bytes) -> int:
    """Count the control characters that do not occur in text. Line ends, tabs, page breaks and escapes are not counted."""
    return sum(sample.count(i) for i in (*range(9), *range(14, 27), *range(28, 32)))


class _LinesBeyondAscii:
    """Count the non-ASCII lines that are valid UTF-8 and those that are not, and collect a sample of the invalid lines.

    Lines of any length are processed in pieces. Only their first bytes are kept, for the sample.
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
        """Count the current line, if it contains non-ASCII bytes."""
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
    """Return the first and the last line of an ASCII block. The lines between them need not be examined."""
    first, newline, rest = block.partition(b"\n")
    return [first, rest.rpartition(b"\n")[2]] if newline else [first]
