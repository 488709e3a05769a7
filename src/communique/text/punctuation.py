"""Punctuation that ends a sentence or encloses text, for all modules that look for it."""

from __future__ import annotations

import re

#: Punctuation that ends a sentence, called end marks below, in all scripts.
END_MARKS = ".!?…‥؟۔।॥።፧፨།༎។៕៚။։᠃᠉‼⁇⁈⁉。！？｡．"

#: The end marks that need no space before the next sentence.
UNSPACED_MARKS = frozenset("。！？｡．")

#: End marks of particular languages; in other languages they mean something else. U+037E is the Greek question mark.
MARKS_OF_LANGUAGES = {"el": ";\u037e", "hy": ":"}

#: Punctuation that closes quotations and parentheses, and punctuation that opens them.
CLOSING = '"”’»›)]}」』】）］》〉'
OPENING = '"“„«»‘‚‹([{「『【（［《〈¿¡”'

#: The end of a complete line or sentence: an end mark, or the colon or semicolon of a list, then any closing punctuation.
COMPLETE = re.compile(rf"[{re.escape(END_MARKS)}:;\u037e：；፦]['“ {re.escape(CLOSING)}]*$")

#: Number of characters at the end of a text that `is_complete` looks at.
_END = 40


def is_complete(text: str) -> bool:
    """Return whether a line or sentence ends with an end mark, a colon or a semicolon. Closing punctuation may follow it."""
    return COMPLETE.search(text[-_END:]) is not None
