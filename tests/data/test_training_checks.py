"""Tests of what `communique train` refuses and warns about, which `communique check` reports too."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import TINY, has_facts

from communique.data.corpus import Corpus
from communique.data.sentence import Sentence
from communique.data.training_checks import (
    describe_conflicts,
    refusal,
    refuse_untrainable,
    training_warnings,
)
from communique.errors import DataError


def corpus(n: int = 60, **fields: Any) -> Corpus:
    """Return rows in documents of three. Each label is in every document."""
    rows = (
        {"id": f"r{i}", "text": f"Text {chr(97 + i % 26)}.", "document": f"d{i // 3}", "labels": (TINY.names[i % 3],)}
        for i in range(n)
    )
    return Corpus(tuple(Sentence(**row | fields) for row in rows), {"a.csv": ""})


def test_rows_of_several_documents_with_several_labels_are_accepted() -> None:
    assert refusal(corpus()) is None
    assert training_warnings(corpus(), TINY) == []
    refuse_untrainable(corpus())


@pytest.mark.parametrize(
    ("rows", "facts"),
    [
        (corpus(0), ["no labelled rows"]),
        (corpus(1), ["a.csv", "only labelled row", "document"]),
        (corpus(document="d"), ["a.csv", "60 labelled rows", "one document"]),
        (corpus(parallel="p"), ["versions of one text"]),
        (corpus(labels=("criticism",)), ["60 labelled rows", "the same labels (criticism)"]),
        (corpus(labels=()), ["the same labels (none)"]),
    ],
)
def test_rows_from_which_nothing_can_be_learned_are_refused(rows: Corpus, facts: list[str]) -> None:
    reason = refusal(rows)
    assert reason is not None
    assert has_facts(reason, *facts)
    with pytest.raises(DataError):
        refuse_untrainable(rows)


def test_a_single_document_can_train_a_model_that_is_tuned_on_another_corpus() -> None:
    assert refusal(corpus(document="d"), divided=False) is None


def test_labels_that_cannot_be_learned_or_measured_are_named() -> None:
    rows = list(corpus())
    rows[0] = Sentence("x", "Text x.", "d0", labels=("policy_claim",))
    missing = Corpus(tuple(Sentence(s.id, s.text, s.document, labels=("criticism",)) for s in rows))
    (line,) = training_warnings(missing, TINY)
    assert has_facts(line, "no row", "policy_claim or cooperation_pledge")
    single = Corpus(
        tuple(
            Sentence(s.id, s.text, s.document, labels=("criticism",) if s.document == "d1" else ("policy_claim",))
            for s in rows
        )
    )
    lines = training_warnings(single, TINY)
    assert has_facts(lines[1], "only one document", "criticism (3 rows)")
    assert "policy_claim" not in lines[1]


def test_few_rows_and_texts_without_letters_are_counted() -> None:
    (line,) = training_warnings(corpus(49), TINY)
    assert has_facts(line, "only 49 rows", "few hundred")
    assert training_warnings(corpus(50), TINY) == []
    (line,) = training_warnings(Corpus((*corpus(), Sentence("y", "123 !?", "d9", labels=()))), TINY)
    assert has_facts(line, "1 of 61 rows", "without letters")


def test_texts_with_different_labels_are_counted() -> None:
    rows = Corpus(tuple(Sentence(f"r{i}", "Same.", f"d{i}", labels=(TINY.names[i],)) for i in range(2)))
    (line,) = describe_conflicts(rows)
    assert has_facts(line, "1 text occurs", "different labels", "communique check")
    assert describe_conflicts(corpus(26)) == []
