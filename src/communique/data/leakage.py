"""Find documents and texts that two sets of sentences have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import LeakError
from ..reporting.format import counted
from .sentence import Sentence

#: Number of hexadecimal digits of each hash that a fingerprint keeps. 64 bits give few collisions among a billion texts.
DIGITS = 16

#: What a sentence can have in common with other sentences (see `Fingerprint.overlap`), with its wording in messages.
SHARED = {"document": "same document", "parallel": "version of the same document", "text": "same text"}


def _document_hashes(sentence: Sentence) -> list[str]:
    """Return hashes of the document of a sentence and, if it has versions such as translations, of the group of versions."""
    joined = ("\x1f".join(part or "" for part in key) for key in sentence.split_keys)
    return [hashlib.sha256(key.encode()).hexdigest()[:DIGITS] for key in joined]


@dataclass(frozen=True)
class Fingerprint:
    """Hashes of the documents and texts of a corpus, without the texts themselves.

    `documents` also contains a hash for each group of documents that are versions of the same text.
    """

    documents: frozenset[str]
    texts: frozenset[str]

    @classmethod
    def of(cls, sentences: Sequence[Sentence]) -> Fingerprint:
        """Compute the fingerprint of sentences."""
        return cls(
            documents=frozenset(digest for s in sentences for digest in _document_hashes(s)),
            texts=frozenset(s.sha256[:DIGITS] for s in sentences),
        )

    def overlap(self, sentence: Sentence) -> str | None:
        """Return the key of `SHARED` that says what a sentence has in common with the fingerprint, or None."""
        # A row that is its own document, such as row 2 of a file coded.csv without a document column, is not the same document as
        # the row with this number in another file of this name. If they have the same text, they are found by it.
        skipped = "document" if sentence.document == sentence.id else None
        for kind, digest in zip(("document", "parallel"), _document_hashes(sentence), strict=False):
            if digest in self.documents and kind != skipped:
                return kind
        return "text" if self.has_text(sentence.sha256) else None

    def has_text(self, sha256: str) -> bool:
        """Return whether the fingerprint contains a text with this hash (see `text_sha256`)."""
        return sha256[:DIGITS] in self.texts

    def check(self, sentences: Iterable[Sentence], name: str) -> None:
        """Check that sentences have no document or text in common with the fingerprint.

        Args:
            sentences: The sentences to check.
            name: Name of the sentences in the message, such as their file.

        Raises:
            LeakError: Some sentences are shared. The message reports their number and the first of them.
        """
        listed = list(sentences)
        shared = [(s, kind) for s in listed if (kind := self.overlap(s))]
        if shared:
            first, kind = shared[0]
            documents = len({s.document_key for s, kind in shared if kind != "text"})
            raise LeakError(
                f"{name}: {len(shared)} of {len(listed)} rows {'is' if len(shared) == 1 else 'are'} shared with the training data, "
                f"in {counted(documents, 'shared document')} (first: id {first.id!r}, {SHARED[kind]}), so scores would not show "
                "how well the model labels unseen text. Remove the shared rows from one of the two, or use other data"
            )
