"""Find what a corpus shares with a model's training data: documents, texts, near-duplicates."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ..data import near_duplicates
from ..data.corpus import Corpus
from ..data.leakage import SHARED
from ..errors import LeakError
from .info import NEAR_DUPLICATES, ModelInfo

#: Kinds of what is shared, from the most to the least certain; a row counts under its first.
KINDS = {**SHARED, "near-duplicate": "near-duplicate text"}


@dataclass(frozen=True)
class Leak:
    """The rows of a corpus that training data share, and how.

    `rows` counts the corpus. `kinds` maps the id of each shared row to a key of `KINDS`, and `documents` counts the shared
    documents. `unchecked` says why near-duplicates could not be looked for; it is None if they were.
    """

    rows: int
    kinds: dict[str, str]
    documents: int
    unchecked: str | None

    @property
    def counts(self) -> dict[str, int]:
        """The number of shared rows by kind."""
        counted = Counter(self.kinds.values())
        return {kind: counted[kind] for kind in KINDS}

    def describe(self) -> str:
        """Return a clause that says how many rows are shared, and how."""
        of_documents = f" of {self.documents} document{'s' * (self.documents != 1)}"
        parts = [
            f"{n} {KINDS[kind]}{of_documents if kind == 'document' else ''}" for kind, n in self.counts.items() if n
        ]
        return f"{len(self.kinds)} of {self.rows} rows are shared with the training data ({', '.join(parts)})"


def find_leak(folder: str | Path, info: ModelInfo, corpus: Corpus) -> Leak:
    """Compare a corpus with the training data of a model.

    A document is found by its source and key, so it is found in another language too; a version of it by the field `parallel`.
    Near-duplicates are searched for if the model's folder has signatures and the package `datasketch` is installed.
    """
    trained = info.training.fingerprint
    kinds = {s.id: kind for s in corpus if (kind := trained.overlap(s))}
    shared_documents = len({s.document_key for s in corpus if kinds.get(s.id) == "document"})
    unchecked = None
    signatures = Path(folder) / NEAR_DUPLICATES
    if not signatures.exists():
        unchecked = f"the model has no {NEAR_DUPLICATES}; export it again with this version to have them looked for"
    elif not near_duplicates.available():
        unchecked = "they need the package 'datasketch': pip install 'communique[analysis]'"
    else:
        rest = [s for s in corpus if s.id not in kinds]
        found = near_duplicates.find(near_duplicates.load(signatures), [s.text for s in rest])
        kinds |= {rest[match.position].id: "near-duplicate" for match in found}
    return Leak(len(corpus), kinds, shared_documents, unchecked)


def refuse(leak: Leak, corpus: Corpus) -> None:
    """Refuse a corpus that shares rows with the training data.

    Raises:
        LeakError: One line with the counts by kind and the first row.
    """
    if leak.kinds:
        first = next(s.id for s in corpus if s.id in leak.kinds)
        raise LeakError(
            f"{next(iter(corpus.files), 'corpus')}: {leak.describe()}; first: id {first!r}, {KINDS[leak.kinds[first]]}; a score on "
            "them would not be one on new text; give other data, leave those rows out with --drop-shared, or measure all the same "
            "with --allow-leak, and the report says so"
        )
