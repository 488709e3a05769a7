"""Find documents and texts that two sets of sentences share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import LeakError
from .sentence import Sentence

#: Hexadecimal digits of a hash that a fingerprint keeps: 64 bits, so few collisions among a billion texts.
_DIGITS = 16


def _document_hash(sentence: Sentence) -> str:
    source, document = sentence.document_key
    return hashlib.sha256(f"{source or ''}\x1f{document}".encode()).hexdigest()[:_DIGITS]


@dataclass(frozen=True)
class Fingerprint:
    """Hashes of the documents and texts of a corpus, without the texts."""

    documents: frozenset[str]
    texts: frozenset[str]

    @classmethod
    def of(cls, sentences: Sequence[Sentence]) -> Fingerprint:
        """Hash the documents and texts of sentences."""
        return cls(
            documents=frozenset(map(_document_hash, sentences)), texts=frozenset(s.sha256[:_DIGITS] for s in sentences)
        )

    def overlap(self, sentence: Sentence) -> str | None:
        """Return what a sentence shares with the hashed ones: `document`, `text` or None."""
        if _document_hash(sentence) in self.documents:
            return "document"
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
            documents = len({s.document_key for s, kind in shared if kind == "document"})
            raise LeakError(
                f"{name}: {len(shared)} of {len(listed)} rows are shared with the training data "
                f"({documents} documents; first: id {first.id!r}, same {kind}), so scores on them would not reflect "
                "performance on unseen text. Use other data, or drop these rows with --drop-shared"
            )
