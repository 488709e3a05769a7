"""Test the removal of invisible characters, which keeps joiners where a script needs them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from communique.text.cleaning import (
    for_model,
    has_letters,
    holds_invisible,
    kept_positions,
    span_for_model,
    span_from_model,
    without_surrogates,
)
from communique.text.language import identify_language

PLAIN = "The Government strongly condemns the annexation of the territory."


@pytest.mark.parametrize(
    "mark", ["\u00ad", "\u200b", "\u200c", "\u200d", "\ufeff", "\u2060", "\u200e", "\u202a", "\u2066"]
)
def test_invisible_characters_are_removed(mark: str) -> None:
    text = mark + PLAIN.replace("ern", f"er{mark}n") + mark
    assert for_model(text) == PLAIN
    assert holds_invisible(text)
    assert identify_language(text) == "en"


@pytest.mark.parametrize("text", ["می\u200cرویم", "क्\u200dष", "ශ්\u200dරී", "👩\u200d🚒", "🏳\ufe0f\u200d🌈"])
def test_joiners_are_kept_in_emoji_and_in_words_of_scripts_that_need_them(text: str) -> None:
    assert for_model(text) == text
    assert not holds_invisible(text)


def test_a_lone_surrogate_is_replaced() -> None:
    assert for_model(json.loads('"a\\ud800b"')) == "a?b"
    assert without_surrogates(json.loads('"a\\ud800b"')) == "a\ufffdb"


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "12.4.2019",
        "***",
        "- 4 -",
        "00:00:01,000 --> 00:00:04,000",
        "5 %",
        "١",
        "…",
        "(a)",
        "a)",
        "II.",
        "iv)",
        "б)",
    ],
)
def test_numbers_and_list_markers_have_no_letters(text: str) -> None:
    assert not has_letters(text)
    assert has_letters(f"{text} ok")


@pytest.mark.parametrize("text", ["是", "Wir", "No", "Ja.", "I agree", "Да"])
def test_short_words_have_letters(text: str) -> None:
    assert has_letters(text)


@given(st.text(alphabet="ab \u00ad\u200bम\u200dé👩", max_size=12), st.data())
def test_spans_follow_the_words_when_invisible_characters_are_removed(text: str, data: st.DataObject) -> None:
    cleaned = for_model(text)
    assert "".join(text[i] for i in kept_positions(text)) == cleaned
    if not text:
        return
    start = data.draw(st.integers(0, len(text) - 1))
    span = (start, data.draw(st.integers(start + 1, len(text))))
    moved = span_for_model(text, span)
    if moved is None:
        assert not set(range(*span)).intersection(kept_positions(text))
        return
    assert cleaned[slice(*moved)] == "".join(text[i] for i in kept_positions(text) if span[0] <= i < span[1])
    back = span_from_model(text, moved)
    # Only invisible characters at the ends are lost.
    assert span[0] <= back[0] < back[1] <= span[1]
    assert span_for_model(text, back) == moved


def test_a_span_covers_a_soft_hyphen_inside_a_word() -> None:
    text = "Die Bundes\u00adregierung hilft."
    assert span_from_model(text, (4, 19)) == (4, 20)
    assert span_for_model(text, (4, 20)) == (4, 19)
