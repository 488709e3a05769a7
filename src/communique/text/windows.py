"""Split documents that are too long for memory into sentences.

A document of up to `WINDOW` characters is read whole. A longer document is cut into the same blocks: lines, wrapped paragraphs,
or sections of Markdown. If a single block is longer than a window, its sentences are yielded window by window, and the last
sentences of each window are kept back until the text after them is known.

The sentences are the same as for a short document, with three exceptions. The first window alone decides whether and how lines
are wrapped. A paragraph longer than a window is cut at a line end. A Markdown link must be defined before it is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from .blocks import PageLine, close_page_gaps, find_wrapping, paragraph_blocks
from .language import SAMPLE, UNDETERMINED, identify_language
from .markdown import markdown_blocks
from .sentences import sentence_pieces, split_sentences

#: Number of characters in memory at a time, about 8,000 sentences. Speeches, reports and most books are shorter.
WINDOW = 1_000_000

#: Number of sentences kept back at the end of a window, because the text that follows can still change them: a quotation may be
#: open, or the last full stop may belong to an abbreviation.
_WAITING = 20

#: Beginning of a top-level Markdown block: a heading or a paragraph, not indented text, a list item, a quotation, a table or HTML.
_SECTION = re.compile(r"#{1,6}\s|(?!\d+[.)])[^\W_]")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")

#: A piece of a block, and whether the block ends with it.
Piece = tuple[str, bool]


def long_sentences(windows: Iterable[str], form: str, language: str | None) -> Iterator[tuple[str, str]]:
    """Split a document into sentences, reading its text window by window.

    Args:
        windows: Its text, in pieces of any size.
        form: `text` or `markdown`.
        language: Its language. If None, the language is identified from the beginning of the text, as for a short document.

    Yields:
        The document's language and the next sentence.
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
    """Yield lines without their line ends. A line longer than `WINDOW` is yielded in parts."""
    rest = ""
    for window in windows:
        text = rest + window
        # The line feed that belongs to this carriage return may be at the beginning of the next window.
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
    """Yield blocks. A paragraph or line that is longer than a window is yielded in parts."""
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
    for line, ends in close_page_gaps(chain(begin, lines)):
        blank = not line.strip()
        if inside or not ends or blank:
            yield from ((block, True) for block in paragraph_blocks(paragraph, wrapping))
            paragraph, size = [], 0
        elif size > WINDOW and not wrapping.is_page_line(paragraph[-1]):
            *whole, rest = paragraph_blocks(paragraph, wrapping)
            yield from ((block, True) for block in whole)
            # Keep the last line, because the next line decides how the two are joined: with a space or, in Chinese, without.
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
    """Cut Markdown before top-level blocks. The first section contains the front matter."""
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
            # Split again only when the text has doubled, not with every window: in a text without sentence ends that would take
            # quadratic time.
            whole = sentence_pieces(rest, language)[:-_WAITING]
            yield from (stripped for sentence in whole if (stripped := sentence.strip()))
            rest = rest[sum(map(len, whole)) :]
            tried = len(rest)
    yield from split_sentences(rest, language)
