"""Read the text layer of PDF files."""

from __future__ import annotations

from pathlib import Path

from ...errors import DataError
from .limits import MAX_CHARACTERS, Document, too_large

#: Pages of a document that are read.
MAX_PAGES = 20_000

#: What PDFium puts in place of a hyphen at the end of a line.
_LINE_HYPHEN = "\ufffe"


def read_pdf(path: Path, name: str) -> Document:
    """Read the text layer of a PDF document, its lines as they are printed; a form feed begins each further page.

    A page that shows something but has no text is counted as scanned.

    Raises:
        DataError: The file is not a readable PDF, needs a password, or is too large.
    """
    import pypdfium2

    pages: list[str] = []
    size, scanned = 0, 0
    try:
        with pypdfium2.PdfDocument(path) as pdf:
            n = len(pdf)
            if n > MAX_PAGES:
                raise too_large(name, f"{MAX_PAGES:,} pages")
            for i in range(n):
                page = pdf[i]
                text = page.get_textpage().get_text_bounded()
                if not text.strip():
                    scanned += any(True for _ in page.get_objects(max_depth=1))
                pages.append(text.replace(_LINE_HYPHEN, "-\n").replace("\r\n", "\n").replace("\r", "\n"))
                size += len(text)
                if size > MAX_CHARACTERS:
                    raise too_large(name, f"{MAX_CHARACTERS:,} characters of text")
                page.close()
    except (pypdfium2.PdfiumError, OSError, ValueError) as error:
        raise DataError(f"{name}: not a readable PDF document ({error}). Save it again, or as .txt") from error
    notes = (
        (
            f"{name}: {scanned} of {n} pages are scanned images without text and are not read. Recognise their text (OCR)",
        )
        if scanned
        else ()
    )
    return Document("\n\f".join(page.strip("\n") for page in pages), notes)
