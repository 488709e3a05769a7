"""Limits on the size of documents, and the type that readers return."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ...errors import DataError
from ..bounds import is_decompression_bomb

#: Maximum number of bytes of a document that is read whole, such as HTML or RTF: 20 times the longest speech.
MAX_BYTES = 20_000_000

#: Maximum number of unpacked bytes of a part of a zipped document. Parts are read as streams.
MAX_UNPACKED = 200_000_000

#: Number of unpacked bytes of a part above which its compression ratio is checked.
SUSPICIOUS = 20_000_000

#: Maximum number of characters in a document's text, about 7,000 pages. The whole text is in memory.
MAX_CHARACTERS = 20_000_000


@dataclass(frozen=True)
class Document:
    """The text of a document, with blank lines between paragraphs, and notes for the user."""

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
    """Return the error for a document that exceeds a limit."""
    return DataError(f"{name}: the document has more than {limit}. Split it into several files")


def read_bytes(path: Path, name: str) -> bytes:
    """Read a whole file.

    Raises:
        DataError: The file is larger than `MAX_BYTES`, or cannot be read.
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
    """Check the unpacked size that a ZIP archive declares for one of its parts. `zipfile` never reads more than this size.

    Raises:
        DataError: The part is larger than `MAX_UNPACKED`, or is a decompression bomb.
    """
    info = archive.getinfo(part)
    if info.file_size > MAX_UNPACKED:
        raise too_large(name, f"{MAX_UNPACKED // 1_000_000} MB when unpacked")
    if is_decompression_bomb(info.file_size, info.compress_size, above=SUSPICIOUS):
        raise DataError(
            f"{name}: {info.compress_size:,} bytes unpack to {info.file_size // 1_000_000} MB, which suggests a decompression "
            "bomb. If it is a real document, save it as .txt"
        )
