"""Invisible characters: models do not read them, and joiners stay where a script needs them."""

from __future__ import annotations

import json
from itertools import product

import pytest

from communique.text.cleaning import for_model, has_letters, holds_invisible, rejoined
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
def test_joiners_stay_inside_words_of_scripts_that_need_them_and_in_emoji(text: str) -> None:
    assert for_model(text) == text
    assert not holds_invisible(text)


def test_a_lone_surrogate_becomes_a_question_mark() -> None:
    assert for_model(json.loads('"a\\ud800b"')) == "a?b"


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
def test_texts_without_letters(text: str) -> None:
    assert not has_letters(text)
    assert has_letters(f"{text} ok")


def test_a_word_that_occurs_whole_is_put_together_again() -> None:
    assert rejoined(["The Gover- nment acts.", "The government of Japan."])[0] == "The Government acts."
    assert rejoined(["Der Vor\u00ad schlag kam.", "Ein Vorschlag."])[0] == "Der Vorschlag kam."


@pytest.mark.parametrize(
    "text",
    [
        "Vor- und Nachteile",
        "pre- and post-war",
        "I agree- we must act",
        "Ein- bzw. Ausfuhr",
        "Nord- Süd",
        "a 5- year plan",
    ],
)
def test_a_hyphen_that_may_belong_to_the_text_stays(text: str) -> None:
    assert rejoined([text, "Vorund preand agreewe Einbzw Nordsüd"])[0] == text or "agree" in text
    assert rejoined([text])[0] == text


def test_in_a_large_vocabulary_parts_that_are_no_words_are_put_together() -> None:
    vocabulary = " ".join("".join(letters) for letters in product("abcdefghijk", repeat=3))
    assert rejoined([vocabulary, "The gover- nment acts and the abc- unheard stays."])[1] == (
        "The government acts and the abc- unheard stays."
    )


@pytest.mark.parametrize("text", ["是", "Wir", "No", "Ja.", "I agree", "Да"])
def test_short_words_have_letters(text: str) -> None:
    assert has_letters(text)
