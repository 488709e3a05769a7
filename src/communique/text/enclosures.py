"""Find quotations and parentheses, which are kept together when text is split into sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .scripts import IS_CJK

#: Length, in characters, of the longest quotation or parenthesis that is kept together. A longer one is split like other text,
#: because a model reads only a limited number of tokens per sentence.
ENCLOSED = 600

#: Patterns of the closing characters, by the character that opens the quotation or parenthesis.
_CLOSERS = {
    opener: re.compile(pattern)
    for opener, pattern in {
        "“": "”", "„": "[“”\"]", "«": "»", "»": "«", "”": "[”“]", '"': '"', "‘": r"’(?!\w)", "「": "」", "『": "』",
        "(": r"\)", "[": r"\]", "（": "）", "【": "】", "《": "》", "〈": "〉",
    }.items()
}  # fmt: skip
_OPENER = re.compile("[" + "".join(_CLOSERS).replace("[", r"\[") + "]")

#: Characters that open quotations in some languages and close them in others. They open one only at the beginning of the text or
#: after a space, a bracket or a dash, and only if no space follows.
_AMBIGUOUS = frozenset('»”"“')


def enclosed(text: str) -> Iterator[tuple[int, int]]:
    """Yield the positions at which quotations and parentheses of up to `ENCLOSED` characters open and close, in text order."""
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
