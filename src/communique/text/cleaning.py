"""Prepare a text for a model: remove characters that a person does not see, and write text in capitals in lower case.

Output files keep each text unchanged. Training, prediction and language identification use `for_model(text)`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence

#: Soft hyphen, zero-width space, word joiner and invisible operators, byte order mark, direction marks and embeddings.
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")

#: Characters after which a joiner is part of the word: emoji, and the letters and signs of Arabic script (including Persian and
#: Urdu), of the scripts of India, South-East Asia and Tibet, and of Mongolian. After other characters, a joiner is left over from
#: typesetting.
_JOINED = re.compile(
    "[\u0600-\u08ff\u0900-\u0fff\u1000-\u109f\u1780-\u18af\u1b00-\u1cff\ua800-\uabff\ufb50-\ufefc\ufe0f\u2190-\u2bff\U0001f000-\U0001faff]"
)

#: The number of a list item: a single letter or a Roman numeral. Lower-case ones must be followed by a bracket or full stop.
_ITEM = re.compile(r"\W*(?:(?:[a-zа-яα-ω]|[ivx]{2,5})[.)]+|[IVX]{2,}[.)]*|[A-ZА-ЯΑ-Ω][.)]+)\W*")

_JOINERS = frozenset("\u200c\u200d")

#: A text is in capitals if it has this many of them, and at least these proportions of its cased letters and of all its letters are
#: capitals. Few letters can be abbreviations, and so can the Latin letters of a text in a script without case.
_MIN_CAPITALS, _CAPITALS_OF_CASED, _CAPITALS_OF_LETTERS = 12, 0.95, 0.8

#: Lone surrogates: halves of characters, which JSON and file names can contain but UTF-8, Arrow and tokenizers cannot.
SURROGATE = re.compile("[\ud800-\udfff]")


def for_model(text: str) -> str:
    """Return a text as a model should read it.

    Invisible characters are removed, and "?" replaces each lone surrogate, which tokenizers reject. A text in capitals, such as a
    headline, is written in lower case apart from its first letter, because models have read few such texts. Only the removal of
    characters changes the length.
    """
    if _INVISIBLE.search(text):
        text = _INVISIBLE.sub(lambda match: match[0] if _belongs(match) else "", text)
    if _is_in_capitals(text):
        text = _in_sentence_case(text)
    return text.encode("utf-8", "replace").decode("utf-8")


def kept_positions(text: str) -> Sequence[int]:
    """Return the position in a text of each character of `for_model(text)`."""
    removed = {match.start() for match in _INVISIBLE.finditer(text) if not _belongs(match)}
    return [i for i in range(len(text)) if i not in removed] if removed else range(len(text))


def span_for_model(text: str, span: tuple[int, int]) -> tuple[int, int] | None:
    """Convert a span of a text to a span of `for_model(text)`. Return None if all of its characters are removed."""
    kept = kept_positions(text)
    start, end = (bisect_left(kept, offset) for offset in span)
    return (start, end) if start < end else None


def span_from_model(text: str, span: tuple[int, int]) -> tuple[int, int]:
    """Convert a span of `for_model(text)`, which is not empty, to a span of the text."""
    kept = kept_positions(text)
    return kept[span[0]], kept[span[1] - 1] + 1


def without_surrogates(text: str) -> str:
    """Return a text in which U+FFFD replaces each lone surrogate."""
    return SURROGATE.sub("\ufffd", text)


def holds_invisible(text: str) -> bool:
    """Return whether a text contains invisible characters that `for_model` removes."""
    return any(not _belongs(match) for match in _INVISIBLE.finditer(text))


def has_letters(text: str) -> bool:
    """Return whether a text contains letters and is more than the number of a list item, such as "(a)" or "II."."""
    return any(character.isalpha() for character in text) and not _ITEM.fullmatch(text)


def _is_in_capitals(text: str) -> bool:
    if text.islower():
        return False
    capitals = sum(map(str.isupper, text))
    return (
        capitals >= _MIN_CAPITALS
        and capitals >= _CAPITALS_OF_CASED * sum(c.isupper() or c.islower() for c in text)
        and capitals >= _CAPITALS_OF_LETTERS * sum(map(str.isalpha, text))
    )


def _in_sentence_case(text: str) -> str:
    """Return a text in lower case apart from its first letter, with the same number of characters."""
    first = next(i for i, character in enumerate(text) if character.isalpha())
    # The lower case of a character can be a letter and a combining mark: that of the Turkish capital I with a dot.
    return text[: first + 1] + "".join(character.lower()[0] for character in text[first + 1 :])


def _belongs(match: re.Match[str]) -> bool:
    if match[0] not in _JOINERS:
        return False
    text, start, end = match.string, match.start(), match.end()
    following = text[end : end + 1]
    return bool(start and _JOINED.match(text[start - 1])) and bool(following) and not following.isspace()
