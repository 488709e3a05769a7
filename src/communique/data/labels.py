"""Parse table cells that contain labels or yes/no answers."""

from __future__ import annotations

import ast
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from .codebook import Codebook

_YES = frozenset({"1", "1.0", "true", "yes", "y", "x", "✓", "✔", "☑"})
_NO = frozenset({"0", "0.0", "false", "no", "n", "-", "–"})

#: Maximum number of characters in a cell that lists labels.
_MAX_LIST = 10_000

#: A whole number as written by programs that only have decimal numbers.
_WHOLE = re.compile(r"-?\d+\.0+")

#: Variation selector that shows the tick before it as an emoji. Phones and spreadsheets add it.
_EMOJI = "\ufe0f"


def yes_no(value: Any) -> bool | None:
    """Return True if a cell means yes, False if it means no, or None if it is empty.

    Case and surrounding spaces are ignored. Booleans and the numbers 1 and 0 are accepted too. The caller decides what an
    empty cell means, because this depends on the table.

    Raises:
        ValueError: The value is not a recognised answer.
    """
    text = "" if value is None else str(value).strip().lower().removesuffix(_EMOJI)
    if not text:
        return None
    if text not in _YES | _NO:
        raise ValueError(
            f"{value!r} is neither yes nor no. Write yes, y, 1, TRUE, x or ✓ for yes; or no, n, 0, FALSE or - for no"
        )
    return text in _YES


def read_answers(row: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, bool | None]:
    """Return the answer per label from a row with one yes/no column per label.

    Args:
        row: Cells by column; a missing column counts as empty.
        columns: The column of each label.

    Raises:
        ValueError: A cell is not a recognised answer. The message names its column.
    """
    answers = {}
    for name, column in columns.items():
        try:
            answers[name] = yes_no(row.get(column))
        except ValueError as error:
            raise ValueError(f"column {column!r}: {error}") from None
    return answers


def is_blank(value: Any) -> bool:
    """Return whether a cell is empty. An empty list is not: it says that no label applies."""
    return value is None or (isinstance(value, str) and not value.strip())


def is_uncoded(row: Mapping[str, Any], columns: Iterable[str]) -> bool:
    """Return whether all cells with labels or answers are empty, so that nobody coded the row.

    If at least one cell is filled in, the empty ones mean no, because many tables mark only the labels that apply.
    """
    return all(is_blank(row.get(column)) for column in columns)


def split_labels(value: Any, codebook: Codebook) -> list[str]:
    """Parse a cell that contains labels.

    The cell may be a list, a list in JSON or Python notation, ``a|b``, ``a;b``, ``a,b``, one label, or ``none``. Labels are
    compared in NFC. ``1.0`` is read as the label ``1`` if the codebook has one, because spreadsheets and pandas write whole
    numbers in this form.

    Raises:
        ValueError: The value has none of these forms.
    """
    return split_names(value, codebook.names, multilabel=codebook.multilabel)


def split_names(value: Any, names: Sequence[str], *, multilabel: bool = True) -> list[str]:
    """Parse a cell that contains labels if only their names are known. See `split_labels`.

    Args:
        value: The cell.
        names: Names of the labels.
        multilabel: Whether `none` means that no label applies.

    Raises:
        ValueError: The value has none of the forms.
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
        # Many tables, such as UMSAB, number their classes, and a codebook may name its labels "0", "1" and "2".
        value = [str(int(value)) if float(value).is_integer() else str(value)]
    if not isinstance(value, (list, tuple)) or not all(isinstance(part, (str, int)) for part in value):
        raise ValueError(f"{value!r} is not a list of labels. Write a|b or a JSON list")
    parts = [_label(stripped, names) for part in value if (stripped := str(part).strip())]
    if parts == ["none"] and multilabel and "none" not in names:
        return []
    return parts


def _read_list(text: str) -> Any:
    """Parse a list in JSON notation or in Python notation, which pandas writes.

    Raises:
        ValueError: The text is not a list in either notation.
    """
    for read in (json.loads, ast.literal_eval):
        # A very long cell is not a list of labels. Deeply nested text makes the parsers raise the last two errors.
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            if len(text) <= _MAX_LIST:
                return read(text)
    raise ValueError(f"{text[:80]!r} is not a list of labels. Write a|b or a JSON list")


def _label(text: str, names: Sequence[str]) -> str:
    """Return the label that a text stands for, or the normalized text if there is none."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if name not in names and _WHOLE.fullmatch(name) and (whole := name.partition(".")[0]) in names:
        return whole
    return name
