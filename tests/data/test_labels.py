"""The rule for yes/no cells. The tests of corpora, coding sheets and gold show that all three follow it."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from helpers import NO_CELLS, YES_CELLS

from communique.data.codebook import Codebook, Label
from communique.data.labels import read_answers, split_labels, yes_no


@pytest.mark.parametrize("cell", [*YES_CELLS, np.True_, np.int64(1), np.float32(1)], ids=repr)
def test_cells_that_say_yes(cell: object) -> None:
    assert yes_no(cell) is True


@pytest.mark.parametrize("cell", [*NO_CELLS, np.False_, np.int64(0), np.float32(0)], ids=repr)
def test_cells_that_say_no(cell: object) -> None:
    assert yes_no(cell) is False


@pytest.mark.parametrize("cell", [None, "", " \t"], ids=repr)
def test_empty_cells_say_neither(cell: object) -> None:
    assert yes_no(cell) is None


@pytest.mark.parametrize("cell", [2, 0.5, "2", "maybe", "ja", "none", "--", float("nan"), [1]], ids=repr)
def test_other_cells_are_refused_with_what_is_allowed(cell: object) -> None:
    with pytest.raises(
        ValueError, match=r"is neither yes nor no\. Use yes, y, 1, TRUE, x or ✓; or no, n, 0, FALSE or -$"
    ):
        yes_no(cell)


def test_answers_of_a_row_name_the_column_that_is_wrong() -> None:
    assert read_answers({"A": "x", "B": "-"}, {"a": "A", "b": "B", "c": "C"}) == {"a": True, "b": False, "c": None}
    with pytest.raises(ValueError, match=r"^column 'B': 'maybe' is neither"):
        read_answers({"A": "x", "B": "maybe"}, {"a": "A", "b": "B"})


def book(*names: str) -> Codebook:
    return Codebook(
        name="x", version="1", task="multilabel", labels=tuple(Label(name=name, definition="a topic") for name in names)
    )


@pytest.mark.parametrize("cell", ["['1', '16']", '["1", "16"]', "1|16", "1.0|16.0", "1; 16", "1,16.00", [1, 16]])
def test_lists_of_python_and_whole_numbers_with_a_fraction_are_labels(cell: object) -> None:
    assert split_labels(cell, book("1", "16")) == ["1", "16"]


@pytest.mark.parametrize("cell", ["[" * 5000, "['a'", "[__import__('os')]", "[1" + ", 1" * 9000 + "]"])
def test_what_is_no_list_is_one_line(cell: str) -> None:
    with pytest.raises(ValueError, match="not a list of labels") as caught:
        split_labels(cell, book("a", "b"))
    assert len(str(caught.value)) < 300


def test_labels_are_compared_in_nfc_and_may_hold_spaces() -> None:
    decomposed = unicodedata.normalize("NFD", "Défense et sécurité")
    assert split_labels(f"{decomposed}|Santé", book("Défense et sécurité", "Santé")) == ["Défense et sécurité", "Santé"]
    assert book(decomposed, "b").names[0] == "Défense et sécurité"
    for name in (" a", "a ", "a, b", "a|b", "a\tb", "a  b"):
        with pytest.raises(ValueError, match="name"):
            book(name, "b")
