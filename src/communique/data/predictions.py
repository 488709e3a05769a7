"""Read the labels and probabilities of a row of predictions, whoever made them: this program, R, another model, or a chat model.

docs/guides/predictions.md describes the table. `sampling.population` reads whole files with these functions, and
`communique check --predictions` lists what they refuse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..io.read import as_number, has_decimal_comma
from ..io.tables import Row, is_missing
from .codebook import Codebook
from .labels import is_blank, split_labels, split_names
from .predictions_schema import ERROR, OUTPUT_LABELS, PREFIX, TENTATIVE, UNSURE


@dataclass
class DecimalCommas:
    """Counts numbers with a decimal comma, such as 0,73, and keeps the first one for a message."""

    n: int = 0
    first: str = ""

    def see(self, value: object, where: str) -> None:
        """Count a cell if it has a decimal comma.

        Args:
            value: The cell.
            where: Its row and column, for the message.
        """
        if has_decimal_comma(value):
            self.n += 1
            self.first = self.first or f"{where}: {value}"

    def notes(self, name: object) -> list[str]:
        """Return a note about the numbers of a file, or an empty list if none of them has a decimal comma."""
        if not self.n:
            return []
        return [
            f"{name}: {self.n:,} {'number' if self.n == 1 else 'numbers'} with a decimal comma, read as decimal numbers "
            f"(first: {self.first})"
        ]


def probability_names(row: Row) -> tuple[str, ...]:
    """Return the labels that have a probability in a row: the keys of `probabilities`, or the columns `probability_<label>`."""
    nested = row.get("probabilities")
    if isinstance(nested, dict):
        return tuple(nested)
    return tuple(name.removeprefix(PREFIX) for name in row if name.startswith(PREFIX))


def has_probabilities(row: Row) -> bool:
    """Return whether a row has probabilities. Rows without a text, or whose text could not be read, have none."""
    nested = row.get("probabilities")
    values = nested.values() if isinstance(nested, dict) else (v for k, v in row.items() if k.startswith(PREFIX))
    return not all(_is_empty(value) for value in values)


def is_predicted(row: Row) -> bool:
    """Return whether a row was labelled: it has probabilities or labels.

    In a table without columns of probabilities, an empty cell may mean that a model did not answer, so it does not mean that no
    label applies. If the columns exist but are empty, `communique label` wrote the table with a chat model, and `error` says which
    rows have no answer.
    """
    if has_probabilities(row):
        return True
    labels = row.get(OUTPUT_LABELS)
    if not labels and not _is_empty(row.get(ERROR)):
        return False
    return not _is_empty(labels) or bool(probability_names(row))


def _is_empty(value: Any) -> bool:
    return is_blank(value) or (isinstance(value, str) and is_missing(value))


@dataclass
class PredictionReader:
    """Read the labels and probabilities of rows.

    Attributes:
        codebook: The labels. None: the labels are those that have probabilities.
        names: Names of the labels. Without a codebook, they are known after the first row.
        commas: Counts the numbers with a decimal comma.
        unsure: Number of rows in which the model abstained. The labels that they would otherwise have are read instead.
    """

    codebook: Codebook | None = None
    names: tuple[str, ...] = ()
    commas: DecimalCommas = field(default_factory=DecimalCommas)
    unsure: int = 0

    def __post_init__(self) -> None:
        if self.codebook is not None:
            self.names = self.codebook.names

    def read(self, row: Row, number: int) -> tuple[list[bool], list[float] | None]:
        """Return whether each label is predicted, and the probabilities, or None if the row has none.

        Args:
            row: The row.
            number: Its number, for the note on decimal commas.

        Raises:
            ValueError: A label is unknown, no label is known, the model abstained and there is no column with tentative labels, or
                a probability is missing, not a number, or not between 0 and 1.
        """
        if not self.names:
            self.names = probability_names(row)
        probabilities = self._probabilities(row, number)
        labels = self._labels(row)
        return [name in labels for name in self.names], probabilities

    def notes(self, name: object) -> list[str]:
        """Return notes about the rows of a file: numbers with a decimal comma, and rows in which the model abstained."""
        lines = self.commas.notes(name)
        if self.unsure:
            lines.append(
                f"{name}: {self.unsure:,} {'row is' if self.unsure == 1 else 'rows are'} {UNSURE!r}. The labels in column "
                f"{TENTATIVE!r}, which the model would have assigned without --abstain, are used for "
                f"{'it' if self.unsure == 1 else 'them'}"
            )
        return lines

    def _labels(self, row: Row) -> Sequence[str]:
        labels = self._split(row.get(OUTPUT_LABELS))
        if labels == [UNSURE] and UNSURE not in self.names:
            if TENTATIVE not in row:
                raise ValueError(
                    f"the labels are {UNSURE!r}, which is not a label and does not mean that no label applies. Keep the column "
                    f"{TENTATIVE!r} of the output, or label the texts again without --abstain"
                )
            self.unsure += 1
            labels = self._split(row[TENTATIVE])
        if self.codebook is not None:
            return self.codebook.validate_labels(labels)
        if labels and not self.names:
            raise ValueError(
                "the labels are not known, because none has a probability. Name the codebook with --codebook"
            )
        if unknown := [name for name in labels if name not in self.names]:
            raise ValueError(
                f"the label {unknown[0]!r} has no probability. Labels with a probability: {', '.join(self.names)}"
            )
        return labels

    def _split(self, value: Any) -> list[str]:
        value = [] if _is_empty(value) else value
        return split_names(value, self.names) if self.codebook is None else split_labels(value, self.codebook)

    def _probabilities(self, row: Row, number: int) -> list[float] | None:
        if not has_probabilities(row):
            return None
        nested = row.get("probabilities")
        values: Row = nested if isinstance(nested, dict) else {name: row.get(PREFIX + name) for name in self.names}
        try:
            p = [as_number(values[name], largest=1) for name in self.names]
        except (KeyError, TypeError, ValueError, OverflowError):
            raise ValueError(
                f"the probabilities {str(values)[:300]} are not numbers for all labels. Write one for each of "
                f"{', '.join(self.names)}"
            ) from None
        if not all(0 <= value <= 1 for value in p):
            raise ValueError(
                f"the probabilities {str(values)[:300]} are not all from 0 to 1. Correct them for {', '.join(self.names)}"
            )
        for name in self.names:
            self.commas.see(values[name], f"row {number}, {PREFIX}{name}")
        return p
