"""Similar sentences: cosine similarity."""

from __future__ import annotations

import numpy as np
import pytest

from communique.models.nearest import nearest


def test_the_most_similar_vectors_come_first_whatever_their_length() -> None:
    vectors = np.array([[1, 0], [0, 5], [3, 3], [-1, 0], [0, 0]], np.float32)
    found = nearest(np.array([2, 0], np.float32), vectors, 3)
    assert [row for row, _ in found] == [0, 2, 1]
    assert [similarity for _, similarity in found] == pytest.approx([1, np.sqrt(0.5), 0])
    assert len(nearest(np.zeros(2, np.float32), vectors, 9)) == 5
    assert nearest(np.ones(2, np.float32), np.zeros((0, 2), np.float32), 3) == []
