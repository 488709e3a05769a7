"""The corpus: sentences with their provenance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..io.paths import list_files
from .codebook import Codebook
from .leakage import Fingerprint
from .reader import CorpusReader
from .sentence import Sentence
from .splits import held_out


@dataclass(frozen=True)
class Corpus:
    """Statements in the order of their files, and where they came from.

    `files` maps each file to the SHA-256 of its bytes. `notes` tells what was assumed while reading.
    """

    sentences: tuple[Sentence, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.sentences)

    def __iter__(self) -> Iterator[Sentence]:
        return iter(self.sentences)

    def __add__(self, other: Corpus) -> Corpus:
        return Corpus(self.sentences + other.sentences, {**self.files, **other.files}, self.notes + other.notes)

    @classmethod
    def read(
        cls,
        paths: str | Path | Sequence[str | Path],
        codebook: Codebook | None = None,
        *,
        columns: Mapping[str, str] | None = None,
        labelled: bool = False,
    ) -> Corpus:
        """Read a corpus from tables.

        Args:
            paths: A file, a folder (its tables), a glob, or several of them.
            codebook: Needed to read labels; without it labels are not read.
            columns: Names of columns by field of `Sentence`, where they differ from `COLUMNS`.
            labelled: Whether rows without labels are invalid.

        Raises:
            DataError: It holds every problem of every file, one line each.
        """
        corpus, problems = cls.scan(paths, codebook, columns=columns, labelled=labelled)
        if problems:
            raise DataError(*problems)
        return corpus

    @classmethod
    def scan(
        cls,
        paths: str | Path | Sequence[str | Path],
        codebook: Codebook | None = None,
        *,
        columns: Mapping[str, str] | None = None,
        labelled: bool = False,
    ) -> tuple[Corpus, list[str]]:
        """Read what is readable; return it with one line for every problem. Arguments as in `read`."""
        reader = CorpusReader(codebook, columns or {}, labelled)
        for path in list_files(paths):
            reader.read(path)
        return cls(tuple(reader.sentences), reader.files, tuple(reader.notes)), reader.problems

    @property
    def name(self) -> str:
        """How messages name the corpus: its first file."""
        return next(iter(self.files), "corpus")

    def where(self, condition: Callable[[Sentence], bool]) -> Corpus:
        """Keep the sentences that fulfil a condition."""
        return Corpus(tuple(s for s in self.sentences if condition(s)), self.files, self.notes)

    def rows(self, keep: NDArray[np.bool_]) -> Corpus:
        """Keep the sentences that a mask (n,) marks."""
        return Corpus(tuple(s for s, yes in zip(self.sentences, keep, strict=True) if yes), self.files, self.notes)

    @property
    def documents(self) -> dict[tuple[str | None, str], list[Sentence]]:
        """Statements by source and document, in order of appearance."""
        documents: dict[tuple[str | None, str], list[Sentence]] = defaultdict(list)
        for sentence in self.sentences:
            documents[sentence.document_key].append(sentence)
        return dict(documents)

    def split(self, share: float, *, seed: int) -> tuple[Corpus, Corpus]:
        """Split by document with `held_out`, whose arguments these are; the second corpus is the one that is held out."""
        drawn = held_out(self.sentences, share, seed=seed)
        return self.rows(~drawn), self.rows(drawn)

    def fingerprint(self) -> Fingerprint:
        """Hash documents and texts, so that a later corpus can be compared with them."""
        return Fingerprint.of(self.sentences)


def conflicts(sentences: Iterable[Sentence]) -> list[str]:
    """Warn of equal texts with different labels, one line a text."""
    by_text: dict[str, list[Sentence]] = defaultdict(list)
    for sentence in sentences:
        if sentence.labels is not None:
            by_text[sentence.sha256].append(sentence)
    lines = []
    for same in by_text.values():
        if len({s.labels for s in same}) > 1:
            given = "; ".join(f"{s.id}: {'|'.join(s.labels or ()) or 'none'}" for s in same[:4])
            lines.append(f"{len(same)} rows have the text {same[0].text[:60]!r} with different labels ({given})")
    return lines
