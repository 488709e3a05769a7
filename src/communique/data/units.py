"""Recognise tables whose rows are whole texts rather than sentences."""

from __future__ import annotations

from collections.abc import Sequence

from ..reporting.format import counted
from ..text.blocks import text_blocks
from ..text.sentences import split_sentences

#: Number of rows at the start of a table that are checked.
LOOKED_AT = 500

#: A row counts as a whole text if it has more than this number of sentences and more than this number of characters. Of 870 posts
#: in each of seven languages (UMSAB), none exceeds both limits. Every speech of the UN General Debate exceeds both.
MANY_SENTENCES, MANY_CHARACTERS = 5, 600

#: Proportion of rows above both limits from which a table counts as a table of whole texts.
TEXTS = 0.1


def describe_texts(texts: Sequence[str]) -> str | None:
    """Return how many of the first texts contain more than a few sentences, or None if the texts are sentences.

    Args:
        texts: Texts of the rows. Only the first `LOOKED_AT` are checked.
    """
    texts = texts[:LOOKED_AT]
    long = sum(_is_text(text) for text in texts)
    if not long or long < TEXTS * len(texts):
        return None
    rows = f"{long} of the first {counted(len(texts), 'row')}"
    return f"{rows} contain{'s' * (long == 1)} more than {MANY_SENTENCES} sentences"


def describe_units(texts: Sequence[str], unit: str) -> list[str]:
    """Return a warning if labelled rows are whole texts although the codebook labels sentences.

    Args:
        texts: Texts of the rows.
        unit: The unit of the codebook.
    """
    if unit != "sentence" or (found := describe_texts(texts)) is None:
        return []
    return [
        f"warning: {found}, but the codebook labels single sentences. A model that learns from whole texts labels sentences badly, "
        "and encoders read only the beginning of a long text. Split the texts and label their sentences (communique sample draws "
        "some), or write 'unit: text' in the codebook if people labelled whole texts"
    ]


def describe_truncated(truncated: int, rows: int, max_tokens: int) -> list[str]:
    """Return a warning if encoders read only the beginning of labelled rows, or an empty list if they read all of them.

    Args:
        truncated: Number of rows with more tokens than the limit.
        rows: Number of all rows.
        max_tokens: The limit.
    """
    if not truncated:
        return []
    return [
        f"warning: {truncated} of {counted(rows, 'row')} {'has' if truncated == 1 else 'have'} more than {max_tokens} tokens. "
        f"Encoders read only the first {max_tokens}. Split these texts and label their sentences, or write a larger max_tokens in "
        "a recipe"
    ]


def _is_text(text: str) -> bool:
    # Check only the beginning, because a row may contain a book.
    begin = text[: 20 * MANY_CHARACTERS]
    if len(begin) <= MANY_CHARACTERS:
        return False
    return sum(len(split_sentences(block, "en")) for block in text_blocks(begin)) > MANY_SENTENCES
