"""Read label cells."""

from __future__ import annotations

import ast
import json
import re
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from .codebook import Codebook

_YES = frozenset({"1", "1.0", "true", "yes", "y", "x", "✓", "✔", "☑"})
_NO = frozenset({"0", "0.0", "false", "no", "n", "-", "–"})

#: Characters of a cell that lists labels.
_MAX_LIST = 10_000

#: A whole number as programs write it that know decimal numbers only.
_WHOLE = re.compile(r"-?\d+\.0+")

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
    """Read a cell of labels: a list, a list as JSON or Python write it, ``a|b``, ``a;b``, ``a,b``, one label, or `none`.

    Labels are compared in NFC, and ``1.0`` is the label ``1`` if the codebook has that one: spreadsheets and pandas write it so.

    Raises:
        ValueError: The value is none of these.
    """
    if isinstance(value, str):
        value = value.strip()
        if value.startswith("["):
            value = _read_list(value)
        else:
            for separator in ";,":
                value = value.replace(separator, "|")
            value = value.split("|")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        # UMSAB and many tables number their classes; a codebook may name its labels "0", "1", "2".
        value = [str(int(value)) if float(value).is_integer() else str(value)]
    if not isinstance(value, (list, tuple)) or not all(isinstance(part, (str, int)) for part in value):
        raise ValueError(f"{value!r} is not a list of labels. Write a|b or a JSON list")
    parts = [_label(stripped, codebook) for part in value if (stripped := str(part).strip())]
    if parts == ["none"] and codebook.multilabel:
        return []
    return parts


def _read_list(text: str) -> Any:
    """Read a list as JSON writes it, or Python, as in a column that pandas wrote.

    Raises:
        ValueError: It is neither.
    """
    for read in (json.loads, ast.literal_eval):
        # A long cell is no list of labels, and parsers fail on deep ones.
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            if len(text) <= _MAX_LIST:
                return read(text)
    raise ValueError(f"{text[:80]!r} is not a list of labels. Write a|b or a JSON list")


def _label(text: str, codebook: Codebook) -> str:
    """Return the name of the codebook that a cell means, or the cell as it is."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if name not in codebook.names and _WHOLE.fullmatch(name) and (whole := name.partition(".")[0]) in codebook.names:
        return whole
    return name
