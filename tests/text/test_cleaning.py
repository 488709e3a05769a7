"""Test how texts are prepared for models: invisible characters, joiners that a script needs, and text in capitals."""

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
    ("text", "read"),
    [
        ("WE CONDEMN THE ATTACK ON KYIV.", "We condemn the attack on kyiv."),
        ("12 «DER AUßENMINISTER VERURTEILT DIES»", "12 «Der außenminister verurteilt dies»"),
        ("İSRAİL'İN SALDIRISINI KINIYORUZ", "İsrail'in saldirisini kiniyoruz"),
        ("МЫ ОСУЖДАЕМ НАПАДЕНИЕ", "Мы осуждаем нападение"),
        ("CANADA SENDS 30 F-16s TO THE STATES CONCERNED", "Canada sends 30 f-16s to the states concerned"),
        ("CONDE\u00adMNED BY ALL MEMBERS", "Condemned by all members"),
    ],
)
def test_a_text_in_capitals_is_read_in_lower_case(text: str, read: str) -> None:
    assert for_model(text) == read
    assert len(kept_positions(text)) == len(read)


@pytest.mark.parametrize(
    "text",
    [
        "NATO, EU, UN",
        "The PRESIDENT CONDEMNED THIS.",
        "THE PRESIDENT (spoke in Spanish): We condemn the attack.",
        "中国欢迎 BRICS, NATO, ASEAN 的声明",
        "نرحب بقرار UNSC 2231 UNESCO UNICEF",
        "we condemn the attack",
        "გმობთ თავდასხმას",
    ],
)
def test_abbreviations_and_mixed_text_are_read_as_they_are(text: str) -> None:
    assert for_model(text) == text


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
