"""Read label cells."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .codebook import Codebook

_YES = frozenset({"1", "1.0", "true", "yes", "y", "x", "✓", "✔", "☑"})
_NO = frozenset({"0", "0.0", "false", "no", "n", "-", "–"})

#: Selects the coloured picture of the tick before it; phones and spreadsheets add it.
_EMOJI = "\ufe0f"


def yes_no(value: Any) -> bool | None:
    """Return whether a cell says yes or no, or None if it is empty.

    Case and surrounding spaces are ignored. Booleans and the numbers 1 and 0 are accepted too. What an empty cell means
    depends on the table, so each caller decides.

    Raises:
        ValueError: The value is neither yes nor no.
    """
    text = "" if value is None else str(value).strip().lower().removesuffix(_EMOJI)
    if not text:
        return None
    if text not in _YES | _NO:
        raise ValueError(f"{value!r} is neither yes nor no. Use yes, y, 1, TRUE, x or ✓; or no, n, 0, FALSE or -")
    return text in _YES


def read_answers(row: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, bool | None]:
    """Return the answer per label from a row with one yes/no column per label.

    Args:
        row: Cells by column; a missing column counts as empty.
        columns: The column of each label.

    Raises:
        ValueError: A cell is neither yes nor no; the message names its column.
    """
    answers = {}
    for name, column in columns.items():
        try:
            answers[name] = yes_no(row.get(column))
        except ValueError as error:
            raise ValueError(f"column {column!r}: {error}") from None
    return answers


def split_labels(value: Any, codebook: Codebook) -> list[str]:
    """Read a cell of labels: a list, a JSON list, ``a|b``, ``a;b``, ``a,b``, one label, or `none`.

    Raises:
        ValueError: The value is none of these.
    """
    if isinstance(value, str):
        value = value.strip()
        if value.startswith("["):
            try:
                value = json.loads(value)
            except ValueError:
                raise ValueError(f"{value!r} is not a JSON list. Write a|b") from None
        else:
            for separator in ";,":
                value = value.replace(separator, "|")
            value = value.split("|")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        # UMSAB and many tables number their classes; a codebook may name its labels "0", "1", "2".
        value = [str(int(value)) if float(value).is_integer() else str(value)]
    if not isinstance(value, (list, tuple)) or not all(isinstance(part, (str, int)) for part in value):
        raise ValueError(f"{value!r} is not a list of labels. Write a|b or a JSON list")
    parts = [stripped for part in value if (stripped := str(part).strip())]
    if parts == ["none"] and codebook.multilabel:
        return []
    return parts
