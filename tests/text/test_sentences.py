"""Sentence splitting: hard cases per language, linear time, long quotations."""

from __future__ import annotations

import time

import pytest
import splitting

from communique.text.abbreviations import abbreviations
from communique.text.sentences import ENCLOSED, split_sentences


@pytest.mark.parametrize("language", splitting.languages())
def test_nine_of_ten_hard_cases_are_right_in_every_language(language: str) -> None:
    wrong = splitting.failures(language)
    assert 1 - len(wrong) / len(splitting.cases(language)) >= 0.9, wrong


def test_there_are_cases_of_at_least_25_languages_and_15_each() -> None:
    assert len(splitting.languages()) >= 25
    assert all(len(splitting.cases(language)) >= 15 for language in splitting.languages())


@pytest.mark.parametrize(
    "part",
    [
        *(
            "“。”",
            "```",
            "“",
            '"',
            "(",
            ") ",
            ". ",
            ".",
            "a. ",
            "“a. ",
            "« ",
            "A. B. ",
            "1. ",
            "…",
            "? ",
            '!" ',
            "”” ",
            "a.b",
        ),
        *("。", " ", "(a. ", '"a." ', "b (a.) c ", "‘", "[1]", "\u200b. ", "་", ".[1]"),
    ],
)
def test_time_grows_linearly_with_hostile_text(part: str) -> None:
    text = part * (30_000 // len(part))
    begin = time.process_time()
    assert "".join("".join(split_sentences(text, "en")).split()) == "".join(text.split())
    # Ten seconds are allowed for a million characters. Quadratic time needs minutes.
    assert time.process_time() - begin < 1


def test_a_long_quotation_is_split() -> None:
    sentence = "We will help the people who lost their homes."
    short, long = " ".join([sentence] * 3), " ".join([sentence] * (2 * ENCLOSED // len(sentence)))
    assert len(split_sentences(f"She said: “{short}” Then she left.", "en")) == 2
    assert len(split_sentences(f"She said: “{long}” Then she left.", "en")) == long.count(".") + 1


def test_a_sentence_holds_a_letter_or_a_digit() -> None:
    assert split_sentences("... We agree. ***", "en") == ["... We agree. ***"]


def test_a_missing_space_between_sentences_is_found_but_not_in_addresses() -> None:
    assert split_sentences("We all agreed.They left.", "en") == ["We all agreed.", "They left."]
    assert split_sentences("See www.example.org.", "en") == ["See www.example.org."]


def test_without_capitals_a_small_letter_begins_a_sentence() -> None:
    assert split_sentences("we like it. you too.", "en") == ["we like it.", "you too."]


def test_abbreviations_of_a_related_language_are_shared() -> None:
    assert abbreviations("hr") == abbreviations("sr")
    assert abbreviations("xx").openers == frozenset()
