"""Names of the columns in labelled output, the reasons in its column `error`, and how the output of a model is recognised."""

from __future__ import annotations

from collections.abc import Iterable

#: Column of the labels in the output.
OUTPUT_LABELS = "labels"

#: Columns of the output, in this order. The columns of the input follow. `error` is only written if some row has an error.
OUTPUT = ("id", "document", "index", "language", "text", OUTPUT_LABELS, "probabilities", "truncated")

#: Value of `labels` in a row about which the model is not sure enough, and the column with the labels that such a row would
#: otherwise have. Both are only written by a run that may abstain (see `Predictions.abstain`).
UNSURE, TENTATIVE = "unsure", "tentative_labels"

#: Column that says how unusual a sentence is for the model, from 0 to 1 (see `Predictions.out_of_domain`).
OUT_OF_DOMAIN = "out_of_domain"

#: Columns that are only written if the user asks for them. They follow `OUTPUT`.
OPTIONAL = (TENTATIVE, OUT_OF_DOMAIN)
ERROR = "error"

#: Value of `error` in a row without letters, such as a number, a date or a line of asterisks. Such a row is not labelled.
NO_LETTERS = "no letters"

#: Value of `error` in a row with a page header, a footer or a page number such as "Page 3 of 10". Such a row is not labelled.
PAGE_LINE = "page header or footer"

#: Prefix of probability columns in CSV files.
PREFIX = "probability_"


def prediction_columns(columns: Iterable[str]) -> list[str]:
    """Return the columns that only the output of a model has, such as probabilities, and whether the text was truncated.

    The result is empty if a table is not the output of a model. The name of the file does not matter.
    """
    return [name for name in columns if name in ("probabilities", "truncated", *OPTIONAL) or name.startswith(PREFIX)]


def refuse_predictions(name: str, columns: Iterable[str], column: str | None) -> str | None:
    """Return why labels cannot be gold if they are the output of a model, or None if people may have written them.

    Every command that reads labels of people asks this function. A model measured on its own output would seem perfect.

    Args:
        name: The file, for the message.
        columns: All columns of the table.
        column: The column with the labels, or None if the table has one column per label.
    """
    columns = list(columns)
    if not (found := prediction_columns(columns)):
        return None
    where = "the labels" if column is None else f"the labels in column {column!r}"
    shown = ", ".join(map(repr, found[:3])) + (", …" if len(found) > 3 else "")
    other = next((c for c in ("label", "input_labels", "input_label") if c in columns and c != column), None)
    people = f"If people wrote the column {other!r}" if other else "If people wrote the labels"
    hint = (
        f"{people}, name their column with --label-column if the command has this option. Otherwise, delete the columns of "
        "the model"
    )
    return (
        f"{name}: {where} are the output of a model, because the table has the columns {shown}. The output of a model cannot be "
        f"used as gold. {hint}"
    )
