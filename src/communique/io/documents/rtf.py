"""Read the text of RTF files."""

from __future__ import annotations

from pathlib import Path

from ...errors import DataError
from .limits import Document, joined, read_bytes


def read_rtf(path: Path, name: str) -> Document:
    """Read an RTF document.

    Raises:
        DataError: The file is not RTF, or is too large.
    """
    from striprtf.striprtf import rtf_to_text

    # RTF files are ASCII. Other characters are escaped, in the code page that the file names.
    content = read_bytes(path, name).decode("latin-1")
    if not content.lstrip("\ufeff\xef\xbb\xbf \r\n").startswith("{\\rtf"):
        raise DataError(f"{name}: not an RTF document. Save it again, or save it as .txt")
    try:
        text = rtf_to_text(content, errors="replace")  # type: ignore[no-untyped-call]
    except (ValueError, LookupError, IndexError, RecursionError, OverflowError) as error:
        raise DataError(f"{name}: not a readable RTF document ({error}). Save it again, or save it as .txt") from error
    # striprtf ends each table cell with '|'.
    lines = (cell.strip() for line in text.splitlines() for cell in line.split("|"))
    return Document(joined(name, (line for line in lines if line)))
