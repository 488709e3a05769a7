"""Remove from a text what no reader sees but a model reads: soft hyphens, zero-width characters, direction marks.

The output keeps texts as they are. Models, their training and the language identifier read `for_model(text)`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

#: Soft hyphen, zero-width space, word joiner and invisible operators, byte order mark, direction marks and embeddings.
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")

#: A joiner after a letter or sign of these scripts, or after an emoji, belongs to the word: Arabic (also Persian and Urdu), the
#: scripts of India, South-East Asia and Tibet, Mongolian. Elsewhere it is a remnant of typesetting.
_JOINED = re.compile(
    "[\u0600-\u08ff\u0900-\u0fff\u1000-\u109f\u1780-\u18af\u1b00-\u1cff\ua800-\uabff\ufb50-\ufefc\ufe0f\u2190-\u2bff\U0001f000-\U0001faff]"
)
_BROKEN = re.compile(r"(?<![\w-])([^\W\d_]{2,})[-\u00ad‐¬] ([^\W\d_]{2,})(?!\w)")
_WORD = re.compile(r"[^\W\d_]+")

#: From so many different words on, a part of a word that they lack is no word.
_MANY_WORDS = 1000

#: Conjunctions after a hyphen that stands for the rest of a word: "Innen- und Außenpolitik".
SUSPENDED = frozenset(
    (
        *(
            "und",
            "oder",
            "bzw",
            "sowie",
            "wie",
            "als",
            "bis",
            "and",
            "or",
            "to",
            "nor",
            "through",
            "en",
            "of",
            "dan",
            "och",
        ),
        *(
            "eller",
            "samt",
            "till",
            "og",
            "ja",
            "tai",
            "sekä",
            "y",
            "e",
            "o",
            "u",
            "ou",
            "et",
            "ed",
            "ve",
            "veya",
            "ile",
            "i",
        ),
        *("oraz", "lub", "czy", "nebo", "či", "ali", "ili", "és", "vagy", "и", "или", "та", "або", "și", "sau"),
    )
)
#: The number of an item alone: one letter or a Roman numeral, with a bracket or full stop behind small letters.
_ITEM = re.compile(r"\W*(?:(?:[a-zа-яα-ω]|[ivx]{2,5})[.)]+|[IVX]{2,}[.)]*|[A-ZА-ЯΑ-Ω][.)]+)\W*")
_JOINERS = frozenset("\u200c\u200d")


def for_model(text: str) -> str:
    """Return a text without invisible characters, and with "?" for a lone surrogate, which tokenizers refuse."""
    if _INVISIBLE.search(text):
        text = _INVISIBLE.sub(lambda match: match[0] if _belongs(match) else "", text)
    return text.encode("utf-8", "replace").decode("utf-8")


def holds_invisible(text: str) -> bool:
    """Return whether a text holds invisible characters that no model reads."""
    return any(not _belongs(match) for match in _INVISIBLE.finditer(text))


def has_letters(text: str) -> bool:
    """Return whether a text holds a letter that is more than the number of an item.

    A page number, a date, a row of stars, "(a)" or "II." is no sentence.
    """
    return any(character.isalpha() for character in text) and not _ITEM.fullmatch(text)


def rejoined(texts: Sequence[str]) -> list[str]:
    """Return texts in which words that a hyphen and a space broke are whole again: "Gover- nment", as PDF readers leave it.

    A word counts as broken if it occurs whole in the texts, or if they hold many words and neither of its parts. "Vor- und
    Nachteile" and "pre- and post-war" stay as they are.
    """
    if not any(_BROKEN.search(text) for text in texts):
        return list(texts)
    words = {word.lower() for text in texts for word in _WORD.findall(_BROKEN.sub(" ", text))}

    def whole(match: re.Match[str]) -> str:
        first, second = match[1].lower(), match[2]
        if not second.islower() or second in SUSPENDED:
            return match[0]
        known = first + second in words
        unknown = len(words) >= _MANY_WORDS and first not in words and second not in words
        return match[1] + second if known or unknown else match[0]

    return [_BROKEN.sub(whole, text) for text in texts]


def _belongs(match: re.Match[str]) -> bool:
    if match[0] not in _JOINERS:
        return False
    text, start, end = match.string, match.start(), match.end()
    following = text[end : end + 1]
    return bool(start and _JOINED.match(text[start - 1])) and bool(following) and not following.isspace()
