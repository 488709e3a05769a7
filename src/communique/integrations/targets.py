"""Read the labels and the groups that scikit-learn's users pass: lists, arrays, columns, tables and sparse matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError


def read_groups(groups: Any) -> list[str]:
    """Return the document of each text.

    Raises:
        DataError: The type is not supported, or a value is missing. All missing values together would otherwise count as one
            document.
    """
    listed = _listed("groups", np.asarray(groups).ravel() if hasattr(groups, "__array__") else groups)
    numbers: dict[Any, str] = {}
    for i, group in enumerate(listed):
        if _is_missing(group):
            raise DataError(
                f"groups[{i}]: the value is missing. Pass the document of every text, or another value for each text whose "
                "document is not known"
            )
        numbers.setdefault(group, str(len(numbers)))
    return [numbers[group] for group in listed]


def label_rows(y: Any) -> list[Any]:
    """Return the labels of each text as passed by the user: a class, or several labels.

    Args:
        y: A sequence or column of classes or of lists of labels, or an array, table or sparse matrix (n, k) of 0 and 1. A single
            column is a sequence of classes, as everywhere in scikit-learn.

    Raises:
        DataError: The type is not supported, or a label is missing.
    """
    if isinstance(y, (str, bytes, Mapping)):
        raise DataError(
            f"y: the type {type(y).__name__} is not supported. Pass one label, or a list of labels, per text"
        )
    if hasattr(y, "toarray"):
        y = y.toarray()
    if not hasattr(y, "__array__"):
        rows = _listed("y", y)
    else:
        values = np.asarray(y)
        if values.ndim > 2:
            raise DataError(
                f"y: the array has {values.ndim} dimensions. Pass an array (n,) of classes or (n, k) of 0 and 1"
            )
        if values.ndim == 2 and values.shape[1] == 1:
            values = values.ravel()
        elif values.ndim == 2 and values.dtype.kind in "iuf" and not np.isin(values, (0, 1)).all():
            raise DataError(
                "y: an array (n, k) of numbers may contain only 0 and 1. Pass lists of labels, or replace other values"
            )
        rows = _listed("y", values)
    for i, row in enumerate(rows):
        for label in row if _has_several(row) else (row,):
            if _is_missing(label):
                raise DataError(f"y[{i}]: the label is missing. Leave out this text, or pass its label")
    return rows


def _listed(name: str, values: Any) -> list[Any]:
    try:
        return list(values)
    except TypeError:  # A single value, or an array without dimensions.
        raise DataError(
            f"{name}: the type {type(values).__name__} is not supported. Pass a list, an array or a column with one value per text"
        ) from None


def _has_several(row: Any) -> bool:
    return isinstance(row, (list, tuple, set, frozenset, np.ndarray))


def _is_missing(value: Any) -> bool:
    """Return whether a value is None, NaN, or a missing value of pandas, which cannot be compared."""
    if isinstance(value, (float, np.floating)):
        return bool(np.isnan(value))
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def _check_types(labels: Sequence[Any]) -> None:
    """Check that labels are classes: no fractions, and no mixture of text and numbers, which numpy would convert to text.

    Raises:
        DataError: The labels cannot be classes.
    """
    for label in labels:
        if isinstance(label, (float, np.floating)) and not float(label).is_integer():
            raise DataError(f"y: {label!r} is not a class. Pass classes such as words or whole numbers")
        if isinstance(label, str) != isinstance(labels[0], str):
            raise DataError(
                f"y: labels have different types, such as {labels[0]!r} and {label!r}. Use one type for all labels"
            )


def read_labels(y: Any) -> tuple[NDArray[Any], NDArray[np.bool_], bool]:
    """Return the classes (k,), the labels (n, k), and whether a text can have several labels.

    As everywhere in scikit-learn, rows of 0 and 1 that all have the same length are labels (n, k), even if the rows are lists.

    Raises:
        DataError: The labels have an unsupported type, or one is missing.
    """
    given = label_rows(y)
    several = [_has_several(one) for one in given]
    if any(several) and not all(several):
        i = several.index(not several[0])
        raise DataError(
            f"y[{i}]: {given[i]!r} {'is' if several[i] else 'is not'} a list of labels, unlike y[0]. Pass a label for every text, "
            "or a list for every text"
        )
    if any(several):
        rows = [list(one) for one in given]
        if (
            len({len(row) for row in rows}) == 1
            and len(rows[0]) > 1
            and {value for row in rows for value in row} <= {0, 1}
        ):
            return np.arange(len(rows[0])), np.array(rows).astype(np.bool_), True
        _check_types([name for row in rows for name in row])
        names = sorted({name for row in rows for name in row})
        return np.array(names), np.array([[name in row for name in names] for row in rows], np.bool_), True
    _check_types(given)
    classes, codes = np.unique(np.asarray(given), return_inverse=True)
    return classes, np.eye(len(classes), dtype=np.bool_)[codes], False
