"""Read the main text of HTML files."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import DataError
from ...text.punctuation import COMPLETE
from ..recognise import Encoding, recognise
from .limits import Document, joined, read_bytes, too_large

#: Elements that do not belong to the text of a page.
_HIDDEN = re.compile(
    "script|style|noscript|template|head|nav|footer|aside|button|select|option|textarea|svg|math|iframe|object|"
    "video|audio|canvas|dialog|menu|map|rt|rp"
)
_INVISIBLE = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.I)
_ROLES = re.compile("navigation|banner|contentinfo|complementary|search|menu|menubar|dialog|alert")

#: Elements that end a paragraph.
_BLOCKS = re.compile(
    "address|article|blockquote|body|caption|center|dd|details|div|dl|dt|fieldset|figcaption|figure|h1|h2|h3|h4|"
    "h5|h6|header|hgroup|hr|html|li|main|ol|p|pre|section|summary|table|tbody|td|tfoot|th|thead|tr|ul"
)
_CHARSET = re.compile(
    rb"<meta[^<>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]+)|<\?xml[^<>]{0,100}?encoding=[\"']([\w.:-]+)", re.I
)
_SENTENCE_END = re.compile(COMPLETE)

#: Maximum number of elements and attributes on a page. Each takes up to 300 bytes of memory, and the longest transcripts have about
#: 150,000.
MAX_NODES = 500_000

#: Maximum number of attributes of an element. The limit is needed because a parser compares each attribute with all previous ones.
MAX_ATTRIBUTES = 1000

#: Links shorter than this number of characters may be menu entries. Headlines are longer.
_MENU_ENTRY = 60


def read_html(path: Path, name: str, encoding: Encoding | None, language: str | None = None) -> Document:
    """Read the main text of a page: its `main` or `article` elements, or else its body without menus, header and footer.

    Args:
        path: The file.
        name: Name of the file in messages.
        encoding: Encoding, if the user named it. Default: as declared in the page, or else recognised from the file.
        language: Language of the text, if it is known.

    Raises:
        DataError: The file is not text, or is too large.
    """
    from lxml import etree

    content = read_bytes(path, name)
    notes: tuple[str, ...] = ()
    if encoding is None:
        encoding = _declared(content) or recognise(name, io.BytesIO(content), language)
        notes = encoding.notes
    text = codecs.decode(content, encoding.name, "replace").lstrip("\ufeff").replace("\0", "")
    # lxml rejects an encoding declaration in a text that has already been decoded.
    text = re.sub(r"^\s*<\?xml[^<>]*\?>", "", text)
    if not text.strip():
        return Document("", notes)
    options: dict[str, Any] = {"no_network": True, "remove_comments": True, "remove_pis": True, "huge_tree": False}
    try:
        etree.fromstring(text, etree.HTMLParser(target=_Counter(name), **options))
        tree = etree.fromstring(text, etree.HTMLParser(**options))
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise DataError(f"{name}: not readable HTML ({error}). Save it as .txt") from error
    if tree is None:
        return Document("", notes)
    main = _main_parts(tree)
    return Document(joined(name, (block for root, whole in main for block in _blocks(root, whole))), notes)


class _Counter:
    """Count the elements and attributes that a parser reads, before a tree is built from them."""

    def __init__(self, name: str) -> None:
        self._name, self._count = name, 0

    def start(self, tag: str, attributes: Any) -> None:
        """Count an element.

        Raises:
            DataError: There are too many elements or attributes.
        """
        self._count += 1 + len(attributes)
        if self._count > MAX_NODES:
            raise too_large(self._name, f"{MAX_NODES:,} elements and attributes")
        if len(attributes) > MAX_ATTRIBUTES:
            raise too_large(self._name, f"{MAX_ATTRIBUTES:,} attributes in one element")

    def close(self) -> None:
        """Do nothing. lxml requires this method."""


def _declared(content: bytes) -> Encoding | None:
    """Return the encoding that a page declares, or None if it declares none, is UTF-8, or cannot be decoded with it."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(content)
        return None  # `recognise` detects UTF-8 and 7-bit encodings itself.
    except UnicodeDecodeError:
        found = _CHARSET.search(content[:4096])
    if found is None:
        return None
    try:
        # Like browsers, read ISO-8859-1 and ASCII as cp1252.
        codec = codecs.lookup((found[1] or found[2]).decode("ascii"))
        declared = "cp1252" if codec.name in ("iso8859-1", "ascii") else codec.name
        content.decode(declared)
    except (LookupError, UnicodeDecodeError):
        return None
    return Encoding(declared, damaged=True)


def _main_parts(tree: Any) -> list[tuple[Any, bool]]:
    """Return the elements that contain the main text, and whether each is the whole body."""
    for path in ("//main", "//*[@role='main']"):
        if found := [part for part in tree.xpath(path) if "".join(part.itertext()).strip()]:
            return [(part, False) for part in found]
    # In some pages an `article` contains the text, in others only teasers. Use articles only if they contain most of the text.
    articles = tree.xpath("//article[not(ancestor::article)]")
    inside = sum(len(block) for part in articles for block in _blocks(part, whole=False))
    if 2 * inside > sum(map(len, _blocks(tree, whole=True))):
        return [(part, False) for part in articles]
    return [(tree, True)]


def _is_hidden(element: Any, whole: bool) -> bool:
    if _HIDDEN.fullmatch(element.tag) or _ROLES.fullmatch(element.get("role", "")):
        return True
    if element.get("hidden") is not None or element.get("aria-hidden") == "true":
        return True
    if _INVISIBLE.search(element.get("style", "")):
        return True
    # A superscript link is a footnote mark. Other superscripts are part of a word or number.
    if element.tag == "sup" and element.find(".//a") is not None:
        return True
    # A header inside the main text contains its headline. The header of a whole page is a banner, unless it contains the headline.
    return bool(whole and element.tag == "header" and element.find(".//h1") is None)


def _blocks(root: Any, whole: bool) -> Iterator[str]:
    """Yield the paragraphs of an element. A line break inside a paragraph is kept."""
    from lxml import etree

    pieces: list[str] = []
    linked = links = hidden = preformatted = 0

    def add(text: str | None) -> None:
        nonlocal linked
        text = text or ""
        linked += len("".join(text.split())) if links else 0
        pieces.append(text if preformatted else text.replace("\n", " "))

    def finished() -> Iterator[str]:
        nonlocal linked
        text = "\n".join(" ".join(line.split()) for line in "".join(pieces).split("\n")).strip("\n")
        all_linked = bool(linked) and linked >= len("".join(text.split()))
        pieces.clear()
        linked = 0
        if text and not (all_linked and len(text) < _MENU_ENTRY and not _SENTENCE_END.search(text)):
            yield text

    for event, element in etree.iterwalk(root, events=("start", "end")):
        tag = element.tag
        if event == "start":
            hidden += bool(hidden) or _is_hidden(element, whole)
            if hidden:
                continue
            if _BLOCKS.fullmatch(tag):
                yield from finished()
            links += tag == "a"
            preformatted += tag == "pre"
            if tag == "br":
                pieces.append("\n")
            add(element.text)
            continue
        if hidden:
            hidden -= 1
        else:
            links -= tag == "a"
            preformatted -= tag == "pre"
            if _BLOCKS.fullmatch(tag):
                yield from finished()
        if not hidden and element is not root:
            add(element.tail)
    yield from finished()
