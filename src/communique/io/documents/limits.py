"""Limits on documents, and the type of what is read from one."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ...errors import DataError

#: Bytes of a document that is read whole, as HTML or RTF: 20 times the longest speech.
MAX_BYTES = 20_000_000

#: Bytes of an unpacked part of a zipped document; parts are read as streams.
MAX_UNPACKED = 200_000_000

#: Above this size in bytes, parts that were packed more tightly than `MAX_RATIO` are taken for an attack; texts reach about 20.
SUSPICIOUS, MAX_RATIO = 20_000_000, 150

#: Characters of a document's text, which is in memory as a whole: some 7,000 pages.
MAX_CHARACTERS = 20_000_000


@dataclass(frozen=True)
class Document:
    """The text of a document: its paragraphs with blank lines between them. `notes` are for the user."""

    text: str
    notes: tuple[str, ...] = ()


def joined(name: str, paragraphs: Iterable[str]) -> str:
    """Join paragraphs with blank lines between them.

    Raises:
        DataError: The text is longer than `MAX_CHARACTERS`.
    """
    kept, size = [], 0
    for paragraph in paragraphs:
        kept.append(paragraph)
        size += len(paragraph) + 2
        if size > MAX_CHARACTERS:
            raise too_large(name, f"{MAX_CHARACTERS:,} characters of text")
    return "\n\n".join(kept)


def too_large(name: str, limit: str) -> DataError:
    """Return the error of a document beyond a limit."""
    return DataError(f"{name}: more than {limit}. Split the document into several files")


def read_bytes(path: Path, name: str) -> bytes:
    """Read a whole file.

    Raises:
        DataError: It is larger than `MAX_BYTES`, or cannot be read.
    """
    try:
        with path.open("rb") as handle:
            content = handle.read(MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"{name}: {error.strerror or error}. Name a file that can be read") from error
    if len(content) > MAX_BYTES:
        raise too_large(name, f"{MAX_BYTES // 1_000_000} MB")
    return content


class MarkupError(ValueError):
    """A tag is too long."""


class BoundedMarkup:
    """XML for a parser that keeps a tag in memory until it ends.

    Args:
        handle: The open file.
        limit: Bytes between two '>', of at most which a tag is.
    """

    def __init__(self, handle: IO[bytes], limit: int = MAX_BYTES) -> None:
        self._handle, self._limit, self._since = handle, limit, 0

    def read(self, size: int = -1) -> bytes:
        """Read bytes.

        Raises:
            MarkupError: A tag is too long.
        """
        block = self._handle.read(size)
        end = block.rfind(b">")
        self._since = self._since + len(block) if end < 0 else len(block) - end - 1
        if self._since > self._limit:
            raise MarkupError(f"a tag of more than {self._limit:,} bytes")
        return block


def check_part(archive: zipfile.ZipFile, part: str, name: str) -> None:
    """Check the unpacked size of a part of a ZIP archive; reading stops at the size that the archive declares.

    Raises:
        DataError: It is larger than `MAX_UNPACKED`, or was packed as no document is.
    """
    info = archive.getinfo(part)
    if info.file_size > MAX_UNPACKED:
        raise too_large(name, f"{MAX_UNPACKED // 1_000_000} MB unpacked")
    if info.file_size > SUSPICIOUS and info.file_size > MAX_RATIO * max(1, info.compress_size):
        raise DataError(
            f"{name}: {info.file_size // 1_000_000} MB unpacked from {info.compress_size:,} bytes, as no document is packed. "
            "Save it as .txt"
        )
