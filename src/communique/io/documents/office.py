"""Read the paragraphs of Word (.docx) and OpenDocument (.odt) files, which are ZIP archives of XML, as streams."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import DataError
from ..bounds import BoundedMarkup, MarkupError
from .limits import Document, check_part, joined

#: Maximum number of elements in an OpenDocument paragraph, which is kept in memory until it ends.
MAX_ELEMENTS = 300_000

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_T = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_O = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"

#: Elements whose text is not visible in the document: deletions, the origin of moved text, field codes, copies of text boxes.
_DOCX_HIDDEN = {
    _W + "del",
    _W + "moveFrom",
    _W + "delText",
    _W + "instrText",
    _W + "rPr",
    _W + "pPr",
    _MC + "Fallback",
}
_ODT_HIDDEN = {_T + "tracked-changes", _O + "annotation", _T + "note-citation", _T + "sequence-decls"}
_DOCX_SPACES = {_W + "tab": " ", _W + "br": "\n", _W + "cr": "\n", _W + "noBreakHyphen": "-"}
_SPACES = re.compile(r"\s+")
_ODT_SPACES = {_T + "tab": " ", _T + "s": " ", _T + "line-break": "\n"}


def read_docx(path: Path, name: str) -> Document:
    """Read a Word document: headings, paragraphs, table cells and text boxes, then footnotes and endnotes.

    Text deleted in tracked changes, comments, headers and footers are left out.

    Raises:
        DataError: The file is not a Word document, or is too large.
    """
    parts = ("word/document.xml", "word/footnotes.xml", "word/endnotes.xml")
    return _read(path, name, parts, "Word", (_W + "p",), _DOCX_HIDDEN, _DOCX_SPACES, {_W + "t"})


def read_odt(path: Path, name: str) -> Document:
    """Read an OpenDocument text: headings, paragraphs, table cells and notes, without deleted text and comments.

    Raises:
        DataError: The file is not an OpenDocument text, or is too large.
    """
    return _read(path, name, ("content.xml",), "OpenDocument", (_T + "p", _T + "h"), _ODT_HIDDEN, _ODT_SPACES, None)


def _read(
    path: Path,
    name: str,
    parts: tuple[str, ...],
    kind: str,
    blocks: tuple[str, ...],
    hidden: set[str],
    spaces: dict[str, str],
    runs: set[str] | None,
) -> Document:
    from lxml import etree

    try:
        with zipfile.ZipFile(path) as archive:
            known = set(archive.namelist())
            if parts[0] not in known:
                raise DataError(f"{name}: not a {kind} document. Save it again, or save it as .txt")
            found: list[str] = []
            for part in parts:
                if part in known:
                    check_part(archive, part, name)
                    with archive.open(part) as handle:
                        events = etree.iterparse(
                            BoundedMarkup(handle),
                            events=("start", "end"),
                            resolve_entities=False,
                            no_network=True,
                            load_dtd=False,
                        )
                        found.append(joined(name, _paragraphs(events, blocks, hidden, spaces, runs)))
    except (
        zipfile.BadZipFile,
        zlib.error,
        etree.XMLSyntaxError,
        MarkupError,
        NotImplementedError,
        RuntimeError,
        EOFError,
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{name}: not a readable {kind} document ({reason}). Save it again, or save it as .txt"
        ) from error
    except OSError as error:
        raise DataError(f"{name}: {error.strerror or error}. Name a file that can be read") from error
    return Document("\n\n".join(text for text in found if text))


def _paragraphs(
    events: Any, blocks: tuple[str, ...], hidden: set[str], spaces: dict[str, str], runs: set[str] | None
) -> Iterator[str]:
    """Yield paragraphs. A text box or note inside a paragraph is yielded before it.

    `runs` are the elements that contain text. If it is None, every element inside a paragraph does.
    """
    open_blocks: list[list[str]] = []
    depth_hidden = elements = 0
    for event, element in events:
        tag = element.tag
        if event == "start":
            depth_hidden += tag in hidden
            if tag in blocks:
                open_blocks.append([])
            continue
        if tag in hidden:
            depth_hidden -= 1
        elif not depth_hidden and open_blocks:
            if runs is not None and tag in runs:
                open_blocks[-1].append(element.text or "")
            elif tag in spaces:
                open_blocks[-1].append(spaces[tag])
        if tag in blocks and open_blocks:
            pieces = open_blocks.pop()
            text = "".join(pieces) if runs is not None else _mixed(element, blocks, hidden, spaces)
            if not depth_hidden and (text := text.strip()):
                yield text
            _clear(element)
        elements = elements + 1 if open_blocks else 0
        if runs is None and elements > MAX_ELEMENTS:
            raise MarkupError(f"a paragraph of more than {MAX_ELEMENTS:,} elements")
        if not open_blocks or runs is not None:
            # Delete finished elements, so that memory use does not grow with the document.
            _clear(element)
            while element.getprevious() is not None:
                del element.getparent()[0]


def _clear(element: Any) -> None:
    """Delete the content of an element, but keep its tail, because the text after an element belongs to its parent."""
    tail = element.tail
    element.clear()
    element.tail = tail


def _mixed(element: Any, blocks: tuple[str, ...], hidden: set[str], spaces: dict[str, str]) -> str:
    """Return the text of an element with mixed content, without the blocks inside it, which have been yielded already."""
    pieces = [_SPACES.sub(" ", element.text or "")]
    for child in element:
        if child.tag in spaces:
            pieces.append(spaces[child.tag])
        elif child.tag not in hidden and child.tag not in blocks and isinstance(child.tag, str):
            pieces.append(_mixed(child, blocks, hidden, spaces))
        pieces.append(_SPACES.sub(" ", child.tail or ""))
    return "".join(pieces)
