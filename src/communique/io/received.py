"""Names of files that somebody sends to the app: as they can be stored, without what could harm."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from ..errors import DataError
from ..text.cleaning import without_surrogates
from .suffixes import ADVICE, DOCUMENT_SUFFIXES, JSON, TABLE_SUFFIXES, ending, stem

#: Maximum number of bytes of the name of a file without its suffix, and of a folder. File systems allow 255 bytes.
_NAME_BYTES = 180

#: Maximum number of folders around a file.
_MAX_DEPTH = 8

#: Characters that some file system does not allow in names, and names that Windows keeps for devices, with any suffix.
_RESERVED = re.compile(r'[<>:"|?*]')
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])(?= *(?:\.|$))", re.IGNORECASE)

#: Formats of files that can be received. The data files of `datasets` are useless without the others of their folder.
RECEIVED = (*DOCUMENT_SUFFIXES, *TABLE_SUFFIXES, JSON)


def file_names(given: Iterable[str]) -> list[str]:
    """Return names under which files can be stored in one folder: without folders and control characters, and all different.

    Raises:
        DataError: A file has a format that cannot be read.
    """
    names: list[str] = []
    for one in given:
        name = safe_path(one).name
        # A case-insensitive file system would store "A.txt" and "a.txt" as one file.
        taken, base, end = {other.lower() for other in names}, stem(name), name[len(stem(name)) :]
        number, unique = 2, name
        while unique.lower() in taken:
            unique, number = f"{base}-{number}{end}", number + 1
        names.append(unique)
    return names


def safe_path(given: str) -> PurePosixPath:
    """Return the path of a file without control characters and what some file system does not allow.

    It never leads out of the folder in which the file is stored.

    Raises:
        DataError: The file has a format that cannot be read.
    """
    *folders, name = map(_cleaned, given.replace("\\", "/").split("/"))
    suffix = ending(name)[0]
    if suffix not in RECEIVED:
        shown = name or "a file without a name"
        advice = f"Instead, {ADVICE[suffix]}. " if suffix in ADVICE else ""
        raise DataError(
            f"{shown}: files of this format cannot be read. {advice}Supported formats: {', '.join(RECEIVED)}"
        )
    return PurePosixPath(*[part for part in map(_shortened, folders) if part][-_MAX_DEPTH:], name)


def _cleaned(part: str) -> str:
    name = unicodedata.normalize("NFC", without_surrogates(part))
    name = _RESERVED.sub("_", "".join(c for c in name if c.isprintable())).strip(" .")
    base, end = stem(name), name[len(stem(name)) :]
    name = (_shortened(base) or ("file" if end else "")) + end
    return f"{device[0]}_{name[device.end() :]}" if (device := _DEVICE.match(name)) else name


def _shortened(part: str) -> str:
    return part.encode()[:_NAME_BYTES].decode("utf-8", "ignore").strip(" .")
