from __future__ import annotations

import numpy as np

from communique.data.codes import factorize


def test_values_are_numbered_in_order_of_first_appearance() -> None:
    keys = [("press", "b"), (None, "a"), ("press", "b"), ("press", "a")]
    codes, distinct = factorize(keys)
    assert codes.tolist() == [0, 1, 0, 2]
    assert [distinct[code] for code in codes] == keys
    assert codes.dtype == np.int64


def test_an_empty_list_has_no_codes() -> None:
    nothing: list[str] = []
    codes, distinct = factorize(nothing)
    assert codes.shape == (0,)
    assert codes.dtype == np.int64
    assert distinct == []
