"""Test sentence splitting: hard cases per language, linear time and long quotations."""

from __future__ import annotations

import signal
import time
from contextlib import suppress

import pytest
import splitting

from communique.text.abbreviations import abbreviations
from communique.text.enclosures import ENCLOSED
from communique.text.punctuation import END_MARKS, is_complete
from communique.text.sentences import split_sentences


@pytest.mark.parametrize("language", splitting.languages())
def test_at_least_nine_of_ten_hard_cases_are_split_correctly_in_every_language(language: str) -> None:
    wrong = splitting.failures(language)
    assert 1 - len(wrong) / len(splitting.cases(language)) >= 0.9, wrong


@pytest.mark.parametrize("folder", ["heldout", "fresh"])
def test_cases_that_the_rules_were_not_written_for_are_split_correctly(folder: str) -> None:
    cases = splitting.CASES / folder
    wrong = {language: splitting.failures(language, cases) for language in splitting.languages(cases)}
    n = sum(len(splitting.cases(language, cases)) for language in wrong)
    assert 1 - sum(map(len, wrong.values())) / n >= 0.95, wrong
    if folder == "heldout":
        assert all(1 - len(f) / len(splitting.cases(code, cases)) >= 0.9 for code, f in wrong.items()), wrong


@pytest.mark.parametrize("part", ['"', ".", "z.B.", "A. ", "“a. "])
def test_an_interrupt_stops_the_splitting_of_a_hostile_text_at_once(part: str) -> None:
    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    text = part * (3_000_000 // len(part))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        begin = time.process_time()
        with suppress(KeyboardInterrupt):
            split_sentences(text, "en")
        assert time.process_time() - begin < 2
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("mark", [mark for mark in END_MARKS if mark.strip()])
def test_every_end_mark_completes_a_line(mark: str) -> None:
    assert is_complete(f"We help{mark}")
    assert is_complete(f"“We help{mark}”")
    assert not is_complete(f"We help{mark} them")


def test_both_forms_of_the_greek_question_mark_end_a_sentence() -> None:
    for mark in (";", "\u037e"):
        assert split_sentences(f"Τι κάνουμε{mark} Βοηθάμε.", "el") == [f"Τι κάνουμε{mark}", "Βοηθάμε."]


def test_there_are_at_least_15_cases_for_each_of_at_least_25_languages() -> None:
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
        *(
            "。",
            " ",
            "(a. ",
            '"a." ',
            "b (a.) c ",
            "‘",
            "[1]",
            "\u200b. ",
            "་",
            ".[1]",
            "z.B.",
            "gem. § 5 ",
            "Prof. em. A. ",
        ),
    ],
)
def test_time_grows_linearly_with_hostile_text(part: str) -> None:
    text = part * (30_000 // len(part))
    begin = time.process_time()
    assert "".join("".join(split_sentences(text, "en")).split()) == "".join(text.split())
    # The text has 30,000 characters. Quadratic time would take far more than a second.
    assert time.process_time() - begin < 1


def test_a_long_quotation_is_split() -> None:
    sentence = "We will help the people who lost their homes."
    short, long = " ".join([sentence] * 3), " ".join([sentence] * (2 * ENCLOSED // len(sentence)))
    assert len(split_sentences(f"She said: “{short}” Then she left.", "en")) == 2
    assert len(split_sentences(f"She said: “{long}” Then she left.", "en")) == long.count(".") + 1


def test_a_sentence_contains_a_letter_or_a_digit() -> None:
    assert split_sentences("... We agree. ***", "en") == ["... We agree. ***"]


def test_sentences_without_a_space_between_them_are_split_but_web_addresses_are_not() -> None:
    assert split_sentences("We all agreed.They left.", "en") == ["We all agreed.", "They left."]
    assert split_sentences("See www.example.org.", "en") == ["See www.example.org."]


def test_in_text_without_capitals_a_sentence_may_begin_with_a_lower_case_letter() -> None:
    assert split_sentences("we like it. you too.", "en") == ["we like it.", "you too."]


def test_related_languages_share_abbreviations() -> None:
    assert abbreviations("hr") == abbreviations("sr")
    assert abbreviations("xx").openers == frozenset()
