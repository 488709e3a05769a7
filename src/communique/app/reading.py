"""Prepare the sentences of a labelled table for a page: which ones are shown, with which labels, and what people answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select, tuple_

from ..data.acts import Act, Named, named_parts
from ..project.coding import SentenceKey
from ..sampling.population import display_sha256, visible
from .store import CODINGS, IndexedSentence, Store
from .tables import LabelledTable

#: Number of sentences per page, and of characters of a sentence that a list shows.
PER_PAGE, SHOWN = 50, 1500

#: Values of the filter that are not the name of a label. A label cannot contain a semicolon.
NONE, UNLABELLED, CHANGED = ";none", ";unlabelled", ";changed"


class Filter(NamedTuple):
    """Which sentences are shown, and at which thresholds.

    Attributes:
        thresholds: One threshold per label, or None for the labels in the file.
        label: A label, one of `NONE`, `UNLABELLED` and `CHANGED`, or nothing for all sentences.
        words: Words that the text contains.
        document: Number of the document, or None for all.
    """

    thresholds: tuple[float, ...] | None = None
    label: str = ""
    words: str = ""
    document: int | None = None


class Mark(NamedTuple):
    """A label of a sentence.

    Attributes:
        label: Position of the label in the table.
        probability: Its probability, or None.
        state: `same` as in the file, or `added` or `removed` by the thresholds of the reader.
        named: Holder, target and kind, if the model predicts them.
    """

    label: int
    probability: float | None
    state: str
    named: tuple[Named, ...] = ()


@dataclass(frozen=True)
class Coded:
    """The labels that a person gave a sentence."""

    coder: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """A sentence as a page shows it.

    Attributes:
        number: Its row in the table.
        sentence: The sentence.
        marks: Its labels.
        probabilities: All probabilities, or nothing.
        reason: Why the model did not label it, or None.
        codings: What people answered.
        heading: Name of its document, if the sentence before it on the page belongs to another one.
        begins: Whether it starts a paragraph.
    """

    number: int
    sentence: IndexedSentence
    marks: tuple[Mark, ...]
    probabilities: tuple[float, ...]
    reason: str | None
    codings: tuple[Coded, ...]
    heading: str | None
    begins: bool = False

    @property
    def beginning(self) -> str:
        """The part of the text that a list shows."""
        return self.sentence.text[:SHOWN]

    @property
    def left_out(self) -> int:
        """Number of characters that a list does not show."""
        return max(0, len(self.sentence.text) - SHOWN)


class Reading:
    """The sentences of a table that a filter selects.

    Args:
        table: The table.
        wanted: The filter.
    """

    def __init__(self, table: LabelledTable, wanted: Filter) -> None:
        self.table, self.wanted = table, wanted
        self.decisions: NDArray[np.bool_] = table.decide(wanted.thresholds)

    @cached_property
    def changed(self) -> NDArray[np.bool_]:
        """Sentences whose labels at these thresholds differ from those in the file (n,)."""
        return np.asarray((self.decisions != self.table.decisions).any(axis=1))

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """The selected rows of the table, in reading order."""
        table, wanted = self.table, self.wanted
        rows = table.order if wanted.document is None else table.rows_of(wanted.document)
        kept = np.ones(len(table), np.bool_)
        if wanted.label == NONE:
            kept = table.labelled & ~self.decisions.any(axis=1)
        elif wanted.label == UNLABELLED:
            kept = ~table.labelled
        elif wanted.label == CHANGED:
            kept = self.changed
        elif wanted.label:
            kept = self.decisions[:, table.names.index(wanted.label)]
        if wanted.words:
            kept = kept & table.contains(wanted.words)
        return rows[kept[rows]]

    @cached_property
    def counts(self) -> list[int]:
        """Number of sentences with each label, in the whole table or in the document of the filter."""
        inside = slice(None) if self.wanted.document is None else self.table.rows_of(self.wanted.document)
        return [int(n) for n in self.decisions[inside].sum(axis=0)]

    @property
    def pages(self) -> int:
        """Number of pages, at least 1."""
        return max(1, -(-len(self.rows) // PER_PAGE))

    def page(self, number: int) -> list[int]:
        """Return the rows of a page, from 1."""
        start = (min(max(number, 1), self.pages) - 1) * PER_PAGE
        return [int(row) for row in self.rows[start : start + PER_PAGE]]

    def show(self, rows: Sequence[int], store: Store, acts: Sequence[Mapping[str, Act]] | None = None) -> list[Row]:
        """Return rows as a page shows them.

        Args:
            rows: The rows.
            store: The index of the project, for codings.
            acts: Kinds, holders and targets of each row by label.
        """
        table = self.table
        sentences = [self.sentence(row) for row in rows]
        codings = _codings(store, [one.key for one in sentences])
        found, last = [], -1
        for i, (row, sentence) in enumerate(zip(rows, sentences, strict=True)):
            document = int(table.documents[row])
            known = table.probabilities is not None and bool(table.labelled[row])
            probabilities = (
                tuple(map(float, table.probabilities[row])) if known and table.probabilities is not None else ()
            )
            named = acts[i] if acts is not None else {}
            found.append(
                Row(
                    number=row,
                    sentence=sentence,
                    marks=tuple(self._marks(row, probabilities, named)),
                    probabilities=probabilities,
                    reason=None if table.labelled[row] else table.reasons[row].as_py() or "empty",
                    codings=codings.get(sentence.key, ()),
                    heading=table.document_names[document] if document != last else None,
                    begins=table.begins is not None and bool(table.begins[row]),
                )
            )
            last = document
        return found

    def text(self, row: int) -> str:
        """Return the text of a row as the file contains it."""
        found: str = self.table.texts[row].as_py()
        return found

    def sentence(self, row: int) -> IndexedSentence:
        """Return a row as a sentence that can be coded."""
        table, text = self.table, self.text(row)
        document = int(table.documents[row])
        rows = table.rows_of(document)
        at = int(np.flatnonzero(rows == row)[0])
        previous = self.text(int(rows[at - 1])) if at and table.has_index else ""
        return IndexedSentence(
            id=table.ids[row].as_py() or str(row),
            sha256=display_sha256(text),
            text=visible(text),
            document=table.document_names[document],
            index=int(table.index[row]),
            position=int(table.index[row]) if table.has_index else None,
            source=table.sources[document],
            language=table.languages[row].as_py(),
            previous=visible(previous),
        )

    def _marks(self, row: int, probabilities: Sequence[float], acts: Mapping[str, Act]) -> list[Mark]:
        text = self.text(row)
        shown, own = self.decisions[row], self.table.decisions[row]
        found = []
        for j in np.flatnonzero(shown | own).tolist():
            state = "same" if shown[j] == own[j] else "added" if shown[j] else "removed"
            act = acts.get(self.table.names[j])
            named = named_parts(act, text) if act is not None and state != "removed" else ()
            found.append(Mark(j, probabilities[j] if probabilities else None, state, named))
        return found


def _codings(store: Store, keys: Sequence[SentenceKey]) -> dict[SentenceKey, tuple[Coded, ...]]:
    """Return what people answered, by sentence."""
    if not keys:
        return {}
    query = select(CODINGS.c.id, CODINGS.c.sha256, CODINGS.c.coder, CODINGS.c.labels)
    query = query.where(tuple_(CODINGS.c.id, CODINGS.c.sha256).in_(list(keys))).order_by(CODINGS.c.time)
    found: dict[SentenceKey, tuple[Coded, ...]] = {}
    with store.reading() as connection:
        for row in connection.execute(query):
            found[row.id, row.sha256] = (*found.get((row.id, row.sha256), ()), Coded(row.coder, tuple(row.labels)))
    return found
