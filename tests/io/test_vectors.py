"""Tests of vectors that are kept in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from communique.io.vectors import VectorCache, text_key

VECTORS = np.array([[1, 2], [3, 4.1]], np.float32)


def test_vectors_are_kept_in_files_that_are_only_added(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "model"
    cache = VectorCache(folder, 2)
    assert cache.missing(["a", "b", "a"]) == ["a", "b"]
    cache.add(["a", "b"], VECTORS)
    [first] = folder.iterdir()
    before = first.read_bytes()
    cache.add(["c"], np.array([[5, 6]], np.float16))
    assert (first.read_bytes(), len(list(folder.iterdir()))) == (before, 2)
    for again in (VectorCache(folder, 2), VectorCache(folder)):
        assert again.missing(["c", " a ", "d"]) == [" a ", "d"]
        found = again.get(["c", "a", "b", "b"])
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, np.array([[5, 6], *VECTORS, VECTORS[1]], np.float32))
        assert again.get([]).shape == (0, 2)


def test_without_a_folder_vectors_are_kept_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cache = VectorCache()
    cache.add(["a", "b"], VECTORS)
    np.testing.assert_array_equal(cache.get(["b"]), VECTORS[1:])
    assert list(tmp_path.iterdir()) == []


def test_the_files_contain_no_texts(tmp_path: Path) -> None:
    VectorCache(tmp_path).add(["the river", "b"], VECTORS)
    assert all(b"river" not in path.read_bytes() for path in tmp_path.iterdir())


def test_a_damaged_file_counts_as_absent_and_is_replaced(tmp_path: Path) -> None:
    VectorCache(tmp_path, 2).add(["a", "b"], VECTORS)
    [path] = tmp_path.iterdir()
    whole = path.read_bytes()
    draw = np.random.default_rng(0)
    damaged = [b"", b"no archive", b"PK\x03\x04", whole[:-30], whole[: len(whole) // 2]]
    for _ in range(300):
        changed = bytearray(whole)
        for place in draw.integers(len(whole), size=3):
            changed[place] = draw.integers(256)
        damaged.append(bytes(changed))
    for content in damaged:
        path.write_bytes(content)
        cache = VectorCache(tmp_path, 2)
        if missing := cache.missing(["a", "b"]):
            assert missing == ["a", "b"]
        else:  # the bytes are not part of the arrays
            np.testing.assert_array_equal(cache.get(["a", "b"]), VECTORS)
    path.write_bytes(b"no archive")
    VectorCache(tmp_path, 2).add(["a", "b"], VECTORS)
    assert path.read_bytes() == whole


def test_vectors_of_another_width_count_as_absent(tmp_path: Path) -> None:
    VectorCache(tmp_path, 2).add(["a", "b"], VECTORS)
    assert VectorCache(tmp_path, 3).missing(["a"]) == ["a"]


def test_keys_distinguish_spaces_and_accept_lone_surrogates() -> None:
    assert len({text_key(text) for text in ("a b", "a  b", "a b ", "é", "e\u0301", "\ud800")}) == 6
