"""Record in a Parquet file which model labelled it, and which files it was made from. This is metadata, not a column."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa

from ..io.atomic import disk_errors, file_sha256
from ..io.file_state import kept_while_unchanged
from ..io.paths import InputFile
from ..models.info import ModelInfo

#: Key of the metadata. Its value is the SHA-256 of the description of the model.
MODEL = b"communique.model"

#: Key of the metadata about the input. Its value is one `_key` per file, separated by spaces.
FILES = b"communique.files"

_file_sha256 = kept_while_unchanged(10_000)(file_sha256)


def origin_metadata(info: ModelInfo, files: Iterable[InputFile]) -> dict[bytes, bytes]:
    """Return the metadata of a file that a model labelled.

    Args:
        info: Description of the model.
        files: The files whose texts were labelled.
    """
    keys = " ".join(sorted(_key(file.path, file.sha256) for file in files if file.sha256 is not None))
    return {MODEL: info.sha256.encode("ascii"), FILES: keys.encode("ascii")}


def read_model_sha256(path: Path) -> str | None:
    """Return the hash of the model that labelled a file, or None if the file does not contain it.

    It is read again only if the file changed.
    """
    found = _read(path).get(MODEL)
    return None if found is None else found.decode("ascii", "replace")


def unlabelled_files(path: Path, files: Iterable[Path]) -> list[Path] | None:
    """Return the files whose present texts a labelled file does not contain, or None if it does not say what it contains.

    A file that was changed or renamed counts as unlabelled. Files are hashed again only if they changed.

    Raises:
        DataError: A file cannot be read.
    """
    found = _read(path).get(FILES)
    if found is None:
        return None
    known, missing = set(found.decode("ascii", "replace").split()), []
    for file in files:
        with disk_errors(file, "Restore the file, or check its permissions"):
            if _key(file, _file_sha256(file)) not in known:
                missing.append(file)
    return missing


def _key(path: Path, sha256: str) -> str:
    """Return a short hash of the name and the content of a file. Ids begin with the name."""
    return hashlib.sha256(f"{path.name}\0{sha256}".encode("utf-8", "surrogateescape")).hexdigest()[:16]


@kept_while_unchanged(256)
def _read(path: Path) -> Mapping[bytes, bytes]:
    if path.suffix.lower() != ".parquet":
        return {}
    import pyarrow.parquet as pq

    try:
        return dict(pq.read_metadata(path).metadata or {})
    except (OSError, pa.ArrowException):
        return {}  # whoever reads the rows reports the reason
