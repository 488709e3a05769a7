"""The sentence: one sentence and its place."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property

from ..text.cleaning import for_model
from ..text.language import UNDETERMINED


def normalized(text: str) -> str:
    """Return the form of a text that is hashed: NFC, each run of white space as one space, none at the ends."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def text_sha256(text: str) -> str:
    """Compute the hash that stand-off labels have in place of a text: SHA-256 of its `normalized` form in UTF-8.

    Returns:
        64 hexadecimal digits.
    """
    return hashlib.sha256(normalized(text).encode()).hexdigest()


#: A year in a date, whatever the order of its parts.
_YEAR = re.compile(r"(?<!\d)(1[89]\d\d|20\d\d)(?!\d)")


def find_year(date: str) -> str | None:
    """Find the year, from 1800 to 2099, in a date written in any order; None where there is none."""
    found = _YEAR.search(unicodedata.normalize("NFKC", date))
    return found[0] if found else None


@dataclass(frozen=True)
class Sentence:
    """One sentence and its place.

    `labels` is None where nobody labelled the sentence, and empty where somebody found that no label applies.
    `document` is the unit of independence: splits, leak checks and the clusters of every interval use it.
    `parallel` is equal in documents that are versions of the same text, such as translations; see `split_keys`.
    `weight` is a design weight: how many sentences of the population the row stands for, up to a factor.
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

    @cached_property
    def sha256(self) -> str:
        """Hash of the text, see `text_sha256`."""
        return text_sha256(self.text)

    @property
    def model_text(self) -> str:
        """The text as models read it in training and prediction: without invisible characters."""
        return for_model(self.text)

    @property
    def document_key(self) -> tuple[str | None, str]:
        """Source and document: the unit of independence, and the clusters of intervals."""
        return self.source, self.document

    @property
    def split_keys(self) -> tuple[tuple[str | None, ...], ...]:
        """What may not be in two sets of a split: the document, and the documents that are versions of the same text.

        Sentences that have a key in common belong in one set. Keys of documents have two parts, keys of `parallel` have one.
        """
        return (self.document_key,) if self.parallel is None else (self.document_key, (self.parallel,))

    @property
    def year(self) -> str | None:
        """The year of the date, see `find_year`."""
        return None if self.date is None else find_year(self.date)
