"""The statement: one sentence and its place."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from functools import cached_property

#: BCP 47 code of a language that nobody named.
UNDETERMINED = "und"


def text_sha256(text: str) -> str:
    """Hash a text as the reference labels do: its NFC form, runs of white space as one space, none at the ends.

    Returns:
        64 hexadecimal digits.
    """
    return hashlib.sha256(" ".join(unicodedata.normalize("NFC", text).split()).encode()).hexdigest()


@dataclass(frozen=True)
class Statement:
    """One sentence and its place.

    `labels` is None where nobody labelled the sentence, and empty where somebody found that no label applies.
    `document` is the unit of independence: splits, leak checks and the clusters of every interval go by it.
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

    @cached_property
    def sha256(self) -> str:
        """Hash of the text, see `text_sha256`."""
        return text_sha256(self.text)
