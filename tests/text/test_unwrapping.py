"""Unwrapping: lines broken at any column width become paragraphs again; other lines stay."""

from __future__ import annotations

import textwrap

import pytest
import unwrapping

from communique.text.blocks import text_blocks
from communique.text.sentences import split_sentences


@pytest.mark.parametrize("language", unwrapping.LANGUAGES)
@pytest.mark.parametrize("blank", [True, False])
@pytest.mark.parametrize("indent", [True, False])
def test_sentences_of_wrapped_texts_are_recovered(language: str, blank: bool, indent: bool) -> None:
    counts = [unwrapping.recovered(language, width, blank=blank, indent=indent) for width in (40, 90)]
    assert sum(found for _, found in counts) >= 0.98 * sum(units for units, _ in counts)


TEXT = (
    "The Government strongly condemns the attack on the harbour of the neighbouring state and rejects the annexation of its "
    "territory by force. We will provide three million euros in humanitarian aid to the people who had to leave their homes. "
    "All states must ratify the treaty at once and publish the figures that they collected last year."
)


@pytest.mark.parametrize("width", range(30, 121, 10))
def test_any_column_width(width: int) -> None:
    assert text_blocks(textwrap.fill(TEXT, width)) == [TEXT]


def test_lines_that_were_broken_again_are_joined() -> None:
    lines = textwrap.wrap(TEXT, 72)
    cut = lines[1].index(" ", 25)
    lines[1:2] = [lines[1][:cut], lines[1][cut + 1 :]]
    sentences = [s for block in text_blocks("\n".join(lines)) for s in split_sentences(block, "en")]
    assert sentences == split_sentences(TEXT, "en")


def test_a_hyphen_at_a_line_end_goes_unless_the_word_has_it_elsewhere() -> None:
    text = (
        "The Government strongly con-\ndemns the attack and wants a long-\nterm plan for the harbour, for\n"
        "which a long-term loan will be\ngiven to all states of the region."
    )
    assert text_blocks(text) == [
        "The Government strongly condemns the attack and wants a long-term plan for the harbour, for which a long-term loan will "
        "be given to all states of the region."
    ]


def test_a_page_number_and_a_running_header_do_not_cut_a_sentence() -> None:
    first, second = textwrap.wrap(TEXT, 50)[:3], textwrap.wrap(TEXT, 50)[3:]
    page = [*first, "- 4 -", "General Assembly 12 March", *second]
    again = [*first, "- 5 -", "General Assembly 13 March", *second]
    blocks = text_blocks("\n".join([*page, *again]))
    asides = {"- 4 -", "- 5 -", "General Assembly 12 March", "General Assembly 13 March"}
    assert asides <= set(blocks)
    sentences = [s for block in blocks if block not in asides for s in split_sentences(block, "en")]
    assert sentences == 2 * split_sentences(TEXT, "en")


@pytest.mark.parametrize(
    "lines",
    [
        [
            "Minister rejects the claim of a neighbour",
            "Port reopened after two years of talks",
            "Fishermen ask for help",
        ],
        [
            "The sea is calm tonight,",
            "The tide is full,",
            "The moon lies fair upon the straits;",
            "On the French coast",
        ],
        ["Peace", "War", "Trade", "Aid"],
        [
            "We condemn the attack on the harbour.",
            "We reject the closure of the border.",
            "We will send ships to the port.",
        ],
    ],
)
def test_headlines_poems_words_and_sentences_per_line_stay(lines: list[str]) -> None:
    assert text_blocks("\n".join(lines)) == lines
