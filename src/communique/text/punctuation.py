"""Signs that end a sentence and signs that enclose text, for all modules that look for them."""

from __future__ import annotations

import re

#: End marks of sentences in all scripts.
END_MARKS = ".!?…‥؟۔।॥።፧፨།༎។៕៚။։᠃᠉‼⁇⁈⁉。！？｡．"

#: Those after which the next sentence follows without a space.
UNSPACED_MARKS = frozenset("。！？｡．")

#: End marks of single languages, which mean something else elsewhere. U+037E is the Greek question mark.
MARKS_OF_LANGUAGES = {"el": ";\u037e", "hy": ":"}

#: Signs that close quotations and parentheses, and signs that open them.
CLOSING = '"”’»›)]}」』】）］》〉'
OPENING = '"“„«»‘‚‹([{「『【（［《〈¿¡”'

#: The end of a complete line or sentence: an end mark, or the colon or semicolon of an enumeration, then closing signs.
COMPLETE = re.compile(rf"[{re.escape(END_MARKS)}:;\u037e：；፦]['“ {re.escape(CLOSING)}]*$")

#: Characters at the end of a text that decide whether it is complete.
_END = 40


def is_complete(text: str) -> bool:
    """Return whether a line or sentence ends with an end mark, a colon or a semicolon; closing signs may follow it."""
    return COMPLETE.search(text[-_END:]) is not None
