"""Divide plain text into blocks that no sentence crosses, and unwrap lines that were broken at a column width.

A line is full if the first word of the next line would not have fitted. Lines count as wrapped, at any column width, if many full
lines end in the middle of a sentence and most lines that end in the middle of a sentence are full. Lists, headings, poems and texts
with one sentence per line are left unchanged.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from .hyphenation import HYPHENS, SUSPENDED
from .punctuation import CLOSING, END_MARKS, is_complete
from .scripts import CJK, IS_CJK

_LIST_ITEM = re.compile(r"(?:[-*+•·▪‣◦–—]|\(?(?:\d{1,3}|[a-z]|[ivx]{1,5})[.)])\s")

#: A line break between two Chinese or Japanese characters, which is removed. Any other line break becomes a space.
_CJK_BREAK = re.compile(rf"(?<=[{CJK}])\n(?=[{CJK}])")
_SENTENCE_INSIDE = re.compile(rf"\S{{3,}}[{re.escape(END_MARKS)}][{re.escape(CLOSING)}]*\s*\S")
_TWO_SENTENCES = re.compile(r"\w{3,}[.!?…][\"”’»)]*\s+[^\W\d_a-z]")
_HYPHEN = re.compile(rf"[^\W\d_][{HYPHENS}]$")
_PAGE = re.compile(
    r"[-–—\[(]?\s*(?:(?:page|p\.|seite|s\.|página|pagina|стр\.|с\.)\s*)?\d{1,4}(?:\s*(?:/|of|von|de|из)\s*\d{1,4})?\s*[-–—\])]?",
    re.IGNORECASE,
)
_WORD = re.compile(r"[\w'’]+(?:[-‐][\w'’]+)*")

#: Smallest and largest column width, in characters, at which lines can count as wrapped.
MIN_WIDTH, MAX_WIDTH = 25, 130

#: Smallest column width in Chinese and Japanese.
_MIN_CJK_WIDTH = 12

#: Smallest proportion of broken lines whose next line begins with a lower-case letter. Wrapped text reaches it, even in German; a
#: list of headlines does not.
_LOWER = 0.12

#: Maximum length of a header or footer in characters, minimum number of words of one with a page number, and minimum number of
#: lines per page.
_HEADER, _HEADER_WORDS, _PAGE_LINES = 120, 2, 18

#: Column width, in characters, that is too wide for a poem.
_WIDE = 40

#: A line is full if it and the next word would fill more than this proportion of the column. It is below 1 because PDF lines are
#: ragged.
_FULL = 0.8

#: Maximum number of blank lines and page numbers between two pages.
_PAGE_GAP = 20


class PageLine(str):
    """A block that is not part of the text: a page number, or a header or footer that is repeated on each page."""

    __slots__ = ()


@dataclass
class Wrapping:
    """How the lines of a document are wrapped.

    Attributes:
        width: Column width in characters. None if the lines are not wrapped.
        headers: Lines that look like running headers or footers, with each number replaced by 0. They do not interrupt a sentence.
        page_headers: Lines that are certainly running headers or footers, with each number replaced by 0. See `running_headers`.
        words: Lower-cased words of the document, which decide whether a hyphen at a line end belongs to the word.
    """

    width: int | None = None
    headers: frozenset[str] = frozenset()
    page_headers: frozenset[str] = frozenset()
    words: frozenset[str] = field(default=frozenset(), repr=False)

    def is_page_line(self, line: str) -> bool:
        """Return whether a line is a page number, a running header or a footer."""
        if self.is_apart(line):
            return True
        return self.width is not None and bool(_PAGE.fullmatch(line.strip()) or _without_digits(line) in self.headers)

    def is_apart(self, line: str) -> bool:
        """Return whether a line is not part of the text, so that it becomes a `PageLine`."""
        if self.page_headers and _without_digits(line) in self.page_headers:
            return True
        return is_page_number(line)


def is_page_number(line: str) -> bool:
    """Return whether a line is a page number with a word, such as "Page 3 of 10"."""
    stripped = line.strip()
    return len(stripped) <= _HEADER and bool(_PAGE.fullmatch(stripped)) and any(map(str.isalpha, stripped))


def text_blocks(text: str) -> list[str]:
    """Cut plain text into blocks that no sentence crosses: its paragraphs if lines are wrapped, or else its lines."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    whole = find_wrapping(lines)
    return [
        block
        for paragraph in paragraphs(lines)
        # In a document whose lines are not wrapped, a single paragraph may be, such as a quoted letter.
        for block in paragraph_blocks(paragraph, whole if whole.width else find_wrapping(paragraph))
    ]


def close_page_gaps(pieces: Iterable[tuple[str, bool]]) -> Iterator[tuple[str, bool]]:
    """Leave out the blank lines around a page number that interrupts a sentence, so that its paragraph does not end there.

    Args:
        pieces: Lines, and whether each of them is complete.

    Yields:
        The lines, without blank lines between a line that ends no sentence, page numbers, and a line that begins in lower case.
    """
    gap: list[tuple[str, bool]] = []
    broken = False  # Whether the last line of text ends in the middle of a sentence.
    for line, ends in pieces:
        text = line.strip()
        between = not text or (len(text) <= _HEADER and bool(_PAGE.fullmatch(text)))
        if between and ends and broken and len(gap) < _PAGE_GAP:
            gap.append((line, ends))
            continue
        numbers = [piece for piece in gap if piece[0].strip()]
        yield from numbers if numbers and text[:1].islower() else gap
        yield line, ends
        gap, broken = [], not between and not is_complete(text)
    yield from gap


def paragraphs(lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield paragraphs, as lists of the lines between blank lines. A page number inside a sentence does not end a paragraph."""
    paragraph: list[str] = []
    for line, _ in close_page_gaps((line, True) for line in lines):
        if line.strip():
            paragraph.append(line.rstrip())
        elif paragraph:
            yield paragraph
            paragraph = []
    if paragraph:
        yield paragraph


def find_wrapping(lines: list[str]) -> Wrapping:
    """Determine whether the lines of a document, or of its beginning, are wrapped, and at which width."""
    width = _width(list(paragraphs(lines)))
    page_headers = running_headers(lines)
    if width is None:
        return Wrapping(page_headers=page_headers)
    variants: dict[str, list[str]] = {}
    for line in lines:
        if 3 <= len(line.strip()) <= width and not line.strip()[0].islower():
            variants.setdefault(_without_digits(line), []).append(line.strip())
    # A running header either is short and recurs, or contains a page number that changes. In a repetitive text, a line with the end
    # of one sentence and the beginning of the next can recur too, so such lines are excluded.
    headers = frozenset(
        line
        for line, found in variants.items()
        if not is_complete(line)
        and not _SENTENCE_INSIDE.search(line)
        and ((len(found) >= 3 and len(line) < _FULL * width) or (len(found) >= 2 and len(set(found)) == len(found)))
    )
    broken = any(_HYPHEN.search(line.rstrip()) for line in lines)
    words = frozenset(word.lower() for line in lines for word in _WORD.findall(line)) if broken else frozenset()
    return Wrapping(width, headers, page_headers, words)


def running_headers(lines: list[str]) -> frozenset[str]:
    """Return the lines that are certainly running headers or footers, with each number replaced by 0.

    If form feeds separate the pages, such a line is at the top or bottom of at least three pages and of at least a quarter of all
    pages. Otherwise it occurs at least three times, and it is next to page numbers, contains the page number, or recurs at nearly
    equal intervals.
    """
    starts = [i for i, line in enumerate(lines) if "\f" in line]
    if len(starts) >= 2:
        edges: Counter[str] = Counter()
        for start, end in pairwise((0, *starts, len(lines))):
            page = [line for line in lines[start:end] if line.strip()]
            edges.update({_without_digits(line) for line in (*page[:2], *page[-2:]) if _may_be_header(line)})
        least = max(3, len(starts) / 4)
        return frozenset(line for line, n in edges.items() if n >= least and any(map(str.isalpha, line)))
    full = [line.strip() for line in lines if line.strip()]
    places: dict[str, list[int]] = {}
    for i, line in enumerate(full):
        if _may_be_header(line) and not line[0].islower() and not is_complete(line):
            places.setdefault(_without_digits(line), []).append(i)
    numbered = {i for i, line in enumerate(full) if len(line) <= _HEADER and _PAGE.fullmatch(line)}
    return frozenset(
        line
        for line, found in places.items()
        if len(found) >= 3
        and any(map(str.isalpha, line))
        and (_is_numbered(found, numbered) or _is_regular(found) or _counts_pages([full[i] for i in found], found))
    )


def _may_be_header(line: str) -> bool:
    """Return whether a line is short and does not contain the end of a sentence."""
    line = line.strip()
    # The length is checked first, because the search takes hours in a word of a million letters.
    if len(line) > _HEADER or _TWO_SENTENCES.search(line):
        return False
    return line.isupper() or not is_complete(line)


def _is_numbered(places: list[int], numbered: set[int]) -> bool:
    """Return whether at least two thirds of the places at which a line occurs are next to page numbers.

    Args:
        places: Indices of the line among the non-blank lines.
        numbered: Indices of lines that are page numbers.
    """
    return sum(not numbered.isdisjoint((i - 1, i + 1)) for i in places) >= 2 / 3 * len(places)


def _counts_pages(lines: list[str], places: list[int]) -> bool:
    """Return whether lines of several words contain the page number, which is a number that grows by 1 or 2 from page to page."""
    if len(_WORD.findall(_without_digits(lines[0]).replace("0", ""))) < _HEADER_WORDS:
        return False  # "Article 1", "Chapter 2"
    if min(following - place for place, following in pairwise(places)) < _PAGE_LINES:
        return False
    rows = [[int(number) for number in re.findall(r"\d+", line)] for line in lines]
    steps = [{following - number for number, following in pairwise(column)} for column in zip(*rows, strict=True)]
    return sum(step in ({1}, {2}) for step in steps) == 1 and all(step in ({0}, {1}, {2}) for step in steps)


def _is_regular(places: list[int]) -> bool:
    """Return whether a line recurs after about the same number of lines, as on printed pages."""
    gaps = [following - place for place, following in pairwise(places)]
    return len(gaps) >= 3 and min(gaps) >= _PAGE_LINES and max(gaps) <= 1.2 * min(gaps) + 2


def paragraph_blocks(paragraph: list[str], wrapping: Wrapping) -> list[str]:
    """Cut the lines of a paragraph into blocks. Each page number and running header becomes a separate block."""
    width = wrapping.width
    if width is None:
        return [PageLine(line.strip()) if wrapping.is_apart(line) else line.strip() for line in paragraph]
    blocks: list[str] = []
    asides: list[str] = []
    text, last, indent = "", "", 0
    for line in paragraph:
        stripped = line.strip()
        if wrapping.is_page_line(line):
            asides.append(PageLine(stripped) if wrapping.is_apart(line) else stripped)
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
    """Join lines into one, with a space between them unless both neighbouring characters are Chinese or Japanese."""
    return " ".join(_CJK_BREAK.sub("", text).split())


def _width(found: list[list[str]]) -> int | None:
    """Return the column width at which paragraphs are wrapped, or None if they are not wrapped."""
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
    broken = [(line, following) for line, following in pairs if not is_complete(line)]
    full = [(line, following) for line, following in pairs if _is_full(line, following, width)]
    full_broken = sum(not is_complete(line) for line, _ in full)
    lower = sum(following[0].islower() for _, following in broken)
    # Some lines are short in text that a program wrapped a second time, but a lower-case letter follows them.
    again = width >= _WIDE and len(broken) >= 2 and lower >= 0.75 * len(broken)
    if not broken or full_broken < 0.4 * len(full) or (full_broken < 0.75 * len(broken) and not again):
        return None
    narrow = IS_CJK.search(broken[0][0]) is not None
    if width < (_MIN_CJK_WIDTH if narrow else MIN_WIDTH):
        return None
    cased = sum(following[0].islower() or following[0].isupper() for _, following in broken)
    if cased > len(broken) / 2:
        return width if lower >= _LOWER * cased else None
    # In a script without capital letters, only the line lengths can decide.
    return width if len(broken) >= 2 and full_broken >= 0.9 * len(broken) else None


def _is_full(line: str, following: str, width: int) -> bool:
    """Return whether the first word of the next line would not have fitted into a line."""
    word = 1 if IS_CJK.match(following) else len(following.split(maxsplit=1)[0])
    return len(line) + 1 + min(word, width // 3) > _FULL * width


def _continues(line: str, following: str, width: int, *, indented: bool) -> bool:
    """Return whether a line of a wrapped paragraph continues on the next one."""
    if _LIST_ITEM.match(following) and (is_complete(line) or _LIST_ITEM.match(line)):
        return False
    if is_complete(line):
        # The line may end with an abbreviation such as "Mr.", so a full line still continues. Sentences are split later.
        return not indented and _is_full(line, following, width) and len(line) <= 1.2 * width
    return following[0].islower() or bool(_HYPHEN.search(line)) or _is_full(line, following, width)


def _joined(text: str, line: str, words: frozenset[str]) -> str:
    """Join the text of a paragraph with its next line, and rejoin a word that was hyphenated at the line end."""
    if _HYPHEN.search(text):
        before, after = _WORD.findall(text[-60:-1]), _WORD.match(line)
        if not before or after is None or after[0].lower() in SUSPENDED:
            return f"{text} {line}"
        if text[-1] in "\u00ad¬":
            return text[:-1] + line
        first, second = before[-1].lower(), after[0].lower()
        if not line[0].islower() or f"{first}-{second}" in words:
            return text + line
        return text[:-1] + line
    # In Chinese, there is no space next to a digit or quotation mark either.
    latin = any(edge.isalpha() and not IS_CJK.match(edge) for edge in (text[-1], line[0]))
    return text + line if IS_CJK.search(text[-3:] + line[:3]) and not latin else f"{text} {line}"


def _without_digits(line: str) -> str:
    return re.sub(r"\d+", "0", line.strip())
