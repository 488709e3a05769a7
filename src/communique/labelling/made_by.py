"""Record in a Parquet file which model labelled it. This is metadata of the file, not a column."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from ..io.file_state import kept_while_unchanged
from ..models.info import ModelInfo

#: Key of the metadata. Its value is the SHA-256 of the description of the model.
MODEL = b"communique.model"


def model_metadata(info: ModelInfo) -> dict[bytes, bytes]:
    """Return the metadata of a file that a model labelled."""
    return {MODEL: info.sha256.encode("ascii")}


def read_model_sha256(path: Path) -> str | None:
    """Return the hash of the model that labelled a file, or None if the file does not contain it.

    It is read again only if the file changed.
    """
    return None if path.suffix.lower() != ".parquet" else _read(path)


@kept_while_unchanged(256)
def _read(path: Path) -> str | None:
    import pyarrow.parquet as pq

    try:
        found = (pq.read_metadata(path).metadata or {}).get(MODEL)
    except (OSError, pa.ArrowException):
        return None  # whoever reads the rows reports the reason
    return None if found is None else found.decode("ascii", "replace")
