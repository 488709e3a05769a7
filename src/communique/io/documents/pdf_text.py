"""Extract the text layer of a PDF file in a separate process: `python pdf_text.py FILE LIMITS`.

PDFium decompresses a whole page before its size is known, and a file of 1 MB can unpack to gigabytes. Only the operating system can
limit that, and only for a whole process. This script does not import the package, so that it starts fast.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def limit_process(memory: int, seconds: int) -> None:
    """Limit the memory (in bytes) and the CPU time (in seconds) of this process. On Windows, do nothing."""
    try:
        import resource
    except ImportError:
        return
    for kind, wanted in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(kind)[1]
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (limit, limit))


def extract(path: str, max_pages: int, max_characters: int) -> dict[str, Any]:
    """Return the text of each page and the number of scanned pages, or the limit that was exceeded, or an error.

    A page counts as scanned if it has content but no text.
    """
    import pypdfium2

    texts: list[str] = []
    size = scanned = 0
    try:
        with pypdfium2.PdfDocument(path) as pdf:
            if len(pdf) > max_pages:
                return {"beyond": f"{max_pages:,} pages"}
            for i in range(len(pdf)):
                page = pdf[i]
                text = page.get_textpage().get_text_bounded()
                if not text.strip():
                    scanned += any(True for _ in page.get_objects(max_depth=1))
                texts.append(text)
                size += len(text)
                if size > max_characters:
                    return {"beyond": f"{max_characters:,} characters of text"}
                page.close()
    except (pypdfium2.PdfiumError, OSError, ValueError) as error:
        return {"error": str(error)}
    return {"texts": texts, "scanned": scanned}


if __name__ == "__main__":
    limits = json.loads(sys.argv[2])
    limit_process(limits["memory"], limits["seconds"])
    json.dump(extract(sys.argv[1], limits["pages"], limits["characters"]), sys.stdout)
