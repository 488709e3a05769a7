"""Texts in every supported container, and the errors for unsupported input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from helpers import facts

from communique.data.inputs import as_texts
from communique.data.sentence import Sentence
from communique.errors import DataError

TEXTS = ["We agree.", "", "Мы согласны."]


class PolarsLike:
    """An imitation of a polars column: it can be iterated and has `to_list` and one dimension (`shape`), but no `columns`."""

    shape = (3,)

    def __iter__(self) -> Any:
        return iter(TEXTS)

    def to_list(self) -> list[str]:
        return TEXTS


@pytest.mark.parametrize(
    "values",
    [
        TEXTS,
        tuple(TEXTS),
        iter(TEXTS),
        (text for text in TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, object),
        pa.array(TEXTS),
        pa.array(TEXTS, pa.large_string()),
        pa.array(TEXTS).dictionary_encode(),
        pa.chunked_array([TEXTS[:1], TEXTS[1:]]),
        [Sentence("1", text, "d") for text in TEXTS],
        PolarsLike(),
        dict.fromkeys(TEXTS).keys(),
    ],
)
def test_every_container_returns_the_same_texts(values: Any) -> None:
    found = as_texts(values)
    assert found == TEXTS
    assert {type(text) for text in found} == {str}


class Stream:
    """A column of an unknown library that supports Arrow's protocol."""

    def __init__(self, column: pa.ChunkedArray | pa.Table) -> None:
        self._column = column

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._column.__arrow_c_stream__(requested_schema)


class Array:
    def __init__(self, column: pa.Array) -> None:
        self._column = column

    def __arrow_c_array__(self, requested_schema: object = None) -> object:
        return self._column.__arrow_c_array__(requested_schema)


def test_columns_that_support_arrows_protocol_are_read_and_missing_values_reported() -> None:
    assert as_texts(Stream(pa.chunked_array([TEXTS[:1], TEXTS[1:]]))) == TEXTS
    assert as_texts(Array(pa.array(TEXTS, pa.string_view()))) == TEXTS
    with pytest.raises(DataError, match=facts("texts[1]:", "None")):
        as_texts(Array(pa.array(["a", None])))
    with pytest.raises(DataError, match=facts("texts:", "Stream")):
        as_texts(Stream(pa.table({"text": TEXTS})))


def test_polars_columns_are_read_and_frames_refused() -> None:
    polars = pytest.importorskip("polars")
    assert as_texts(polars.Series(TEXTS)) == TEXTS
    assert as_texts(polars.Series(TEXTS, dtype=polars.Categorical)) == TEXTS
    frame = polars.DataFrame({"text": [*TEXTS, None]})
    with pytest.raises(DataError, match=facts("texts[3]:", "None")):
        as_texts(frame["text"])
    for table in (frame, frame.lazy()):
        with pytest.raises(DataError, match=facts("texts:", "Frame")):
            as_texts(table)


def test_a_single_text_or_sentence_becomes_a_list() -> None:
    assert as_texts("We agree.") == ["We agree."]
    assert as_texts(Sentence("1", "We agree.", "d")) == ["We agree."]
    assert as_texts([]) == []


def test_pandas_columns_are_read_and_frames_refused() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": TEXTS})
    assert as_texts(frame["text"]) == as_texts(frame["text"].astype("category")) == TEXTS
    for column in (pandas.Series(["a", None]), pandas.Series(["a", float("nan")], dtype=object)):
        with pytest.raises(DataError, match=facts("texts[1]:", "missing")):
            as_texts(column)
    with pytest.raises(DataError, match=facts("texts:", "DataFrame")):
        as_texts(frame)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", None], "texts[1]: None has the type NoneType, but every value must be text"),
        ([b"a"], "texts[0]: b'a' has the type bytes, but every value must be text"),
        ([["a"]], "texts[0]: ['a'] has the type list, but every value must be text"),
        (pa.array(["a", None]), "texts[1]: None"),
        (b"a", "texts: the type bytes is not supported. Pass a text, a list"),
        ({"text": "a"}, "texts: the type dict is not supported. Pass"),
        (pa.table({"text": ["a"]}), "texts: the type Table is not supported. Pass"),
        (7, "texts: the type int is not supported. Pass"),
        (None, "texts: the type NoneType is not supported. Pass"),
        (
            np.array([["a"]]),
            "texts: the array has 2 dimensions. Pass an array with one dimension, such as texts.ravel()",
        ),
    ],
)
def test_an_error_describes_values_that_are_not_text(values: Any, message: str) -> None:
    with pytest.raises(DataError) as caught:
        as_texts(values)
    assert str(caught.value).startswith(message)
