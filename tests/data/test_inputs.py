"""Texts in every shape that users hold them in, and what is no text."""

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
    """A column of polars: it is iterated, has `to_list`, no `columns` and one dimension (`shape`)."""

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
def test_every_shape_gives_the_same_texts(values: Any) -> None:
    found = as_texts(values)
    assert found == TEXTS
    assert {type(text) for text in found} == {str}


class Stream:
    """A column of a library of which nothing is known but that it speaks Arrow's protocol."""

    def __init__(self, column: pa.ChunkedArray | pa.Table) -> None:
        self._column = column

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._column.__arrow_c_stream__(requested_schema)


class Array:
    def __init__(self, column: pa.Array) -> None:
        self._column = column

    def __arrow_c_array__(self, requested_schema: object = None) -> object:
        return self._column.__arrow_c_array__(requested_schema)


def test_columns_that_speak_arrows_protocol() -> None:
    assert as_texts(Stream(pa.chunked_array([TEXTS[:1], TEXTS[1:]]))) == TEXTS
    assert as_texts(Array(pa.array(TEXTS, pa.string_view()))) == TEXTS
    with pytest.raises(DataError, match=facts("texts[1]:", "None")):
        as_texts(Array(pa.array(["a", None])))
    with pytest.raises(DataError, match=facts("texts:", "Stream")):
        as_texts(Stream(pa.table({"text": TEXTS})))


def test_columns_of_polars() -> None:
    polars = pytest.importorskip("polars")
    assert as_texts(polars.Series(TEXTS)) == TEXTS
    assert as_texts(polars.Series(TEXTS, dtype=polars.Categorical)) == TEXTS
    frame = polars.DataFrame({"text": [*TEXTS, None]})
    with pytest.raises(DataError, match=facts("texts[3]:", "None")):
        as_texts(frame["text"])
    for table in (frame, frame.lazy()):
        with pytest.raises(DataError, match=facts("texts:", "Frame")):
            as_texts(table)


def test_one_text_and_one_statement() -> None:
    assert as_texts("We agree.") == ["We agree."]
    assert as_texts(Sentence("1", "We agree.", "d")) == ["We agree."]
    assert as_texts([]) == []


def test_columns_of_pandas_and_what_they_lack() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": TEXTS})
    assert as_texts(frame["text"]) == as_texts(frame["text"].astype("category")) == TEXTS
    for column in (pandas.Series(["a", None]), pandas.Series(["a", float("nan")], dtype=object)):
        with pytest.raises(DataError, match=facts("texts[1]:", "missing")):
            as_texts(column)
    with pytest.raises(DataError, match=facts("texts:", "DataFrame")):
        as_texts(frame)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["a", None], "texts[1]: None, a NoneType; each must be text"),
        ([b"a"], "texts[0]: b'a', a bytes; each must be text"),
        ([["a"]], "texts[0]: ['a'], a list; each must be text"),
        (pa.array(["a", None]), "texts[1]: None"),
        (b"a", "texts: a bytes; give a text, a list"),
        ({"text": "a"}, "texts: a dict; give"),
        (pa.table({"text": ["a"]}), "texts: a Table; give"),
        (7, "texts: a int; give"),
        (None, "texts: a NoneType; give"),
        (np.array([["a"]]), "texts: an array of 2 dimensions; give one of one dimension, such as texts.ravel()"),
    ],
)
def test_what_is_no_text_is_told(values: Any, told: str) -> None:
    with pytest.raises(DataError) as caught:
        as_texts(values)
    assert str(caught.value).startswith(told)
