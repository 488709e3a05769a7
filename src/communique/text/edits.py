"""Represent the change of a text as replacements of parts of it, so that spans of the text can be moved with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Edit(NamedTuple):
    """The replacement of the characters from `start` to `end`, excluding the end, with `new`; an insertion if both are equal."""

    start: int
    end: int
    new: str


def substitutions(pattern: re.Pattern[str], text: str, new: str | Callable[[re.Match[str]], str]) -> list[Edit]:
    """Return the edits that replace all matches of a pattern, like `re.sub`. A string is inserted as it is."""
    return [
        Edit(match.start(), match.end(), new if isinstance(new, str) else new(match))
        for match in pattern.finditer(text)
    ]


def apply_edits(text: str, edits: Sequence[Edit]) -> str:
    """Return the changed text.

    Args:
        text: The text.
        edits: Edits in the order of the text. They do not overlap.
    """
    parts, position = [], 0
    for edit in edits:
        parts += [text[position : edit.start], edit.new]
        position = edit.end
    return "".join([*parts, text[position:]])


def move_span(span: tuple[int, int], edits: Sequence[Edit]) -> tuple[int, int] | None:
    """Convert a span of the text to a span of the changed text.

    A span that begins or ends within a replaced part is extended to the whole replacement. Insertions at its borders are outside.

    Args:
        span: Start and end in the text, excluding the end.
        edits: Edits in the order of the text. They do not overlap.

    Returns:
        The span, or None if nothing of it is left.
    """
    start, end = span
    first, last = start, end
    for edit in edits:
        longer = len(edit.new) - (edit.end - edit.start)
        if edit.end <= start:
            first += longer
        elif edit.start < start:
            first += edit.start - start
        if edit.start < end:
            last += longer + max(0, edit.end - end)
    return (first, last) if first < last else None
