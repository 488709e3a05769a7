"""Record in a Parquet file which rows start a paragraph. This is metadata of the file, not a column."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

#: Key of the metadata. Its value has one bit per row, compressed and in base64.
PARAGRAPHS = b"communique.paragraphs"


def paragraph_metadata(begins: Sequence[int], rows: int) -> dict[bytes, bytes]:
    """Return the metadata of a file.

    Args:
        begins: Numbers of the rows that are known to start a paragraph. If there are none, nothing is recorded.
        rows: Number of rows of the file.
    """
    if not begins:
        return {}
    bits = np.zeros(rows, np.bool_)
    bits[list(begins)] = True
    return {PARAGRAPHS: base64.b64encode(zlib.compress(np.packbits(bits).tobytes(), 9))}


def read_paragraphs(metadata: Mapping[bytes, bytes] | None, rows: int) -> NDArray[np.bool_]:
    """Return which rows are known to start a paragraph (rows,). Metadata of other programs count as missing."""
    try:
        # A damaged value must not fill the memory.
        content = zlib.decompressobj().decompress(base64.b64decode((metadata or {})[PARAGRAPHS]), rows // 8 + 1)
    except (KeyError, ValueError, zlib.error):
        return np.zeros(rows, np.bool_)
    bits = np.unpackbits(np.frombuffer(content, np.uint8), count=rows) if len(content) * 8 >= rows else np.zeros(rows)
    return bits.astype(np.bool_)
