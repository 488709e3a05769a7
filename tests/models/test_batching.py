from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from communique.models.batching import batches_by_length

LENGTHS = np.random.default_rng(0).integers(1, 160, 500).tolist()


@pytest.mark.parametrize("limits", [{"max_rows": 64}, {"max_tokens": 512}, {"max_rows": 3, "max_tokens": 512}, {}])
def test_every_row_is_in_one_batch_and_the_longest_come_first(limits: dict[str, Any]) -> None:
    rows = [row for batch in batches_by_length(LENGTHS, **limits) for row in batch]
    assert rows == sorted(range(len(LENGTHS)), key=lambda row: (-LENGTHS[row], row))


def test_a_batch_holds_as_many_rows_as_the_limits_allow() -> None:
    assert [len(batch) for batch in batches_by_length(LENGTHS, max_rows=64)] == [64] * 7 + [52]
    batches = list(batches_by_length(LENGTHS, max_tokens=512))
    assert all(len(batch) * LENGTHS[batch[0]] <= 512 for batch in batches)
    assert all((len(batch) + 1) * LENGTHS[batch[0]] > 512 for batch in batches[:-1])


def test_padding_counts_towards_the_limit() -> None:
    assert list(batches_by_length([5, 5, 5], max_tokens=16)) == [[0, 1, 2]]
    assert list(batches_by_length([5, 5, 5], max_tokens=16, padded=lambda length: 8)) == [[0, 1], [2]]


def test_a_row_beyond_the_limit_gets_its_own_batch() -> None:
    assert list(batches_by_length([3, 5000, 3], max_tokens=512)) == [[1], [0, 2]]


def test_no_rows_yield_no_batches() -> None:
    assert list(batches_by_length([], max_rows=2, max_tokens=2)) == []
