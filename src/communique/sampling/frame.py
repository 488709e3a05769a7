"""The sampling frame: which rows of a population can be drawn. The estimate refers to these rows only.

Two kinds of rows are left out: rows on which the model was trained or tuned (it makes fewer errors there than elsewhere, so they
cannot be gold), and rows without a group, if the user drops them. They are left out of the population, not only of the draw:
sentences that cannot be drawn would otherwise bias the estimate. The design file records their ids, so that `communique estimate`
leaves out the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ..data.leakage import Fingerprint
from ..errors import DataError
from ..io.write import write_csv
from ..reporting.format import counted
from .population import MISSING_GROUP, Population

#: Suffix of the file that lists the rows that were left out.
LEFT_OUT = ".left-out.csv"

#: What to do with rows whose cell in a column of groups is empty. `refuse` raises an error, `drop` leaves them out, and `keep`
#: makes them a group of their own.
MissingGroup = Literal["refuse", "drop", "keep"]

#: Why rows are left out, with the wording in messages.
REASONS = {
    "trained": "the model was trained or tuned on them or on their documents",
    "missing-group": "a column that defines groups is empty",
    "coded": "they are already coded",
}

Reason = Literal["trained", "missing-group", "coded"]


class LeftOut(BaseModel):
    """Rows that are not part of the frame, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Reason
    documents: int = Field(description="number of documents that these rows come from")
    ids: tuple[str, ...]

    @property
    def described(self) -> str:
        """How many rows were left out, and why."""
        sentences, documents = counted(len(self.ids), "sentence"), counted(self.documents, "document")
        return f"{sentences} from {documents}, because {REASONS[self.reason]}"

    def __str__(self) -> str:
        return f"left out {self.described}"


@dataclass(frozen=True)
class Frame:
    """The rows that can be drawn, and the rows that were left out of the population."""

    population: Population
    left_out: tuple[LeftOut, ...] = ()
    missing_group: MissingGroup = "refuse"

    def without(self, reason: Reason, rows: NDArray[np.bool_]) -> Frame:
        """Return the frame without some of its rows.

        Args:
            reason: Why they are left out.
            rows: Whether each row is left out, (N,).

        Raises:
            DataError: No row would be left.
        """
        if not rows.any():
            return self
        population = self.population
        if rows.all():
            raise DataError(
                f"{population.path}: no sentence can be drawn, because all of them are left out: {REASONS[reason]}. Use other texts"
            )
        out = np.flatnonzero(rows)
        left = LeftOut(
            reason=reason,
            documents=len(np.unique(population.documents[out])),
            ids=tuple(population.ids.take(out).to_pylist()),
        )
        return replace(self, population=population.take(np.flatnonzero(~rows)), left_out=(*self.left_out, left))

    def without_trained(self, trained_on: Fingerprint, purpose: Literal["estimate", "training"]) -> Frame:
        """Return the frame without rows that a model was trained or tuned on.

        Args:
            trained_on: Hashes of the model's training data.
            purpose: For estimates, all rows of training documents are left out, because `communique estimate` refuses them as
                gold. For training, other sentences of these documents can be informative.

        Raises:
            DataError: No row would be left.
        """
        return self.without("trained", trained_rows(self.population, trained_on, documents=purpose == "estimate"))

    def without_missing(self, columns: Sequence[str], missing_group: MissingGroup) -> Frame:
        """Return the frame in which each row has a value in the columns that define groups.

        Raises:
            DataError: A column does not exist, or cells are empty and `missing_group` is `refuse`.
        """
        if missing_group == "refuse":
            refuse_missing(
                self.population,
                columns,
                "Fill in these cells. Otherwise, use --missing-group drop to leave the sentences out of the sample and of the "
                f"estimates, or --missing-group keep to treat them as the group {MISSING_GROUP}",
            )
            return self
        if missing_group == "keep":
            return replace(self, population=name_missing(self.population, columns), missing_group="keep")
        missing = [self.population.column(name).missing() for name in columns]
        empty = np.zeros(len(self.population), np.bool_)
        dropped = np.logical_or.reduce([empty, *missing])
        return replace(self.without("missing-group", dropped), missing_group="drop")


def refuse_missing(population: Population, columns: Iterable[str], remedy: str) -> None:
    """Check that no row has an empty cell in the columns that define groups.

    Args:
        population: The rows.
        columns: Names of the columns.
        remedy: What to do, as a sentence without a full stop.

    Raises:
        DataError: Some rows have an empty cell. The message has their number per column, and the first of them.
    """
    parts = []
    for name in columns:
        missing = population.column(name).missing()
        if n := int(missing.sum()):
            row = population.numbers[np.flatnonzero(missing)[0]]
            parts.append(f"column {name!r} is empty in {n} of {len(population)} rows (first: row {row})")
    if parts:
        raise DataError(f"{population.path}: {'; '.join(parts)}. {remedy}")


def write_left_out(path: str | Path, population: Population, left_out: Iterable[LeftOut]) -> None:
    """Write a CSV file that lists the rows that were left out: id, document, and the reason.

    Args:
        path: The file.
        population: The population before rows were left out.
        left_out: The rows.
    """
    place = {identity: row for row, identity in enumerate(population.ids.to_pylist())}
    rows = (
        {
            "id": identity,
            "document": population.document_names[population.documents[place[identity]]],
            "reason": REASONS[part.reason],
        }
        for part in left_out
        for identity in part.ids
    )
    write_csv(path, ("id", "document", "reason"), rows, escape_formulas=True)


def name_missing(population: Population, columns: Iterable[str]) -> Population:
    """Replace empty cells in columns that define groups by `MISSING_GROUP`."""
    named = {name: population.column(name).named(MISSING_GROUP) for name in columns}
    return replace(population, columns={**population.columns, **named})


def trained_rows(population: Population, trained_on: Fingerprint, *, documents: bool = True) -> NDArray[np.bool_]:
    """Return on which rows a model was trained or tuned, (N,).

    Args:
        population: The rows.
        trained_on: Hashes of the model's training data.
        documents: Whether all rows of the model's training documents count, as `communique estimate` counts them. Otherwise, only
            rows with the text of a training row count.
    """
    if not (trained_on.documents or trained_on.texts):
        return np.zeros(len(population), np.bool_)
    sentences = map(population.sentence, range(len(population)))
    seen = (trained_on.overlap(s) if documents else trained_on.has_text(s.sha256) for s in sentences)
    return np.fromiter(map(bool, seen), np.bool_, len(population))


def untrained_documents(population: Population, trained_on: Fingerprint) -> set[str]:
    """Return the names of the documents on which a model was neither trained nor tuned."""
    rows = trained_rows(population, trained_on)
    trained = np.zeros(len(population.document_names), np.bool_)
    trained[population.documents[rows]] = True
    present = np.unique(population.documents).tolist()
    return {population.document_names[number] for number in present if not trained[number]}


def in_frame(population: Population, left_out: Iterable[LeftOut]) -> Population:
    """Return the rows of a population that a design did not leave out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ids = {identity for part in left_out for identity in part.ids}
    if not ids:
        return population
    out = pc.is_in(population.ids, value_set=pa.array(sorted(ids), population.ids.type)).to_numpy(zero_copy_only=False)
    return population if not out.any() else population.take(np.flatnonzero(~out))
