"""Recognise the encoding of a text file from its bytes.

UTF-8, UTF-16 and UTF-32 are recognised with and without a byte order mark. The rest is left to `chardet`, whose answer is
reported as a guess.
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

#: Bytes by which an encoding is recognised; chardet gains nothing from more.
SAMPLE = 1 << 18

#: Lines with characters beyond ASCII that are counted to tell a damaged UTF-8 file from one in a legacy encoding.
COUNTED_LINES = 20_000
BLOCK = 1 << 20

#: Encodings that chardet prefers now and then to the code page that people used: they were rare, and differ from it in a few
#: letters.
_RARE = ("cp437", "cp858", "cp863", "hp-roman8", "maciceland")

#: A candidate in the language that the user named is preferred up to this ratio of confidences.
_LANGUAGE_BONUS = 1.1

#: Escape sequences of ISO-2022, and the mark of HZ: such a text consists of ASCII characters alone.
_SEVEN_BIT = re.compile(rb"\x1b[$(]|\x0e|~\{")

#: Fewest characters by whose block UTF-16 is recognised.
_FEW = 4

#: Least proportion of a decoded sample that must be letters, digits, punctuation or spaces.
_READABLE = 0.9


@dataclass(frozen=True)
class Encoding:
    """A text file's encoding, notes for the user, and whether bytes in it may be damaged."""

    name: str
    notes: tuple[str, ...] = ()
    damaged: bool = False

    @classmethod
    def chosen(cls, name: str | None) -> Encoding | None:
        """Return the encoding that the user named; None if it is to be recognised."""
        return None if name is None else cls(name, damaged=True)

    @property
    def title(self) -> str:
        """Its name for people, who do not tell UTF-8 with a byte order mark from UTF-8."""
        return self.name.removesuffix("-sig")


def check_encoding(name: str) -> str:
    """Return Python's name of an encoding of text.

    Raises:
        ValueError: No encoding has this name.
    """
    try:
        codec = codecs.lookup(name)
        # Refuses codecs that are no encodings of text, such as hex.
        io.TextIOWrapper(io.BytesIO(), encoding=name)
    except (LookupError, ValueError):
        raise ValueError(f"{name!r} is not an encoding. Write a name such as utf-8, cp1250 or iso-8859-2") from None
    # A UTF-8 file may begin with a byte order mark, which is not part of the text.
    return "utf-8-sig" if codec.name == "utf-8" else codec.name


def recognise(path: str | Path, handle: BinaryIO, language: str | None = None) -> Encoding:
    """Recognise an encoding: UTF-8, UTF-16, UTF-32, otherwise what chardet finds.

    A file in which most lines with characters beyond ASCII are valid UTF-8 is UTF-8 with damaged lines, not a legacy
    encoding, so its good lines stay readable.

    Args:
        path: The file, for messages.
        handle: Its bytes.
        language: Language of its text, if it is known; it decides between encodings that fit about equally well.

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
            f"{path}: UTF-8 with damaged bytes; the rows that hold them are not labelled. If the file has another encoding, "
            "name it with --encoding"
        )
        return Encoding("utf-8", (note,), damaged=True)
    sample = head if len(head) < SAMPLE else lines.sample
    found = _chardet(sample, language)
    if found is not None and not found.startswith("utf") and _controls(sample) * 50 > len(sample):
        found = None
    if found is None:
        raise DataError(
            f"{path}: neither UTF-8 nor any encoding of text that can be recognised. Save it as UTF-8, or name its encoding "
            "with --encoding"
        )
    return _guess(path, found)


def _guess(path: str | Path, name: str) -> Encoding:
    note = f"{path}: not UTF-8; read as {name}, which is a guess. If characters look wrong, name the encoding with --encoding"
    return Encoding(name, (note,), damaged=True)


def _read_as_utf8(handle: BinaryIO, head: bytes, lines: _LinesBeyondAscii) -> bool:
    """Return whether a file is valid UTF-8, and count its lines beyond ASCII until enough are known."""
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
    """Return the most probable encoding of a sample of text, or None if it is not text.

    docs/guides/input-formats.md has the proportions of texts that it finds.
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
        # chardet knows Norwegian as `no`.
        same = {"no", "nb", "nn"} if spoken in ("no", "nb", "nn") else {spoken}
        near = (c for c in candidates if c["confidence"] * _LANGUAGE_BONUS >= best["confidence"])
        best = next((c for c in near if c["language"] in same), best)
    return codecs.lookup(str(best["encoding"])).name


def _reads_as_text(sample: bytes, encoding: str) -> bool:
    """Return whether a sample, read in an encoding, consists of letters, digits, punctuation and spaces."""
    try:
        # The sample may end within a character.
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
    """Recognise UTF-16 by a byte that is frequent in every second place only: that of a script's block, or NUL."""
    return _utf16_by_block(head) or _utf16_by_nul(head)


def _utf16_by_block(head: bytes) -> str | None:
    # Most characters of Thai are 0E xx, of Hindi 09 xx: valid UTF-8, but control characters.
    for side, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        [(block, n)] = Counter(head[side::2]).most_common(1) or [(32, 0)]
        # Every line end and space of UTF-16 holds a NUL. Without one, a column of single digits would pass for Gurmukhi.
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
        return None  # A text with some NUL bytes; UTF-16 of this script would have other bytes next to them.
    name = "utf-16-le" if nul[1] > nul[0] else "utf-16-be"
    return name if _decodes(head, name) else None


def _decodes(head: bytes, encoding: str) -> bool:
    """Return whether bytes, of which the last character may be cut, are valid in an encoding."""
    try:
        codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _utf32_without_mark(head: bytes) -> str | None:
    """Recognise UTF-32 by its zero bytes: no character is above U+10FFFF."""
    if len(head) < 8:
        return None
    for name, zero in (("utf-32-le", 3), ("utf-32-be", 0)):
        if not any(head[zero::4]) and _decodes(head, name):
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
