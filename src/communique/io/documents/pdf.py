"""Read the text layer of PDF files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from ...errors import DataError
from . import pdf_text
from .limits import MAX_CHARACTERS, Document, too_large

#: Pages of a document that are read.
MAX_PAGES = 20_000

#: Bytes of address space and CPU seconds of the process that reads a document; it needs some 100 MB before it begins.
MAX_MEMORY, MAX_SECONDS = 600_000_000, 50

#: What PDFium puts in place of a hyphen and the line end behind it, by its version.
_LINE_HYPHEN = re.compile("[\x02\ufffe]")


def read_pdf(path: Path, name: str) -> Document:
    """Read the text layer of a PDF document, its lines as they are printed; a form feed begins each further page.

    A page that shows something but has no text is counted as scanned.

    Raises:
        DataError: The file is not a readable PDF, needs a password, or is too large.
    """
    found = _extract(path, name)
    if "beyond" in found:
        raise too_large(name, found["beyond"])
    if "error" in found:
        raise DataError(f"{name}: not a readable PDF document ({found['error']}). Save it again, or as .txt")
    pages = [
        _LINE_HYPHEN.sub("-\n", text).replace("\r\n", "\n").replace("\r", "\n").strip("\n") for text in found["texts"]
    ]
    scanned = found["scanned"]
    notes = (
        (
            f"{name}: {scanned} of {len(pages)} pages are scanned images without text and are not read. "
            "Recognise their text (OCR)",
        )
        if scanned
        else ()
    )
    return Document("\n\f".join(pages), notes)


def _extract(path: Path, name: str) -> dict[str, Any]:
    """Return what `pdf_text.extract` found in a process with limits."""
    limits = {"memory": MAX_MEMORY, "seconds": MAX_SECONDS, "pages": MAX_PAGES, "characters": MAX_CHARACTERS}
    script = pdf_text.__file__
    # `-P`: the script's folder holds no libraries. A child in a process group of its own would outlive Ctrl-C.
    command = [sys.executable, "-P", script, os.path.abspath(path), json.dumps(limits)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        raise DataError(
            f"{name}: its pages need more than {MAX_MEMORY // 1_000_000} MB of memory or {MAX_SECONDS} s, or are damaged. "
            "Save it again, or as .txt"
        )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
