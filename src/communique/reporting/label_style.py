"""How labels look: each has a sign, a colour and a style of underline, so that nobody needs colours to distinguish them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from .palette import PALETTE

#: Number of underline styles in the style sheets.
LINES = 5

#: Words that do not count for an abbreviation if a label has at least two others.
_SHORT_WORDS = frozenset(("a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"))

_BETWEEN_WORDS = re.compile(r"[\s_\-/.,:;()]+")


class LabelStyle(NamedTuple):
    """How a label looks.

    Attributes:
        sign: A short abbreviation that no other label has.
        colour: Index of the colour in the palette.
        line: Number of the underline style.
    """

    sign: str
    colour: int
    line: int


def label_styles(names: Sequence[str]) -> list[LabelStyle]:
    """Return how each label of a codebook looks."""
    return [LabelStyle(sign, i % len(PALETTE), i % LINES) for i, sign in enumerate(label_signs(names))]


def label_signs(names: Sequence[str]) -> list[str]:
    """Return a unique abbreviation for each label: the initials of its words, or the first two letters of a single word."""
    signs: list[str] = []
    for name in names:
        parts = _BETWEEN_WORDS.split(name)
        long = [word for word in parts if word.casefold() not in _SHORT_WORDS]
        words = [letters for word in long if (letters := _letters(word))]
        if len(words) < 2:
            words = [letters for word in parts if (letters := _letters(word))]
        chosen = [word[0] for word in words[:3]] if len(words) > 1 else (words[0][:2] if words else ["?"])
        sign = "".join(chosen).upper()
        number = 2
        unique = sign
        while unique in signs:
            unique, number = f"{sign}{number}", number + 1
        signs.append(unique)
    return signs


def _letters(word: str) -> list[str]:
    """Split a word into letters, each with its combining marks."""
    letters: list[str] = []
    for character in word:
        if letters and unicodedata.category(character).startswith("M"):
            letters[-1] += character
        elif character.isalnum() or not character.isascii():
            letters.append(character)
    return letters
