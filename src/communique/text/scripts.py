"""Ranges of characters that several rules of text go by."""

from __future__ import annotations

import re

#: Chinese and Japanese characters and punctuation, full-width ones included, as the inside of a character class.
CJK = r"\u3000-\u30ff\u3400-\u9fff\uff00-\uffef"

#: One of them.
IS_CJK = re.compile(f"[{CJK}]")
