"""Say why a named input cannot be read: what the user may have meant by its name, or that it is standard input."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

from ..errors import DataError
from .output import STANDARD

#: Number of files of a folder that are compared with the name.
COMPARED = 10_000

#: Similarity from which a name is suggested, from 0 to 1 (see `difflib.SequenceMatcher.ratio`). `.cvs` and `.csv` have 0.75.
SIMILAR = 0.7


def refuse_standard_input(path: str | Path) -> None:
    """Check that an input is not `-`, for commands that read their inputs more than once. A file may have this name.

    Raises:
        DataError: The path is `-`.
    """
    if str(path) == STANDARD and not os.path.exists(path):
        raise DataError("-: standard input cannot be read here. Save it to a file and name this file")


def missing_file(path: str | Path) -> str:
    """Return the end of a message that suggests which existing file was meant, or an empty text."""
    path = Path(path)
    names: list[str] = []
    with suppress(OSError), os.scandir(path.parent) as entries:
        names = sorted(entry.name for entry in islice(entries, COMPARED) if not entry.name.startswith("."))
    if whole := next((n for n in names if n.startswith(f"{path.name} ") or n.endswith(f" {path.name}")), None):
        return f". If you mean {whole}, put quotation marks around the name: {shlex.quote(str(path.with_name(whole)))}"
    if close := get_close_matches(path.name, names, 1, SIMILAR):
        return f". Did you mean {path.with_name(close[0])}?"
    return ""


def unknown_suffix(path: str | Path, allowed: Iterable[str]) -> str:
    """Return the end of a message that suggests the name with the suffix that was meant, or an empty text."""
    path = Path(path)
    close = get_close_matches(path.suffix.lower(), list(allowed), 1, SIMILAR) if path.suffix else []
    return f". Did you mean {path.with_suffix(close[0])}?" if close else ""
