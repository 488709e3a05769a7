"""A sentence, its position in its document, and the hash of its text."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

from ..text.cleaning import for_model
from ..text.language import UNDETERMINED
from .acts import Act, Span


def normalized(text: str) -> str:
    """Return the form of a text that is hashed: in NFC, with single spaces between words and none at the ends."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def text_sha256(text: str) -> str:
    """Compute the hash that identifies a text in stand-off labels: the SHA-256 of its `normalized` form in UTF-8.

    Returns:
        64 hexadecimal digits.
    """
    return hashlib.sha256(normalized(text).encode()).hexdigest()


def normalized_offset(text: str, offset: int) -> int:
    """Convert a character offset of a text to an offset of its `normalized` form."""
    # The added letter protects trailing white space of the prefix, which normalization would otherwise remove.
    return len(normalized(text[:offset] + "x")) - 1


def original_span(text: str, span: Span) -> Span:
    """Convert a span of the `normalized` form of a text to a span of the text."""
    offsets = [normalized_offset(text, i) for i in range(len(text) + 1)]
    start, end = (bisect_right(offsets, offset) - 1 for offset in span)
    return start, start + len(text[start:end].rstrip())


def acts_in(other: str, acts: Mapping[str, Act], text: str) -> dict[str, Act]:
    """Return acts of a text for another form of it, whose white space or Unicode form may differ.

    Acts whose words are not at the same place of the other text are left out.
    """
    if other == text or not acts:
        return dict(acts)

    def move(span: Span) -> Span:
        start, end = original_span(other, (normalized_offset(text, span[0]), normalized_offset(text, span[1])))
        if normalized(other[start:end]) != normalized(text[slice(*span)]):
            raise ValueError
        return start, end

    found = {}
    for name, act in acts.items():
        with suppress(ValueError, IndexError):
            found[name] = act.moved(move)
    return found


#: A year in a date, in any position.
_YEAR = re.compile(r"(?<!\d)(1[89]\d\d|20\d\d)(?!\d)")


def find_year(date: str) -> str | None:
    """Return the year, from 1800 to 2099, of a date whose parts are in any order, or None if it has none."""
    found = _YEAR.search(unicodedata.normalize("NFKC", date))
    return found[0] if found else None


#: Value of `sampling` in rows that were written for training. They train every model but never score or tune one.
AUTHORED = "authored"


@dataclass(frozen=True)
class Sentence:
    """A sentence and its position in its document.

    `labels` is None if nobody labelled the sentence, and empty if somebody decided that no label applies.
    `document` is the unit of independence. Splits, leak checks and the clusters of every interval use it.
    `parallel` is the same in all documents that are versions of one text, such as translations (see `split_keys`).
    `weight` is a design weight, proportional to the number of sentences in the population that the row represents.
    `acts` contains holder, target and kind by label, as offsets into `text`. It is None if nobody recorded them, whereas an act
    without a holder means that the sentence names none.
    """

    id: str
    text: str
    document: str
    index: int = 0
    language: str = UNDETERMINED
    previous: str | None = None
    labels: tuple[str, ...] | None = None
    source: str | None = None
    sampling: str | None = None
    genre: str | None = None
    date: str | None = None
    weight: float | None = None
    parallel: str | None = None
    acts: Mapping[str, Act] | None = field(default=None, hash=False)

    @cached_property
    def sha256(self) -> str:
        """Hash of the text (see `text_sha256`)."""
        return text_sha256(self.text)

    @property
    def model_text(self) -> str:
        """The text as models read it in training and prediction (see `for_model`)."""
        return for_model(self.text)

    @property
    def document_key(self) -> tuple[str | None, str]:
        """Source and document, which together identify the unit of independence and the cluster of the bootstrap."""
        return self.source, self.document

    @property
    def split_keys(self) -> tuple[tuple[str | None, ...], ...]:
        """Keys of the document and, if `parallel` is set, of the documents that are versions of the same text.

        Sentences that have a key in common must be in the same set of a split. The key of a document has two parts, and the
        key of a group of versions has one part.
        """
        return (self.document_key,) if self.parallel is None else (self.document_key, (self.parallel,))

    @property
    def year(self) -> str | None:
        """Year of the date, or None (see `find_year`)."""
        return None if self.date is None else find_year(self.date)
