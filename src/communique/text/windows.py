"""Documents too long for memory, sentence by sentence.

A document of up to `WINDOW` characters is read whole. A longer one is cut into the blocks that `documents` would cut it into:
lines, wrapped paragraphs, sections of Markdown. Of a block that is itself longer, sentences are taken as they come, and the
last ones of a window wait for what follows. The first window decides whether and how lines are wrapped, a
paragraph of more than a window is cut at a line end, and a link of Markdown must be defined before it is used. Apart from that its
sentences are the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from .blocks import PageLine, find_wrapping, paragraph_blocks
from .language import SAMPLE, UNDETERMINED, identify_language
from .markdown import markdown_blocks
from .sentences import sentence_pieces, split_sentences

#: Characters that are in memory at a time: some 8,000 sentences. Speeches, reports and books of the usual length are below.
WINDOW = 1_000_000

#: Sentences at the end of a window that what follows may still change: a quotation that is open, an abbreviation.
_WAITING = 20

#: What begins a block of Markdown that is inside no other: neither indented nor an item, a quotation, a table or HTML.
_SECTION = re.compile(r"#{1,6}\s|(?!\d+[.)])[^\W_]")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")

#: A piece of a block, and whether the block ends with it.
Piece = tuple[str, bool]


def long_sentences(windows: Iterable[str], form: str, language: str | None) -> Iterator[tuple[str, str]]:
    """Split a document that comes in windows into sentences.

    Args:
        windows: Its text; windows may be of any size.
        form: `text` or `markdown`.
        language: Its language; identified from its beginning, as that of a short document is, where None.

    Yields:
        The document's language and a sentence.
    """
    lines = _lines(windows)
    pieces = _text_pieces(lines) if form == "text" else _markdown_pieces(lines)
    if language is None:
        begin, size = list[Piece](), 0
        for piece in pieces:
            begin.append(piece)
            size += len(piece[0]) + 1
            if size >= SAMPLE:
                break
        language = identify_language("".join(text + "\n" * last for text, last in begin))
        pieces = chain(begin, pieces)
    for sentence in _sentences(pieces, language or UNDETERMINED):
        yield language or UNDETERMINED, sentence


def _lines(windows: Iterable[str]) -> Iterator[Piece]:
    """Give lines without their ends; of a line longer than `WINDOW` its parts."""
    rest = ""
    for window in windows:
        text = rest + window
        # The other half of a line's end may stand in the next window.
        held = "\r" if text.endswith("\r") else ""
        *whole, rest = text.removesuffix(held).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        yield from ((line, True) for line in whole)
        if len(rest) > WINDOW:
            yield rest, False
            rest = ""
        rest += held
    *whole, rest = rest.replace("\r", "\n").split("\n")
    yield from ((line, True) for line in (*whole, rest))


def _text_pieces(lines: Iterable[Piece]) -> Iterator[Piece]:
    """Yield blocks; of a paragraph longer than a window, and of a line longer than a window, parts of blocks."""
    begin, size = list[Piece](), 0
    lines = iter(lines)
    for piece in lines:
        begin.append(piece)
        size += len(piece[0])
        if size > WINDOW:
            break
    # The beginning decides how lines are wrapped.
    wrapping = find_wrapping([line for line, _ in begin])
    paragraph: list[str] = []
    size, inside = 0, False  # inside a line longer than a window
    for line, ends in chain(begin, lines):
        blank = not line.strip()
        if inside or not ends or blank:
            yield from ((block, True) for block in paragraph_blocks(paragraph, wrapping))
            paragraph, size = [], 0
        elif size > WINDOW and not wrapping.is_page_line(paragraph[-1]):
            *whole, rest = paragraph_blocks(paragraph, wrapping)
            yield from ((block, True) for block in whole)
            # The last line stays, for what stands between it and the next: a space, or in Chinese nothing.
            if rest.endswith(paragraph[-1].strip()):
                yield rest.removesuffix(paragraph[-1].strip()), False
                paragraph, size = paragraph[-1:], 0
            else:
                paragraph, size = [rest], 0
        if inside or not ends:
            yield line, ends
            inside = not ends
        elif not blank:
            paragraph.append(line.rstrip())
            size += len(line)
    yield from ((block, True) for block in paragraph_blocks(paragraph, wrapping))


def _markdown_pieces(lines: Iterable[Piece]) -> Iterator[Piece]:
    links: dict[str, Any] = {}
    for section in _sections(lines):
        yield from ((block, True) for block in markdown_blocks(section, links))


def _sections(lines: Iterable[Piece]) -> Iterator[str]:
    """Cut Markdown before blocks that are inside no other; the first section holds the front matter."""
    section: list[str] = []
    size, blank, fence = 0, False, ""
    for line, ends in lines:
        if size > WINDOW and blank and not fence and _SECTION.match(line):
            yield "".join(section)
            section, size = [], 0
        if mark := _FENCE.match(line):
            if not fence:
                fence = mark[1]
            elif mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        section.append(line + "\n" * ends)
        size += len(line) + 1
        blank = ends and not line.strip()
    yield "".join(section)


def _sentences(pieces: Iterable[Piece], language: str) -> Iterator[str]:
    rest, tried = "", 0
    for piece, last in pieces:
        if isinstance(piece, PageLine) and not rest:
            yield piece
            continue
        rest += piece
        if last:
            yield from split_sentences(rest, language)
            rest, tried = "", 0
        elif len(rest) > 2 * tried:
            # A text without any end of a sentence is tried again when it has doubled, not with each window.
            whole = sentence_pieces(rest, language)[:-_WAITING]
            yield from (stripped for sentence in whole if (stripped := sentence.strip()))
            rest = rest[sum(map(len, whole)) :]
            tried = len(rest)
    yield from split_sentences(rest, language)
