"""Integer codes for values such as document keys."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Value = TypeVar("Value", bound=Hashable)


def factorize(values: Iterable[Value]) -> tuple[NDArray[np.int64], list[Value]]:
    """Return a code for each value in order of first appearance, like `pandas.factorize`.

    Returns:
        The number of each value (n,), and the distinct values in the order of their numbers.
    """
    numbers: dict[Value, int] = {}
    codes = np.array([numbers.setdefault(value, len(numbers)) for value in values], np.int64)
    return codes, list(numbers)
