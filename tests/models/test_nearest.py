"""Similar sentences: cosine similarity, and vectors that are kept in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from communique.models.nearest import VectorCache, nearest


def test_the_most_similar_vectors_come_first_whatever_their_length() -> None:
    vectors = np.array([[1, 0], [0, 5], [3, 3], [-1, 0], [0, 0]], np.float32)
    found = nearest(np.array([2, 0], np.float32), vectors, 3)
    assert [row for row, _ in found] == [0, 2, 1]
    assert [similarity for _, similarity in found] == pytest.approx([1, np.sqrt(0.5), 0])
    assert len(nearest(np.zeros(2, np.float32), vectors, 9)) == 5
    assert nearest(np.ones(2, np.float32), np.zeros((0, 2), np.float32), 3) == []


def test_vectors_are_kept_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "vectors.npz"
    cache = VectorCache(path, 2)
    assert cache.missing(["a", "b", "a"]) == ["a", "b"]
    cache.add(["a", "b"], np.array([[1, 2], [3, 4]], np.float32))
    cache.add(["c"], np.array([[5, 6]], np.float32))
    again = VectorCache(path, 2)
    assert again.missing(["c", " a ", "d"]) == ["d"]
    np.testing.assert_array_equal(again.get(["c", "a"]), [[5, 6], [1, 2]])
    assert again.get([]).shape == (0, 2)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"])
def test_a_damaged_file_and_one_of_another_model_count_as_empty(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "vectors.npz"
    path.write_bytes(content)
    assert VectorCache(path, 2).missing(["a"]) == ["a"]
    VectorCache(path, 2).add(["a"], np.ones((1, 2), np.float32))
    assert VectorCache(path, 3).missing(["a"]) == ["a"]
