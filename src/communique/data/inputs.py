"""Convert any supported container of texts to a list of strings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import DataError
from .sentence import Sentence

#: The supported containers of texts, for error messages.
ALLOWED = "a text, a list or iterator of texts or sentences, a column of pandas or polars, or an Arrow array"

#: Methods of Arrow's PyCapsule protocol, by which any library can export a column or its chunks:
#: https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html
_ARROW = ("__arrow_c_stream__", "__arrow_c_array__")


def as_texts(values: str | Iterable[str] | Iterable[Sentence] | Any) -> list[str]:
    """Return the input of a model as a list of texts, in the same order. See `as_items`."""
    return [one.text if isinstance(one, Sentence) else one for one in as_items(values)]


def as_items(values: str | Iterable[str] | Iterable[Sentence] | Any) -> list[str | Sentence]:
    """Return the input of a model as a list of texts and sentences, in the same order.

    Args:
        values: One text or sentence, or a container of texts or sentences: a list, an iterator, a one-dimensional NumPy
            array, a pandas or polars column, or an Arrow array (from any library that supports Arrow's PyCapsule protocol).

    Raises:
        DataError: The input is a table or another unsupported type, or a value is not text, such as a missing value, a
            number or bytes.
    """
    if isinstance(values, str):
        return [str(values)]
    if isinstance(values, Sentence):
        return [values]
    # pandas and polars frames have `columns`; Arrow tables and Hugging Face datasets have `column_names`. Which of their columns
    # contains the texts is unknown. The class is inspected because reading `columns` of a polars lazy frame starts its query.
    kind = type(values)
    if isinstance(values, (bytes, bytearray, Mapping)) or hasattr(kind, "columns") or hasattr(kind, "column_names"):
        raise DataError(f"texts: the type {type(values).__name__} is not supported. Pass {ALLOWED}")
    if (dimensions := getattr(values, "ndim", 1)) != 1:
        raise DataError(
            f"texts: the array has {dimensions} dimensions. Pass an array with one dimension, such as texts.ravel()"
        )
    try:
        listed = _listed(values)
        return [_item(i, value) for i, value in enumerate(listed)]
    except TypeError as error:
        raise DataError(f"texts: the type {type(values).__name__} is not supported. Pass {ALLOWED}") from error


def _listed(values: Any) -> Iterable[Any]:
    """Return the values as Python objects, because scalars of Arrow are not instances of str."""
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


def _item(i: int, value: object) -> str | Sentence:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Sentence):
        return value
    shown = repr(value)
    shown = shown if len(shown) <= 40 else shown[:40] + "…"
    raise DataError(
        f"texts[{i}]: {shown} has the type {type(value).__name__}, but every value must be text. Drop or fill missing values, "
        "and decode bytes"
    )
