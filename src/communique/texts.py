"""Texts in whatever a user holds them: one function that everything calls that is given texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .errors import DataError
from .statements import Statement

#: What a text column may be.
ALLOWED = "a text, a list or iterator of texts or statements, a column of pandas or polars, or an Arrow array"


def as_texts(values: str | Iterable[str] | Iterable[Statement] | Any) -> list[str]:
    """List the texts of what a model is given, in their order.

    Args:
        values: One text; or a list, an iterator, a one-dimensional NumPy array, a pandas or polars column, an Arrow array, of
            texts or statements.

    Raises:
        DataError: It is a table, or a value is no text: missing, a number, bytes.
    """
    if isinstance(values, str):
        return [str(values)]
    if isinstance(values, Statement):
        return [values.text]
    # Frames of pandas and polars have `columns`, tables of Arrow and datasets `column_names`: no one column is meant.
    if isinstance(values, (bytes, bytearray, Mapping)) or hasattr(values, "columns") or hasattr(values, "column_names"):
        raise DataError(f"texts: a {type(values).__name__}; give {ALLOWED}")
    if (dimensions := getattr(values, "ndim", 1)) != 1:
        raise DataError(f"texts: an array of {dimensions} dimensions; give one of one dimension, such as texts.ravel()")
    # Arrow's own scalars are no str; polars' and pandas' values come out as Python's when iterated.
    listed = values.to_pylist() if hasattr(values, "to_pylist") else values
    try:
        return [_text(i, value) for i, value in enumerate(listed)]
    except TypeError as error:
        raise DataError(f"texts: a {type(values).__name__}; give {ALLOWED}") from error


def _text(i: int, value: object) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Statement):
        return value.text
    shown = repr(value)
    shown = shown if len(shown) <= 40 else shown[:40] + "…"
    raise DataError(
        f"texts[{i}]: {shown}, a {type(value).__name__}; each must be text: drop or fill missing values, decode bytes"
    )
