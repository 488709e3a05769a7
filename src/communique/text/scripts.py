"""Ranges of characters that several rules of text go by."""

from __future__ import annotations

import re
from typing import Literal

#: A character of a script that is written from right to left.
_RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")

#: Chinese and Japanese characters and punctuation, full-width ones included, as the inside of a character class.
CJK = r"\u3000-\u30ff\u3400-\u9fff\uff00-\uffef"

#: One of them.
IS_CJK = re.compile(f"[{CJK}]")


def direction(text: str) -> Literal["rtl", "ltr"] | None:
    """Return the direction of most letters of a text; None if it has no letters.

    Browsers and spreadsheets use the first letter, which is wrong for an Arabic sentence that begins with "COP28".
    """
    letters = sum(map(str.isalpha, text))
    if not letters:
        return None
    return "rtl" if 2 * sum(map(str.isalpha, _RTL.findall(text))) > letters else "ltr"
