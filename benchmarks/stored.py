"""Store the outputs of classifiers that took hours to train, so that an interrupted benchmark can resume on another machine.

The files contain numbers only. A hash of the ids of the rows shows whether they still belong to the same data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from communique.data.sentence import Sentence
from communique.io.atomic import replacing

Arrays = dict[str, NDArray[np.float32]]


def store(path: Path, rows: Sequence[Sentence], arrays: Arrays, seconds: float) -> None:
    """Write arrays of logits for some rows, and the seconds that computing them took."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, "wb") as handle:
        np.savez_compressed(handle, allow_pickle=False, rows=np.array(_hash(rows)), seconds=seconds, **arrays)


def load(path: Path, rows: Sequence[Sentence]) -> Arrays:
    """Read the arrays of a file, including `seconds`.

    Raises:
        SystemExit: The file was written for other rows.
    """
    with np.load(path, allow_pickle=False) as kept:
        if str(kept["rows"]) != _hash(rows):
            raise SystemExit(
                f"{path}: written for other rows, because the data have changed. Delete this file and fit again"
            )
        return {name: kept[name] for name in kept.files if name != "rows"}


def _hash(rows: Sequence[Sentence]) -> str:
    return hashlib.sha256("\n".join(s.id for s in rows).encode()).hexdigest()
