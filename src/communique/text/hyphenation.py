"""Rejoin words that were hyphenated at a line end."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: Characters that hyphenate a word at the end of a line, as the inside of a regex character class.
HYPHENS = "-‐\u00ad¬"

#: Conjunctions after a suspended hyphen, which replaces the rest of a word: "Innen- und Außenpolitik".
SUSPENDED = frozenset({
    "und", "oder", "bzw", "sowie", "wie", "als", "bis", "and", "or", "to", "nor", "through", "en", "of", "dan", "och", "eller",
    "samt", "till", "og", "ja", "tai", "sekä", "y", "e", "o", "u", "ou", "et", "ed", "ve", "veya", "ile", "i", "oraz", "lub",
    "czy", "nebo", "či", "ali", "ili", "és", "vagy", "и", "или", "та", "або", "și", "sau",
})  # fmt: skip

_DIVIDED = re.compile(rf"(?<![\w-])([^\W\d_]{{2,}})[{HYPHENS}] ([^\W\d_]{{2,}})(?!\w)")
_WORD = re.compile(r"[^\W\d_]+")

#: If the texts have at least this many distinct words, half of a divided word that does not occur among them is not a word itself.
_MANY_WORDS = 1000


def rejoin_words(texts: Sequence[str]) -> list[str]:
    """Return the texts with words rejoined that a hyphen and a space divide, such as "Gover- nment" from a PDF.

    The two halves of a word are joined if the whole word occurs in the texts, or if the texts have many distinct words and neither
    half is one of them. "Vor- und Nachteile" and "pre- and post-war" are left unchanged.
    """
    if not any(_DIVIDED.search(text) for text in texts):
        return list(texts)
    words = {word.lower() for text in texts for word in _WORD.findall(_DIVIDED.sub(" ", text))}

    def whole(match: re.Match[str]) -> str:
        first, second = match[1].lower(), match[2]
        if not second.islower() or second in SUSPENDED:
            return match[0]
        known = first + second in words
        unknown = len(words) >= _MANY_WORDS and first not in words and second not in words
        return match[1] + second if known or unknown else match[0]

    return [_DIVIDED.sub(whole, text) for text in texts]
