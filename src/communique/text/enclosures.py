"""Find quotations and parentheses, which are kept together when text is split into sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .scripts import IS_CJK

#: Longest quotation or parenthesis, in characters, that is kept together. A longer one is split like other text, because a model
#: reads a limited number of tokens of a sentence.
ENCLOSED = 600

#: What closes a quotation or parenthesis, by what opens it.
_CLOSERS = {
    opener: re.compile(pattern)
    for opener, pattern in {
        "“": "”", "„": "[“”\"]", "«": "»", "»": "«", "”": "[”“]", '"': '"', "‘": r"’(?!\w)", "「": "」", "『": "』",
        "(": r"\)", "[": r"\]", "（": "）", "【": "】", "《": "》", "〈": "〉",
    }.items()
}  # fmt: skip
_OPENER = re.compile("[" + "".join(_CLOSERS).replace("[", r"\[") + "]")

#: Openers that close quotations elsewhere: they open one only after a space, a bracket or a dash, and before a letter.
_AMBIGUOUS = frozenset('»”"“')


def enclosed(text: str) -> Iterator[tuple[int, int]]:
    """Yield where quotations and parentheses of up to `ENCLOSED` characters open and close, from left to right."""
    end = 0
    for opener in _OPENER.finditer(text):
        start = opener.start()
        if start < end or (opener[0] in _AMBIGUOUS and not _opens(text, start)):
            continue
        closer = _CLOSERS[opener[0]].search(text, start + 1, start + 1 + ENCLOSED)
        if closer:
            yield start, closer.start()
            end = closer.end()


def _opens(text: str, position: int) -> bool:
    before, after = text[position - 1 : position] if position else "", text[position + 1 : position + 2]
    free = not before or before.isspace() or before in "([{（—–-:/¿¡" or bool(IS_CJK.match(before))
    return free and bool(after) and not after.isspace()
