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

#: Parts of a page that are not its text.
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

#: Elements and attributes of a page, which take up to 300 bytes of memory each. The longest transcripts have some 150,000.
MAX_NODES = 500_000

#: Attributes of an element, each of which is compared with all before it.
MAX_ATTRIBUTES = 1000

#: Characters of a link that may be an entry of a menu; headlines are longer.
_MENU_ENTRY = 60


def read_html(path: Path, name: str, encoding: Encoding | None, language: str | None = None) -> Document:
    """Read the main text of a page: its `main` or `article` elements, otherwise its body without menus, header and footer.

    Args:
        path: The file.
        name: How messages name it.
        encoding: Its encoding, if the user named it. Default: as declared in the page, otherwise recognised.
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
    # A declaration would be refused in a text that is decoded already.
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
    """Count what a parser reads, before a tree of it is built."""

    def __init__(self, name: str) -> None:
        self._name, self._count = name, 0

    def start(self, tag: str, attributes: Any) -> None:
        """Count an element.

        Raises:
            DataError: There are too many elements and attributes.
        """
        self._count += 1 + len(attributes)
        if self._count > MAX_NODES:
            raise too_large(self._name, f"{MAX_NODES:,} elements and attributes")
        if len(attributes) > MAX_ATTRIBUTES:
            raise too_large(self._name, f"{MAX_ATTRIBUTES:,} attributes of one element")

    def close(self) -> None:
        """Return nothing; a parser asks for it."""


def _declared(content: bytes) -> Encoding | None:
    """Return the encoding that a page declares, unless its bytes are of another one."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(content)
        return None  # `recognise` finds UTF-8 itself, and 7-bit encodings.
    except UnicodeDecodeError:
        found = _CHARSET.search(content[:4096])
    if found is None:
        return None
    try:
        # Browsers read ISO-8859-1 and ASCII as cp1252.
        codec = codecs.lookup((found[1] or found[2]).decode("ascii"))
        declared = "cp1252" if codec.name in ("iso8859-1", "ascii") else codec.name
        content.decode(declared)
    except (LookupError, UnicodeDecodeError):
        return None
    return Encoding(declared, damaged=True)


def _main_parts(tree: Any) -> list[tuple[Any, bool]]:
    """Return the elements that hold the text, and whether each is the whole body."""
    for path in ("//main", "//*[@role='main']"):
        if found := [part for part in tree.xpath(path) if "".join(part.itertext()).strip()]:
            return [(part, False) for part in found]
    # Some pages put the text into an `article`, others its teasers.
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
    # The mark of a footnote; other superscripts belong to a word or a number.
    if element.tag == "sup" and element.find(".//a") is not None:
        return True
    # A header inside the text is its headline; that of the page is a banner, unless it holds the headline.
    return bool(whole and element.tag == "header" and element.find(".//h1") is None)


def _blocks(root: Any, whole: bool) -> Iterator[str]:
    """Yield the paragraphs of an element; a line break inside a paragraph stays one."""
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
