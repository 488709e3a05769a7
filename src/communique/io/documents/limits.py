"""Limits on documents, and the type of what is read from one."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ...errors import DataError
from ..bounds import is_decompression_bomb

#: Bytes of a document that is read whole, as HTML or RTF: 20 times the longest speech.
MAX_BYTES = 20_000_000

#: Bytes of an unpacked part of a zipped document; parts are read as streams.
MAX_UNPACKED = 200_000_000

#: Unpacked bytes of a part above which its compression ratio is checked.
SUSPICIOUS = 20_000_000

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


def check_part(archive: zipfile.ZipFile, part: str, name: str) -> None:
    """Check the unpacked size of a part of a ZIP archive; reading stops at the size that the archive declares.

    Raises:
        DataError: It is larger than `MAX_UNPACKED`, or is a decompression bomb.
    """
    info = archive.getinfo(part)
    if info.file_size > MAX_UNPACKED:
        raise too_large(name, f"{MAX_UNPACKED // 1_000_000} MB unpacked")
    if is_decompression_bomb(info.file_size, info.compress_size, above=SUSPICIOUS):
        raise DataError(
            f"{name}: {info.file_size // 1_000_000} MB unpack from {info.compress_size:,} bytes, which no real document does. Save "
            "it as .txt"
        )
