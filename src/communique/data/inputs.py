"""Texts in whatever a user holds them: one function that everything calls that is given texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import DataError
from .sentence import Sentence

#: What a text column may be.
ALLOWED = "a text, a list or iterator of texts or sentences, a column of pandas or polars, or an Arrow array"

#: By these methods any library hands over a column or its parts: https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html
_ARROW = ("__arrow_c_stream__", "__arrow_c_array__")


def as_texts(values: str | Iterable[str] | Iterable[Sentence] | Any) -> list[str]:
    """List the texts of what a model is given, in their order.

    Args:
        values: One text; or a list, an iterator, a one-dimensional NumPy array, a pandas or polars column, an Arrow array
            (of any library that speaks Arrow's PyCapsule protocol), of texts or sentences.

    Raises:
        DataError: It is a table, or a value is no text: missing, a number, bytes.
    """
    if isinstance(values, str):
        return [str(values)]
    if isinstance(values, Sentence):
        return [values.text]
    # Frames of pandas and polars have `columns`, tables of Arrow and datasets `column_names`: no one column is meant. The
    # class is asked: a lazy frame of polars would begin to work if its own columns were.
    kind = type(values)
    if isinstance(values, (bytes, bytearray, Mapping)) or hasattr(kind, "columns") or hasattr(kind, "column_names"):
        raise DataError(f"texts: a {type(values).__name__}; give {ALLOWED}")
    if (dimensions := getattr(values, "ndim", 1)) != 1:
        raise DataError(f"texts: an array of {dimensions} dimensions; give one of one dimension, such as texts.ravel()")
    try:
        listed = _listed(values)
        return [_text(i, value) for i, value in enumerate(listed)]
    except TypeError as error:
        raise DataError(f"texts: a {type(values).__name__}; give {ALLOWED}") from error


def _listed(values: Any) -> Iterable[Any]:
    """Give values as Python's own: scalars of Arrow are no str."""
    for method in ("to_pylist", "to_list"):
        if hasattr(values, method):
            listed: Iterable[Any] = getattr(values, method)()
            return listed
    if any(hasattr(values, method) for method in _ARROW):
        import pyarrow as pa

        column = (pa.chunked_array if hasattr(values, _ARROW[0]) else pa.array)(values)
        if pa.types.is_struct(column.type):
            raise TypeError("a table")
        return _listed(column)
    iterated: Iterable[Any] = values
    return iterated


def _text(i: int, value: object) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Sentence):
        return value.text
    shown = repr(value)
    shown = shown if len(shown) <= 40 else shown[:40] + "…"
    raise DataError(
        f"texts[{i}]: {shown}, a {type(value).__name__}; each must be text: drop or fill missing values, decode bytes"
    )
