"""The corpus: sentences with their provenance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import CorpusError
from ..io.paths import list_files
from .codebook import Codebook
from .leakage import Fingerprint
from .reader import CorpusReader
from .sentence import Sentence
from .splits import held_out


@dataclass(frozen=True)
class Corpus:
    """Sentences in the order of their files, and the files that they came from.

    `files` maps each file to the SHA-256 of its bytes. `notes` lists the assumptions made while reading.
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
            paths: A file, a folder (all of its tables), a glob, or a list of these.
            codebook: The labels. Default: labels are not read.
            columns: Column for each field of `Sentence` whose column is not named as in `reader.COLUMNS`.
            labelled: Whether rows without labels are left out.

        Raises:
            CorpusError: Some rows or files are invalid. The error lists every problem in every file.
        """
        corpus, problems = cls.scan(paths, codebook, columns=columns, labelled=labelled)
        if problems:
            raise CorpusError(*problems)
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
        """Read all valid rows, and return them with one line per problem. The arguments are those of `read`."""
        reader = CorpusReader(codebook, columns or {}, labelled)
        for path in list_files(paths):
            reader.read(path)
        return cls(tuple(reader.sentences), reader.files, tuple(reader.notes)), reader.problems

    @property
    def name(self) -> str:
        """Name of the corpus in messages: its first file, or "corpus" if there is none."""
        return next(iter(self.files), "corpus")

    def where(self, condition: Callable[[Sentence], bool]) -> Corpus:
        """Return a corpus of the sentences for which a condition is true."""
        return Corpus(tuple(s for s in self.sentences if condition(s)), self.files, self.notes)

    def rows(self, keep: NDArray[np.bool_]) -> Corpus:
        """Return a corpus of the sentences for which a mask (n,) is true."""
        return Corpus(tuple(s for s, yes in zip(self.sentences, keep, strict=True) if yes), self.files, self.notes)

    @property
    def documents(self) -> dict[tuple[str | None, str], list[Sentence]]:
        """Sentences by source and document, in order of appearance."""
        documents: dict[tuple[str | None, str], list[Sentence]] = defaultdict(list)
        for sentence in self.sentences:
            documents[sentence.document_key].append(sentence)
        return dict(documents)

    def split(self, share: float, *, seed: int) -> tuple[Corpus, Corpus]:
        """Split by document into the remaining and the held-out corpus. The arguments are those of `splits.held_out`."""
        drawn = held_out(self.sentences, share, seed=seed)
        return self.rows(~drawn), self.rows(drawn)

    def fingerprint(self) -> Fingerprint:
        """Return hashes of the documents and texts, for comparison with another corpus."""
        return Fingerprint.of(self.sentences)


def conflicts(sentences: Iterable[Sentence]) -> list[str]:
    """Return one line for each text that occurs with different labels."""
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
