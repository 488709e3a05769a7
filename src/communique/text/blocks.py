"""Divide plain text into paragraphs and list items, and unwrap lines that were broken at a fixed width."""

from __future__ import annotations

import re

_BLANK_LINES = re.compile(r"\n[^\S\n]*\n")
_LIST_ITEM = re.compile(r"(?:[-*+•·▪‣◦–—]|\(?(?:\d{1,3}|[a-z])[.)])\s")

#: A line break between two Chinese or Japanese characters stands for nothing, elsewhere for a space.
_CJK_BREAK = re.compile(r"(?<=[{0}])\n(?=[{0}])".format(r"\u3000-\u30ff\u3400-\u9fff\uff00-\uffef"))
_SENTENCE_END = re.compile(r"[.!?…:;。！？；：؟۔।]['\"”’»)\]」』]*$")


def text_blocks(text: str) -> list[str]:
    """Cut plain text into blocks that no sentence crosses: its lines, or its paragraphs where lines are wrapped."""
    blocks: list[str] = []
    for paragraph in _BLANK_LINES.split(text.replace("\r\n", "\n").replace("\r", "\n")):
        lines = [line.strip() for line in paragraph.split("\n") if line.strip()]
        blocks += [unwrap("\n".join(lines))] if is_wrapped(lines) else lines
    return blocks


def is_wrapped(lines: list[str]) -> bool:
    """Tell whether line ends are accidents of a column width: even lengths, most of them amid a sentence."""
    full = lines[:-1]
    if lines and _LIST_ITEM.match(lines[0]) and sum(bool(_LIST_ITEM.match(line)) for line in lines) > 1:
        return False
    if len(full) < 2 or not all(40 <= len(line) <= 100 for line in full):
        return False
    return sum(bool(_SENTENCE_END.search(line)) for line in full) <= len(full) / 2


def unwrap(text: str) -> str:
    """Join lines into one, with a space between them where the script has spaces."""
    return " ".join(_CJK_BREAK.sub("", text).split())
