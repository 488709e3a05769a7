"""Divide plain text into blocks that no sentence crosses, and unwrap lines that were broken at a column width.

Lines are wrapped if most of them are full, which means that the first word of the next line would not have fitted, and if many full
lines end in the middle of a sentence. That holds for any column width. Lists, headings, poems and texts with one sentence per line
stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from .punctuation import CLOSING, COMPLETE, END_MARKS
from .scripts import CJK, IS_CJK

_LIST_ITEM = re.compile(r"(?:[-*+•·▪‣◦–—]|\(?(?:\d{1,3}|[a-z]|[ivx]{1,5})[.)])\s")

#: A line break between two Chinese or Japanese characters stands for nothing, elsewhere for a space.
_CJK_BREAK = re.compile(rf"(?<=[{CJK}])\n(?=[{CJK}])")
_SENTENCE_END = re.compile(COMPLETE)
_SENTENCE_INSIDE = re.compile(rf"\S{{3,}}[{END_MARKS}][{CLOSING}]*\s*\S")
_HYPHEN = re.compile(r"[^\W\d_][-‐\u00ad]$")
_PAGE = re.compile(
    r"[-–—\[(]?\s*(?:(?:page|p\.|seite|s\.|página|pagina|стр\.|с\.)\s*)?\d{1,4}(?:\s*(?:/|of|von|de|из)\s*\d{1,4})?\s*[-–—\])]?",
    re.IGNORECASE,
)
_WORD = re.compile(r"[\w'’]+(?:[-‐][\w'’]+)*")

#: Conjunctions after a hyphen that stands for the rest of a word: "Innen- und Außenpolitik".
_SUSPENDED = frozenset(
    ("und", "oder", "bzw", "sowie", "and", "or", "to", "en", "of", "och", "eller", "og", "ja", "tai")
)

#: Column widths, in characters, that count as wrapped.
MIN_WIDTH, MAX_WIDTH = 25, 130

#: Smallest column width in Chinese and Japanese.
_MIN_CJK_WIDTH = 12

#: Part of the broken lines that continue with a small letter: more than in a list of headlines, even in German.
_LOWER = 0.12

#: Lines of a poem are shorter than this.
_WIDE = 40

#: A line is full if it and the next word fill more than this part of the column. Columns of a PDF are ragged.
_FULL = 0.8


@dataclass
class Wrapping:
    """How the lines of a document are wrapped.

    Attributes:
        width: Column width in characters. None if its lines are not wrapped.
        headers: Running headers and footers, with digits as 0.
        words: Words of the document in small letters, which decide whether a hyphen at a line end belongs to the word.
    """

    width: int | None = None
    headers: frozenset[str] = frozenset()
    words: frozenset[str] = field(default=frozenset(), repr=False)

    def is_page_line(self, line: str) -> bool:
        """Return whether a line is a page number, a running header or a footer."""
        return self.width is not None and bool(_PAGE.fullmatch(line.strip()) or _without_digits(line) in self.headers)


def text_blocks(text: str) -> list[str]:
    """Cut plain text into blocks that no sentence crosses: its lines, or its paragraphs where lines are wrapped."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    whole = find_wrapping(lines)
    return [
        block
        for paragraph in paragraphs(lines)
        # One paragraph may be wrapped in a document that is not, such as a quoted letter.
        for block in paragraph_blocks(paragraph, whole if whole.width else find_wrapping(paragraph))
    ]


def paragraphs(lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield the lines between blank lines."""
    paragraph: list[str] = []
    for line in lines:
        if line.strip():
            paragraph.append(line.rstrip())
        elif paragraph:
            yield paragraph
            paragraph = []
    if paragraph:
        yield paragraph


def find_wrapping(lines: list[str]) -> Wrapping:
    """Find out whether and how the lines of a document, or of its beginning, are wrapped."""
    width = _width(list(paragraphs(lines)))
    if width is None:
        return Wrapping()
    variants: dict[str, list[str]] = {}
    for line in lines:
        if 3 <= len(line.strip()) <= width and not line.strip()[0].islower():
            variants.setdefault(_without_digits(line), []).append(line.strip())
    # A running header is short and comes back, or has a page number that changes. In a text that repeats itself, lines with the end
    # of one sentence and the beginning of the next come back too.
    headers = frozenset(
        line
        for line, found in variants.items()
        if not _SENTENCE_END.search(line)
        and not _SENTENCE_INSIDE.search(line)
        and ((len(found) >= 3 and len(line) < _FULL * width) or (len(found) >= 2 and len(set(found)) == len(found)))
    )
    broken = any(_HYPHEN.search(line.rstrip()) for line in lines)
    words = frozenset(word.lower() for line in lines for word in _WORD.findall(line)) if broken else frozenset()
    return Wrapping(width, headers, words)


def paragraph_blocks(paragraph: list[str], wrapping: Wrapping) -> list[str]:
    """Cut the lines of a paragraph into blocks; page numbers and running headers become blocks of their own."""
    width = wrapping.width
    if width is None:
        return [line.strip() for line in paragraph]
    blocks: list[str] = []
    asides: list[str] = []
    text, last, indent = "", "", 0
    for line in paragraph:
        stripped = line.strip()
        if wrapping.is_page_line(line):
            asides.append(stripped)
            continue
        own = len(line) - len(line.lstrip())
        if text and _continues(last, stripped, width, indented=own > indent):
            text = _joined(text, stripped, wrapping.words)
        else:
            blocks += [text, *asides] if text else asides
            asides, text = [], stripped
        last, indent = stripped, own
    return [block for block in (*blocks, text, *asides) if block]


def unwrap(text: str) -> str:
    """Join lines into one, with a space between them where the script has spaces."""
    return " ".join(_CJK_BREAK.sub("", text).split())


def _width(found: list[list[str]]) -> int | None:
    """Return the column width at which paragraphs are wrapped; None if they are not."""
    lengths = sorted(len(line) for lines in found for line in lines)
    if len(lengths) < 2:
        return None
    width = lengths[int(0.95 * (len(lengths) - 1) + 0.5)]
    if width > MAX_WIDTH:
        return None
    pairs = [
        (line.strip(), following.strip())
        for lines in found
        for line, following in pairwise(lines)
        if not (_LIST_ITEM.match(following.strip()) or _PAGE.fullmatch(line.strip()))
    ]
    broken = [(line, following) for line, following in pairs if not _SENTENCE_END.search(line)]
    full = [(line, following) for line, following in pairs if _is_full(line, following, width)]
    full_broken = sum(not _SENTENCE_END.search(line) for line, _ in full)
    lower = sum(following[0].islower() for _, following in broken)
    # Lines that a program broke again are short in places, but a small letter follows.
    again = width >= _WIDE and len(broken) >= 2 and lower >= 0.75 * len(broken)
    if not broken or full_broken < 0.4 * len(full) or (full_broken < 0.75 * len(broken) and not again):
        return None
    narrow = IS_CJK.search(broken[0][0]) is not None
    if width < (_MIN_CJK_WIDTH if narrow else MIN_WIDTH):
        return None
    cased = sum(following[0].islower() or following[0].isupper() for _, following in broken)
    if cased > len(broken) / 2:
        return width if lower >= _LOWER * cased else None
    # Without capitals only the lengths tell.
    return width if len(broken) >= 2 and full_broken >= 0.9 * len(broken) else None


def _is_full(line: str, following: str, width: int) -> bool:
    """Return whether the first word of the next line would not have fitted into a line."""
    word = 1 if IS_CJK.match(following) else len(following.split(maxsplit=1)[0])
    return len(line) + 1 + min(word, width // 3) > _FULL * width


def _continues(line: str, following: str, width: int, *, indented: bool) -> bool:
    """Return whether a line of a wrapped paragraph continues on the next one."""
    if _LIST_ITEM.match(following) and (_SENTENCE_END.search(line) or _LIST_ITEM.match(line)):
        return False
    if _SENTENCE_END.search(line):
        # Sentences are split afterwards: what matters here are abbreviations such as "Mr." at a line end.
        return not indented and _is_full(line, following, width) and len(line) <= 1.2 * width
    return following[0].islower() or bool(_HYPHEN.search(line)) or _is_full(line, following, width)


def _joined(text: str, line: str, words: frozenset[str]) -> str:
    """Join the text of a paragraph with its next line, and put together a word that was hyphenated."""
    if _HYPHEN.search(text):
        before, after = _WORD.findall(text[-60:-1]), _WORD.match(line)
        if not before or after is None or after[0].lower() in _SUSPENDED:
            return f"{text} {line}"
        if text[-1] == "\u00ad":
            return text[:-1] + line
        first, second = before[-1].lower(), after[0].lower()
        if not line[0].islower() or f"{first}-{second}" in words:
            return text + line
        return text[:-1] + line
    # Chinese writes no space next to a digit or quotation mark either.
    latin = any(edge.isalpha() and not IS_CJK.match(edge) for edge in (text[-1], line[0]))
    return text + line if IS_CJK.search(text[-3:] + line[:3]) and not latin else f"{text} {line}"


def _without_digits(line: str) -> str:
    return re.sub(r"\d+", "0", line.strip())
