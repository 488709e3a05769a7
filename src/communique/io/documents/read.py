"""Read a document of any format."""

from __future__ import annotations

from pathlib import Path

from ...errors import CommuniqueError, DataError, require_extra
from ..recognise import Encoding
from ..suffixes import MODULES
from .limits import Document
from .office import read_docx, read_odt
from .pdf import read_pdf
from .rtf import read_rtf
from .subtitles import read_subtitles
from .webpage import read_html

#: The extra of the package that installs the libraries in `MODULES`.
EXTRA = "documents"


def require_reader(file_format: str) -> None:
    """Check that the library that reads a format is installed.

    Raises:
        MissingExtraError: The library is not installed.
    """
    if module := MODULES.get(file_format):
        require_extra(module, f"Reading {file_format} files", extra=EXTRA)


def read_document(
    path: Path, name: str, file_format: str, encoding: Encoding | None = None, language: str | None = None
) -> Document:
    """Extract the text of a document.

    Args:
        path: The file.
        name: Name of the file in messages.
        file_format: One of `suffixes.EXTRACTED_SUFFIXES`.
        encoding: Encoding of a text format. Default: recognised from the file.
        language: Language of the text, if it is known.

    Raises:
        DataError: The document cannot be read, or is too large.
        MissingExtraError: The library that reads it is not installed.
    """
    require_reader(file_format)
    if not path.is_file():
        raise DataError(f"{name}: no such file")
    try:
        return _read(path, name, file_format, encoding, language)
    except CommuniqueError:
        raise
    except Exception as error:
        # A broken file can make a library raise any exception, and one file must not end the run.
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise DataError(
            f"{name}: not a readable {file_format} file ({reason}). Save it again, or save it as .txt"
        ) from error


def _read(path: Path, name: str, file_format: str, encoding: Encoding | None, language: str | None) -> Document:
    if file_format in (".html", ".htm"):
        return read_html(path, name, encoding, language)
    if file_format in (".srt", ".vtt"):
        return read_subtitles(path, name, encoding)
    readers = {".docx": read_docx, ".odt": read_odt, ".rtf": read_rtf, ".pdf": read_pdf}
    return readers[file_format](path, name)
