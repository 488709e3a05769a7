"""Find documents and texts that two sets of sentences share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import LeakError
from .sentence import Sentence

#: Hexadecimal digits of a hash that a fingerprint keeps: 64 bits, so few collisions among a billion texts.
_DIGITS = 16

#: What a sentence can share with other sentences, see `Fingerprint.overlap`.
SHARED = {"document": "same document", "parallel": "version of the same document", "text": "same text"}


def _document_hashes(sentence: Sentence) -> list[str]:
    """Hash what may not be in two sets: the document, and the group of documents that are versions of the same text."""
    joined = ("\x1f".join(part or "" for part in key) for key in sentence.split_keys)
    return [hashlib.sha256(key.encode()).hexdigest()[:_DIGITS] for key in joined]


@dataclass(frozen=True)
class Fingerprint:
    """Hashes of the documents and texts of a corpus, without the texts.

    `documents` has a hash for each group of documents that are versions of the same text too.
    """

    documents: frozenset[str]
    texts: frozenset[str]

    @classmethod
    def of(cls, sentences: Sequence[Sentence]) -> Fingerprint:
        """Hash the documents and texts of sentences."""
        return cls(
            documents=frozenset(digest for s in sentences for digest in _document_hashes(s)),
            texts=frozenset(s.sha256[:_DIGITS] for s in sentences),
        )

    def overlap(self, sentence: Sentence) -> str | None:
        """Return what a sentence shares with the hashed ones, a key of `SHARED`, or None."""
        for kind, digest in zip(("document", "parallel"), _document_hashes(sentence), strict=False):
            if digest in self.documents:
                return kind
        return "text" if self.has_text(sentence.sha256) else None

    def has_text(self, sha256: str) -> bool:
        """Return whether a text of this hash (see `text_sha256`) is among the hashed ones."""
        return sha256[:_DIGITS] in self.texts

    def check(self, sentences: Iterable[Sentence], name: str) -> None:
        """Refuse sentences that share documents or texts with the hashed ones.

        Args:
            sentences: The sentences to check.
            name: How the message names them, such as their file.

        Raises:
            LeakError: One line names the first shared sentences and the count of all.
        """
        listed = list(sentences)
        shared = [(s, kind) for s in listed if (kind := self.overlap(s))]
        if shared:
            first, kind = shared[0]
            documents = len({s.document_key for s, kind in shared if kind != "text"})
            raise LeakError(
                f"{name}: {len(shared)} of {len(listed)} rows are shared with the training data "
                f"({documents} documents; first: id {first.id!r}, {SHARED[kind]}), so scores on them would not reflect "
                "performance on unseen text. Use other data, or drop these rows with --drop-shared"
            )
