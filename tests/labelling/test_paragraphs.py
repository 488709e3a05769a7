"""Where paragraphs begin is recorded in Parquet files, and damaged or foreign values count as unknown."""

from __future__ import annotations

import base64
import zlib

import pytest

from communique.labelling.paragraphs import PARAGRAPHS, paragraph_metadata, read_paragraphs


@pytest.mark.parametrize(("begins", "rows"), [([0], 1), ([0, 3, 8], 9), ([2], 16), ([0, 70_000], 100_000)])
def test_rows_that_start_a_paragraph_are_recorded(begins: list[int], rows: int) -> None:
    found = read_paragraphs(paragraph_metadata(begins, rows), rows)
    assert found.shape == (rows,)
    assert found.nonzero()[0].tolist() == begins


def test_nothing_is_recorded_if_nothing_is_known() -> None:
    assert paragraph_metadata([], 5) == {}
    assert not read_paragraphs(None, 5).any()


@pytest.mark.parametrize(
    "value",
    [b"", b"no base64!", base64.b64encode(b"not compressed"), base64.b64encode(zlib.compress(b""))],
)
def test_a_damaged_value_counts_as_unknown(value: bytes) -> None:
    assert not read_paragraphs({PARAGRAPHS: value}, 12).any()


def test_a_value_that_expands_to_much_more_than_the_rows_is_cut() -> None:
    bomb = base64.b64encode(zlib.compress(b"\xff" * 50_000_000))
    assert read_paragraphs({PARAGRAPHS: bomb}, 12).shape == (12,)
