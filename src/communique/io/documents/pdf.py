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
from ...reporting.format import counted
from . import pdf_text
from .limits import MAX_CHARACTERS, Document, too_large

#: Maximum number of pages of a document.
MAX_PAGES = 20_000

#: Maximum address space in bytes, and maximum CPU time in seconds, of the process that reads a document. The process needs about
#: 100 MB before it opens the document.
MAX_MEMORY, MAX_SECONDS = 600_000_000, 50

#: Characters with which PDFium replaces a hyphen and the line end after it, depending on its version.
_LINE_HYPHEN = re.compile("[\x02\ufffe]")


def read_pdf(path: Path, name: str) -> Document:
    """Read the text layer of a PDF document, with lines as printed and a form feed at the beginning of each page but the first.

    A page with content but no text counts as scanned. A note reports the number of scanned pages.

    Raises:
        DataError: The file is not a readable PDF, needs a password, or is too large.
    """
    found = _extract(path, name)
    if "beyond" in found:
        raise too_large(name, found["beyond"])
    if "error" in found:
        raise DataError(f"{name}: not a readable PDF document ({found['error']}). Save it again, or save it as .txt")
    pages = [
        _LINE_HYPHEN.sub("-\n", text).replace("\r\n", "\n").replace("\r", "\n").strip("\n") for text in found["texts"]
    ]
    scanned = found["scanned"]
    notes = (
        (
            f"{name}: skipped {scanned} of {counted(len(pages), 'page')}: scanned images without text. "
            "Add a text layer with OCR software to read them",
        )
        if scanned
        else ()
    )
    return Document("\n\f".join(pages), notes)


def _extract(path: Path, name: str) -> dict[str, Any]:
    """Run `pdf_text.extract` in a process with limited memory and time, and return its result."""
    limits = {"memory": MAX_MEMORY, "seconds": MAX_SECONDS, "pages": MAX_PAGES, "characters": MAX_CHARACTERS}
    script = pdf_text.__file__
    # With `-P`, Python does not import modules from the script's folder. The child stays in this process group, so that Ctrl-C also
    # ends the child.
    command = [sys.executable, "-P", script, os.path.abspath(path), json.dumps(limits)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        raise DataError(
            f"{name}: the pages are damaged, or need more than {MAX_MEMORY // 1_000_000} MB of memory or {MAX_SECONDS} s. "
            "Save it again, or save it as .txt"
        )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
