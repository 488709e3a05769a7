"""Signs that end a sentence and signs that enclose text: the one list that all rules of text go by."""

from __future__ import annotations

#: End marks of sentences in all scripts, as the inside of a character class.
END_MARKS = ".!?…‥؟۔।॥።፧፨།༎។៕៚။։᠃᠉‼⁇⁈⁉。！？｡．"

#: Those after which the next sentence follows without a space.
UNSPACED_MARKS = frozenset("。！？｡．")

#: End marks of single languages, which mean something else elsewhere.
MARKS_OF_LANGUAGES = {"el": ";;", "hy": ":"}

#: Signs that close and open quotations and parentheses, as the inside of a character class.
CLOSING = '"”’»›)\\]}」』】）］》〉'
OPENING = '"“„«»‘‚‹(\\[{「『【（［《〈¿¡”'

#: A line or unit that ends with one of these is complete: an end mark, or the colon or semicolon of an enumeration.
_COMPLETE = END_MARKS + ":;：；፦"

#: What matches the end of a complete unit, with quotation marks and brackets behind its end mark.
COMPLETE = rf"[{_COMPLETE}]['“ {CLOSING}]*$"
