"""Find rows of a corpus that a model's training data contain: by document, text or near-duplicate text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ..data import near_duplicates
from ..data.corpus import Corpus
from ..data.leakage import SHARED
from ..errors import LeakError
from ..reporting.format import counted
from .info import NEAR_DUPLICATES, ModelInfo

#: Kinds of overlap, from the most to the least certain. A row counts under the first kind that applies.
KINDS = {**SHARED, "near-duplicate": "near-duplicate text"}


@dataclass(frozen=True)
class Leak:
    """The rows that a corpus shares with the training data, and the kind of overlap of each.

    `rows` is the number of rows in the corpus. `kinds` maps the id of each shared row to a key of `KINDS`, and `documents` is
    the number of shared documents. `unchecked` says why the search for near-duplicates was not possible; None if it was done.
    """

    rows: int
    kinds: dict[str, str]
    documents: int
    unchecked: str | None

    @property
    def counts(self) -> dict[str, int]:
        """The number of shared rows per kind."""
        rows = Counter(self.kinds.values())
        return {kind: rows[kind] for kind in KINDS}

    def describe(self) -> str:
        """Return a clause that states how many rows are shared, per kind of overlap."""
        of_documents = f" from {counted(self.documents, 'document')}"
        parts = [
            f"{KINDS[kind]}: {n}{of_documents if kind == 'document' else ''}" for kind, n in self.counts.items() if n
        ]
        verb = "is" if len(self.kinds) == 1 else "are"
        return f"{len(self.kinds)} of {self.rows} rows {verb} shared with the training data ({', '.join(parts)})"


def find_leak(folder: str | Path, info: ModelInfo, corpus: Corpus) -> Leak:
    """Find the rows that a corpus shares with the training data of a model.

    Documents are compared by source and key, so a translation under the same key is found too. Versions of a document are
    found by the field `parallel`. Near-duplicates are searched for if the model folder contains signatures and the package
    `datasketch` is installed.
    """
    trained = info.training.fingerprint
    kinds = {s.id: kind for s in corpus if (kind := trained.overlap(s))}
    shared_documents = len({s.document_key for s in corpus if kinds.get(s.id) == "document"})
    unchecked = None
    signatures = Path(folder) / NEAR_DUPLICATES
    if not signatures.exists():
        unchecked = f"the model has no {NEAR_DUPLICATES}. Export it again with this version to include them"
    elif not near_duplicates.available():
        unchecked = (
            "they need the package 'datasketch', which is not installed. In your clone of communique, run "
            "pip install -c constraints.txt '.[analysis]'"
        )
    else:
        rest = [s for s in corpus if s.id not in kinds]
        found = near_duplicates.find(near_duplicates.load(signatures), [s.text for s in rest])
        kinds |= {rest[match.position].id: "near-duplicate" for match in found}
    return Leak(len(corpus), kinds, shared_documents, unchecked)


def refuse(leak: Leak, corpus: Corpus) -> None:
    """Check that a corpus shares no rows with the training data.

    Raises:
        LeakError: It shares some. The message has the number per kind and the first shared row.
    """
    if leak.kinds:
        first = next(s.id for s in corpus if s.id in leak.kinds)
        raise LeakError(
            f"{corpus.name}: {leak.describe()}; first: id {first!r}, {KINDS[leak.kinds[first]]}. Scores on "
            "these rows would not reflect performance on unseen text. Use other data, drop these rows with --drop-shared, or keep "
            "them with --allow-leak, which the report will mention"
        )
