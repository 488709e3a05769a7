"""Writing systems: character ranges that several modules use, and the direction of a text."""

from __future__ import annotations

import re
from typing import Literal

#: A character of a script that is written from right to left.
_RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")

#: Chinese and Japanese characters and punctuation, including full-width forms, as the inside of a regex character class.
CJK = r"\u3000-\u30ff\u3400-\u9fff\uff00-\uffef"

#: Pattern of one such character.
IS_CJK = re.compile(f"[{CJK}]")


def direction(text: str) -> Literal["rtl", "ltr"] | None:
    """Return the direction of most letters of a text, or None if it has no letters.

    Browsers and spreadsheets go by the first letter, which is wrong for an Arabic sentence that begins with "COP28".
    """
    letters = sum(map(str.isalpha, text))
    if not letters:
        return None
    return "rtl" if 2 * sum(map(str.isalpha, _RTL.findall(text))) > letters else "ltr"
