"""Tests of edits: they change a text as `re.sub` does, and spans move with their words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from communique.text.edits import Edit, apply_edits, move_span, substitutions


def test_substitutions_equal_those_of_re() -> None:
    text = "a-b--c-"
    assert apply_edits(text, substitutions(re.compile("-+"), text, "+")) == re.sub("-+", "+", text)
    assert apply_edits(text, []) == text
    assert apply_edits(text, [Edit(0, 0, "x "), Edit(6, 7, "")]) == "x a-b--c"


@pytest.mark.parametrize(
    ("edits", "moved"),
    [
        ([Edit(0, 0, "Tag: ")], "minister"),
        ([Edit(4, 4, "very ")], "minister"),
        ([Edit(12, 12, "s")], "minister"),
        ([Edit(4, 12, "king")], "king"),
        ([Edit(6, 8, "N")], "miNster"),
        ([Edit(0, 6, "Our mi")], "Our minister"),
        ([Edit(8, 16, "!")], "mini!"),
        ([Edit(12, 15, "")], "minister"),
        ([Edit(4, 12, "")], None),
        ([Edit(0, 16, "")], None),
        ([Edit(0, 4, ""), Edit(13, 13, "long ")], "minister"),
    ],
)
def test_a_span_moves_with_its_words(edits: list[Edit], moved: str | None) -> None:
    text = "The minister left."
    span = move_span((4, 12), edits)
    assert (None if span is None else apply_edits(text, edits)[slice(*span)]) == moved


@given(st.data())
def test_a_span_of_unchanged_characters_keeps_them(data: st.DataObject) -> None:
    text = "abcdefghijklmnop"
    ends = sorted(data.draw(st.lists(st.integers(0, 16), min_size=4, max_size=4)))
    edits = [Edit(ends[0], ends[1], data.draw(st.text("XY", max_size=3)))]
    edits.append(Edit(ends[2], ends[3], data.draw(st.text("XY", max_size=3))))
    start, end = ends[1], ends[2]
    if start < end:
        span = move_span((start, end), edits)
        assert span is not None
        assert apply_edits(text, edits)[slice(*span)] == text[start:end]
