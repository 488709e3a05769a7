"""Models and readers for tests of Ray, in a module that Ray workers can import."""

from __future__ import annotations

import time
from collections.abc import Container, Iterator
from pathlib import Path

from fakes import FakeModel

from communique import BundleError
from communique.labelling import ray as engine
from communique.labelling.reader import ShardReader

#: The function with which the engine reads, before a test replaces it.
_read = engine._read


def slow_model(delay: float, folder: Path, *, threads: int | None = None, info: object = None) -> FakeModel:
    """Open a model that answers slowly."""
    return FakeModel(folder, delay=delay)


def broken_model(folder: Path, *, threads: int | None = None, info: object = None) -> FakeModel:
    """Fail to open a model."""
    raise BundleError(f"{threads} CPUs: no such network; copy the model folder again")


def slow_read(reader: ShardReader, finished: Container[int]) -> Iterator[object]:
    """Read as slowly as a disk that cannot keep up with the actors."""
    for block in _read(reader, finished):
        time.sleep(0.1)
        yield block
