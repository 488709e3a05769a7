"""Read TEI and ParlaMint files as streams of segments, with the speaker, party and date of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import DataError
from .bounds import BoundedMarkup, MarkupError
from .jsonl import fill
from .suffixes import stem
from .tables import Problem, Row, TableStream

_ID = "{http://www.w3.org/XML/1998/namespace}id"
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

#: Elements whose text becomes a row: ParlaMint segments, paragraphs, verses, headings and utterances. The text of an element inside
#: another becomes a separate row.
_SEGMENTS = frozenset(("seg", "p", "ab", "l", "head", "u"))

#: Elements whose text was not spoken: stenographers' notes, noises, gaps, names of speakers.
_UNSAID = frozenset(
    "note stage kinesic vocal incident gap desc speaker fw pb lb cb link linkGrp label del".split()  # noqa: SIM905
)

#: Elements whose text becomes a row only if they are outside all segments.
_LOOSE = frozenset(("item", "cell"))

#: Elements of a `choice` that contain the original wording, which an editor replaced.
_REPLACED = frozenset(("sic", "orig", "abbr"))

#: Parent elements of the date of a sitting, best source first. The date of the edition is not the date of the sitting.
_DATED = ("setting", "creation", "bibl", "biblStruct")

#: Parts of a file that do not belong to its text.
_OUTSIDE = frozenset(("teiHeader", "standOff", "front", "back", "facsimile", "listPerson", "listOrg"))

#: Maximum number of elements between two rows, and of people in a file. The longest list of people in ParlaMint has about 5,000.
MAX_SILENT, MAX_PEOPLE = 3_000_000, 100_000

#: Attributes of a speech that name the speaker's party in GermaParl.
_PARTY = ("party", "parliamentary_group")


@contextmanager
def open_tei(stream: TableStream) -> Iterator[None]:
    """Fill a stream from a TEI file. DTDs, entities and network addresses are never resolved.

    Raises:
        DataError: The file is not XML, or not TEI.
    """
    from lxml import etree

    try:
        with stream.path.open("rb") as handle:
            events = etree.iterparse(
                BoundedMarkup(handle),
                events=("start", "end"),
                resolve_entities=False,
                load_dtd=False,
                no_network=True,
                remove_comments=True,
                remove_pis=True,
            )
            root = next(iter(events))[1]
            if _name(root) not in ("TEI", "teiCorpus", "TEI.2"):
                raise DataError(
                    f"{stream.path}: XML, but not TEI (the first element is <{_name(root)}>). Save the text as .txt or .csv"
                )
            fill(stream, _Reader(stream.path, root, events).rows())
            yield
    except (etree.XMLSyntaxError, MarkupError) as error:
        raise DataError(f"{stream.path}: not readable XML ({error}). Save the file again") from error
    except OSError as error:
        raise DataError(f"{stream.path}: {error.strerror or error}. Name a file that can be read") from error


def _name(element: Any) -> str:
    """Return the name of an element without its namespace, or an empty string for an entity."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _document(element: Any) -> str | None:
    """Return the id of a document without the suffix `.ana`, which ParlaMint adds in its annotated edition."""
    identity = element.get(_ID)
    return identity.removesuffix(".ana") if identity else None


def _texts(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())


class _Reader:
    """Turn the parser's events for a TEI file into rows."""

    def __init__(self, path: Path, root: Any, events: Any) -> None:
        self._path, self._events = path, events
        self._document = _document(root) or stem(path)
        self._date: str | None = None
        self._dated = len(_DATED)
        self._corpus_date: str | None = None
        self._people: dict[str, tuple[str, str | None]] = {}

    def rows(self) -> Iterator[tuple[int, Row] | Problem]:
        """Yield one row per segment. If the XML is invalid, yield a problem and stop."""
        from lxml import etree

        number = index = documents = 0
        inside = outside = silent = 0
        loose: Any = None
        try:
            for event, element in self._events:
                name = _name(element)
                silent += 1
                if silent > 2 * MAX_SILENT or len(self._people) > MAX_PEOPLE:
                    raise MarkupError(
                        f"more than {MAX_SILENT:,} elements without text, or more than {MAX_PEOPLE:,} people"
                    )
                if event == "start":
                    outside += name in _OUTSIDE
                    if name == "TEI":
                        self._document, index = _document(element) or self._document, 0
                        # A document of a corpus has its own date or, if it has none, the date of the corpus.
                        self._corpus_date = self._corpus_date or (None if documents else self._date)
                        documents += 1
                        self._date, self._dated = self._corpus_date, len(_DATED)
                    if name in _LOOSE and not inside and not outside:
                        loose = element
                    inside += name in _SEGMENTS or element is loose
                    continue
                outside -= name in _OUTSIDE
                inside -= name in _SEGMENTS or element is loose
                if outside or name in _OUTSIDE:
                    self._header(element, name)
                elif name in _SEGMENTS or element is loose:
                    loose = None if element is loose else loose
                    # The text around inner segments, such as the text of an utterance, is a separate row.
                    if text := _said(element):
                        number, silent = number + 1, 0
                        yield number, self._row(element, text, index)
                        index += 1
                    self._forget(element)
                elif not inside:
                    self._forget(element)
        except (etree.XMLSyntaxError, MarkupError) as error:
            reason = (
                f"not readable XML ({str(error).splitlines()[0]}). The segments before it are kept. Save the file again"
            )
            yield Problem(number + 1, f"{self._path}, row {number + 1}: {reason}")

    @staticmethod
    def _forget(element: Any) -> None:
        """Delete the content of an element, so that memory does not grow with the file. Its attributes and tail are kept."""
        if len(element) or element.text:
            tail, attributes = element.tail, dict(element.attrib)
            element.clear()
            element.tail = tail
            element.attrib.update(attributes)
        parent = element.getparent()
        if parent is not None and _name(parent) not in _SEGMENTS:
            while (previous := element.getprevious()) is not None and _name(previous) != "speaker":
                parent.remove(previous)

    def _header(self, element: Any, name: str) -> None:
        """Store people with their parties, and the date of the sitting."""
        if name == "person" and (identity := element.get(_ID)):
            # Forename and surname are separate elements, with or without spaces between them.
            names = next((" ".join(" ".join(found.itertext()).split()) for found in element.iter("{*}persName")), "")
            names = names or identity
            parties = [found.get("ref", "") for found in element.iter("{*}affiliation")]
            party = next((ref for ref in parties if "party" in ref.lower()), None)
            self._people[identity] = (names, party.lstrip("#").removeprefix("party.") if party else None)
            element.clear()
            while (previous := element.getprevious()) is not None:
                element.getparent().remove(previous)
        elif name == "date" and (parent := element.getparent()) is not None and _name(parent) in _DATED:
            rank = _DATED.index(_name(parent))
            date = element.get("when") or element.get("from") or _texts(element)
            if date and rank < self._dated:
                self._date, self._dated = date, rank

    def _row(self, element: Any, text: str, index: int) -> Row:
        speech = next((a for a in (element, *element.iterancestors()) if a.get("who") or _name(a) in ("u", "sp")), None)
        who = (speech.get("who") or "").lstrip("#") if speech is not None else ""
        speaker, party = self._people.get(who, (who or None, None))
        if speech is not None:
            written = next((_texts(found).rstrip(":") for found in speech.iterchildren("{*}speaker", "speaker")), None)
            speaker = speaker or written
            party = next((found for name in _PARTY if (found := speech.get(name))), party)
        language = next((found for a in (element, *element.iterancestors()) if (found := a.get(_LANG))), None)
        return {
            "id": element.get(_ID) or f"{self._document}:{index}",
            "document": self._document,
            "index": index,
            "language": language,
            "speaker": speaker,
            "party": party,
            "date": self._date,
            "text": text,
        }


def _said(element: Any) -> str:
    """Return the words spoken in a segment, without notes and without inner segments, which become separate rows."""
    pieces: list[str] = []
    _add(element, pieces)
    return re.sub(r"\s+", " ", "".join(pieces)).strip()


def _add(element: Any, pieces: list[str]) -> None:
    words = False
    pieces.append(element.text or "")
    for child in element:
        name = _name(child)
        if name in ("w", "pc"):
            words = True
            if child.get("join") in ("left", "both"):
                while pieces and not pieces[-1].strip():
                    pieces.pop()
                if pieces:
                    pieces[-1] = pieces[-1].rstrip()
            # Use only the word itself, not its normalised form, which may be nested inside it.
            pieces.append((child.text or "").strip() + ("" if child.get("join") in ("right", "both") else " "))
        elif name in _REPLACED and _name(element) == "choice":
            pass
        elif name and name not in _UNSAID and name not in _SEGMENTS:
            _add(child, pieces)
        elif not name:
            pieces.append(child.text or "")
        # White space between words is only the layout of the file.
        pieces.append(" " if name in _UNSAID and child.get("break") != "no" else "")
        pieces.append("" if words and not (child.tail or "").strip() else child.tail or "")
