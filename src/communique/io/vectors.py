"""Keep the vectors of texts in files, so that they are computed only once."""

from __future__ import annotations

import hashlib
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .atomic import replacing

Vectors = NDArray[np.float32]

#: What NumPy and the reader of ZIP files raise for a file that is damaged.
_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    MemoryError,
    RuntimeError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


class VectorCache:
    """Vectors by text, all computed in the same way. Files contain hashes of the texts, never the texts themselves.

    Files are only ever added to the folder, so that several processes can share it. A file that is damaged, or whose vectors have
    another width, counts as absent: its vectors are computed again, and replace the file.

    Args:
        folder: The folder for one model with one combination of settings. Default: the vectors are kept in memory only.
        width: Size of the vectors. Default: that of the first ones.
    """

    def __init__(self, folder: Path | None = None, width: int | None = None) -> None:
        self._folder, self._width = folder, width
        self._vectors: dict[str, Vectors] = {}
        for path in [] if folder is None else sorted(folder.glob("*.npz")):
            self._vectors |= self._read(path)

    def missing(self, texts: Iterable[str]) -> list[str]:
        """Return the different texts whose vectors are not known."""
        return list({key: text for text in texts if (key := text_key(text)) not in self._vectors}.values())

    def add(self, texts: Sequence[str], vectors: Vectors) -> None:
        """Add the vectors (n, w) of texts, and write them to a file."""
        keys, vectors = [text_key(text) for text in texts], vectors.astype(np.float32, copy=False)
        if self._folder is not None and keys:
            self._folder.mkdir(parents=True, exist_ok=True)
            name = hashlib.sha256("".join(keys).encode()).hexdigest()[:16]
            with replacing(self._folder / f"{name}.npz", "wb") as handle:
                np.savez(handle, allow_pickle=False, keys=np.array(keys), vectors=vectors)
        self._vectors.update(zip(keys, vectors, strict=True))

    def get(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors (n, w) of texts that are known. There is at least one text, or the width is known."""
        return np.array([self._vectors[text_key(text)] for text in texts], np.float32).reshape(
            len(texts), self._known()
        )

    def _known(self) -> int:
        return self._width if self._width is not None else len(next(iter(self._vectors.values()), ()))

    def _read(self, path: Path) -> dict[str, Vectors]:
        try:
            with path.open("rb") as handle, np.load(handle, allow_pickle=False) as arrays:
                keys, vectors = arrays["keys"].tolist(), arrays["vectors"].astype(np.float32)
        except _DAMAGED:
            return {}
        if vectors.ndim != 2 or len(vectors) != len(keys) or (self._known() or vectors.shape[1]) != vectors.shape[1]:
            return {}
        return dict(zip(keys, vectors, strict=True))


def text_key(text: str) -> str:
    """Return a hash of the exact text. In contrast to `text_sha256`, a doubled space changes it, as it changes the vector."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
