"""Test the removal of invisible characters, which keeps joiners where a script needs them."""

from __future__ import annotations

import json

import pytest

from communique.text.cleaning import for_model, has_letters, holds_invisible, without_surrogates
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
