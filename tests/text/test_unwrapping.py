"""Test unwrapping: lines broken at any column width become paragraphs again, and other lines are left unchanged."""

from __future__ import annotations

import textwrap

import pytest
import unwrapping

from communique.text.blocks import PageLine, text_blocks
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
def test_text_wrapped_at_any_column_width_is_unwrapped(width: int) -> None:
    assert text_blocks(textwrap.fill(TEXT, width)) == [TEXT]


def test_lines_that_were_wrapped_a_second_time_are_joined() -> None:
    lines = textwrap.wrap(TEXT, 72)
    cut = lines[1].index(" ", 25)
    lines[1:2] = [lines[1][:cut], lines[1][cut + 1 :]]
    sentences = [s for block in text_blocks("\n".join(lines)) for s in split_sentences(block, "en")]
    assert sentences == split_sentences(TEXT, "en")


def test_a_hyphen_at_a_line_end_is_removed_unless_the_word_has_it_elsewhere() -> None:
    text = (
        "The Government strongly con-\ndemns the attack and wants a long-\nterm plan for the harbour, for\n"
        "which a long-term loan will be\ngiven to all states of the region."
    )
    assert text_blocks(text) == [
        "The Government strongly condemns the attack and wants a long-term plan for the harbour, for which a long-term loan will "
        "be given to all states of the region."
    ]


@pytest.mark.parametrize("hyphen", ["-", "\u2010", "\u00ad", "¬"])
def test_a_word_divided_by_any_hyphen_is_rejoined(hyphen: str) -> None:
    text = TEXT.replace(" condemns", f" con{hyphen}\ndemns", 1)
    wrapped = "\n".join(line for part in text.split("\n") for line in textwrap.wrap(part, 50))
    assert text_blocks(wrapped) == [TEXT]


def test_a_page_number_and_a_running_header_do_not_cut_a_sentence() -> None:
    first, second = textwrap.wrap(TEXT, 50)[:3], textwrap.wrap(TEXT, 50)[3:]
    page = [*first, "- 4 -", "General Assembly 12 March", *second]
    again = [*first, "- 5 -", "General Assembly 13 March", *second]
    blocks = text_blocks("\n".join([*page, *again]))
    asides = {"- 4 -", "- 5 -", "General Assembly 12 March", "General Assembly 13 March"}
    assert asides <= set(blocks)
    sentences = [s for block in blocks if block not in asides for s in split_sentences(block, "en")]
    assert sentences == 2 * split_sentences(TEXT, "en")


@pytest.mark.parametrize("gap", ["7\n\n\n", "\n7\n", "\n- 7 -\n\n\n", "\nPage 7\n\n"])
def test_blank_lines_around_a_page_number_do_not_cut_a_sentence(gap: str) -> None:
    lines = textwrap.wrap(TEXT, 50)
    assert lines[3][0].islower()
    blocks = text_blocks("\n".join([*lines[:3], gap + lines[3], *lines[4:]]))
    assert [block for block in blocks if block != gap.strip()] == [TEXT]
    assert len(blocks) == 2


@pytest.mark.parametrize(
    ("end", "between", "begin"),
    [
        ("last year", "\n\n", "and so on"),
        ("last year.", "\n\n7\n\n", "and so on"),
        ("last year", "\n\n7\n\n", "And so on"),
    ],
)
def test_a_blank_line_ends_a_paragraph_unless_a_page_number_interrupts_a_sentence(
    end: str, between: str, begin: str
) -> None:
    text = textwrap.fill(TEXT.replace("last year.", end), 50)
    assert text_blocks(text + between + begin)[-1] == begin


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
def test_headlines_poems_single_words_and_one_sentence_per_line_are_not_joined(lines: list[str]) -> None:
    assert text_blocks("\n".join(lines)) == lines


def pages(header: str, lines: int, between: str = "\f") -> list[str]:
    """Return the lines of eight pages whose sentences are wrapped at different widths."""
    found: list[str] = []
    for number in range(8):
        body = [f"Sentence {number} {i} says that the harbour of the town must be open." for i in range(lines)]
        found += [between + header.format(number + 1), *body]
    return found


@pytest.mark.parametrize("header", ["General Assembly, 48th session", "A/48/PV.5 Page {}", "ANNUAL REPORT."])
def test_a_header_on_each_page_is_a_separate_block_if_form_feeds_separate_pages(header: str) -> None:
    blocks = text_blocks("\n".join(pages(header, 5)))
    apart = [block for block in blocks if isinstance(block, PageLine)]
    assert apart == [header.format(number) for number in range(1, 9)]
    assert len(blocks) == 8 + 40


def test_a_header_that_recurs_at_regular_intervals_or_next_to_page_numbers_is_a_separate_block() -> None:
    regular = text_blocks("\n".join(pages("General Assembly", 30, "")))
    assert sum(isinstance(block, PageLine) for block in regular) == 8
    numbered = pages("General Assembly\n- {} -", 4, "")
    lines = [line for part in numbered for line in part.split("\n")]
    assert sum(isinstance(block, PageLine) for block in text_blocks("\n".join(lines))) == 8


@pytest.mark.parametrize(("header", "apart"), [("{} General Assembly", 4), ("Article {}", 0)])
def test_a_line_with_the_page_number_is_a_separate_block_but_a_numbered_heading_is_not(header: str, apart: int) -> None:
    lines = [f"The harbour number {i} of the town must be open to all of us." for i in range(120)]
    for number, place in enumerate((3, 30, 52, 90)):
        lines.insert(place, header.format(22 + 2 * number))
    assert sum(isinstance(block, PageLine) for block in text_blocks("\n".join(lines))) == apart


@pytest.mark.parametrize("line", ["(Applause.)", "Mr. President,", "We must act", "Article 1"])
def test_lines_that_recur_at_irregular_intervals_belong_to_the_text(line: str) -> None:
    lines = [f"The harbour number {i} of the town must be open to all of us." for i in range(60)]
    for place in (3, 9, 30, 48):
        lines.insert(place, line)
    assert not any(isinstance(block, PageLine) for block in text_blocks("\n".join(lines)))


@pytest.mark.parametrize("line", ["Page 3 of 10", "Seite 12", "p. 4", "стр. 7"])
def test_a_page_number_with_a_word_is_a_separate_block(line: str) -> None:
    assert [isinstance(block, PageLine) for block in text_blocks(f"We act.\n{line}\nWe help.")] == [False, True, False]


@pytest.mark.timeout(60)
def test_a_word_of_many_letters_is_cut_at_once() -> None:
    # The search for two sentences in a line takes the square of the length of a word.
    assert len(text_blocks("x" * 300_000)) == 1
