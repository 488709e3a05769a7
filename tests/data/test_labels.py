"""The rules for cells with yes/no answers and with labels.

The tests of corpora, coding sheets and gold data verify that all three use the rule for yes/no answers.
"""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from helpers import NO_CELLS, YES_CELLS

from communique.data.codebook import Codebook, Label
from communique.data.labels import read_answers, split_labels, yes_no


@pytest.mark.parametrize("cell", [*YES_CELLS, np.True_, np.int64(1), np.float32(1)], ids=repr)
def test_cells_that_mean_yes(cell: object) -> None:
    assert yes_no(cell) is True


@pytest.mark.parametrize("cell", [*NO_CELLS, np.False_, np.int64(0), np.float32(0)], ids=repr)
def test_cells_that_mean_no(cell: object) -> None:
    assert yes_no(cell) is False


@pytest.mark.parametrize("cell", [None, "", " \t"], ids=repr)
def test_empty_cells_mean_neither(cell: object) -> None:
    assert yes_no(cell) is None


@pytest.mark.parametrize("cell", [2, 0.5, "2", "maybe", "ja", "none", "--", float("nan"), [1]], ids=repr)
def test_other_cells_are_refused_and_the_allowed_answers_listed(cell: object) -> None:
    with pytest.raises(
        ValueError, match=r"neither yes nor no\. Write yes, y, 1, TRUE, x or ✓ for yes; or no, n, 0, FALSE or - for no$"
    ):
        yes_no(cell)


def test_an_invalid_answer_is_reported_with_its_column() -> None:
    assert read_answers({"A": "x", "B": "-"}, {"a": "A", "b": "B", "c": "C"}) == {"a": True, "b": False, "c": None}
    with pytest.raises(ValueError, match=r"^column 'B': 'maybe' is neither"):
        read_answers({"A": "x", "B": "maybe"}, {"a": "A", "b": "B"})


def book(*names: str) -> Codebook:
    return Codebook(
        name="x", version="1", task="multilabel", labels=tuple(Label(name=name, definition="a topic") for name in names)
    )


@pytest.mark.parametrize("cell", ["['1', '16']", '["1", "16"]', "1|16", "1.0|16.0", "1; 16", "1,16.00", [1, 16]])
def test_python_lists_and_whole_numbers_with_decimals_are_labels(cell: object) -> None:
    assert split_labels(cell, book("1", "16")) == ["1", "16"]


@pytest.mark.parametrize("cell", ["[" * 5000, "['a'", "[__import__('os')]", "[1" + ", 1" * 9000 + "]"])
def test_invalid_lists_are_reported_in_one_line(cell: str) -> None:
    with pytest.raises(ValueError, match="not a list of labels") as caught:
        split_labels(cell, book("a", "b"))
    assert len(str(caught.value)) < 300


def test_labels_are_compared_in_nfc_and_may_contain_spaces() -> None:
    decomposed = unicodedata.normalize("NFD", "Défense et sécurité")
    assert split_labels(f"{decomposed}|Santé", book("Défense et sécurité", "Santé")) == ["Défense et sécurité", "Santé"]
    assert book(decomposed, "b").names[0] == "Défense et sécurité"
    for name in (" a", "a ", "a, b", "a|b", "a\tb", "a  b"):
        with pytest.raises(ValueError, match="name"):
            book(name, "b")
