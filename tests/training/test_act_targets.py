"""Test what is checked and reported before auxiliary outputs are trained."""

from __future__ import annotations

import pytest
from helpers import CODEBOOK, facts, has_facts

from communique import Codebook, RecipeError, Sentence
from communique.data.acts import Act
from communique.models.act_heads import MASKED
from communique.models.acts import NO_SPAN
from communique.models.info import ActsInfo
from communique.training.act_targets import act_targets, check_acts

LABEL = {"name": "tone", "definition": "The tone.", "kinds": [{"name": "calm", "definition": "It is calm."}]}
BOOK = Codebook.model_validate(CODEBOOK | {"labels": [LABEL, {"name": "other", "definition": "Others."}]})


class Tokenizer:
    """A tokenizer that knows the positions of tokens, or not."""

    def __init__(self, *, is_fast: bool = True) -> None:
        self.is_fast = is_fast


def row(labels: tuple[str, ...], acts: dict[str, Act] | None) -> Sentence:
    return Sentence("a", "text", "d", labels=labels, acts=acts)


def test_rows_with_labels_and_acts_are_counted() -> None:
    rows = [row(("tone",), {"tone": Act("calm")}), row(("other",), None), row(("tone",), {}), row((), {})]
    (line,) = check_acts(rows, Tokenizer(), BOOK)
    assert has_facts(line, "1 of 3 training rows with labels")


def test_a_label_whose_kinds_nobody_recorded_is_reported() -> None:
    _, warning = check_acts([row(("tone",), {"tone": Act(None, (0, 4))})], Tokenizer(), BOOK)
    assert has_facts(warning, "warning", "no training row has a kind of tone")


def test_rows_without_acts_and_slow_tokenizers_are_refused() -> None:
    # Parquet has the same labels in each row, so a row that nobody annotated has an empty mapping.
    with pytest.raises(RecipeError, match=facts("acts: no training row", "'acts: false'")):
        check_acts([row(("tone",), {}), row((), {})], Tokenizer(), BOOK)
    with pytest.raises(RecipeError, match=facts("acts: the tokenizer", "e5-small")):
        check_acts([row(("tone",), {"tone": Act()})], Tokenizer(is_fast=False), BOOK)


def test_an_act_with_only_a_kind_trains_the_kind_and_no_span() -> None:
    info = ActsInfo(
        kinds={label.name: tuple(k.name for k in label.kinds) for label in BOOK.labels if label.kinds}, width=8
    )
    [(name, kinds)] = info.kinds.items()
    rows = [row((name,), {name: Act(kinds[0], (0, 4), with_spans=with_spans)}) for with_spans in (False, True)]
    found = act_targets(rows, [[(0, 4)]] * 2, info, BOOK)
    unknown, known = (spans[BOOK.names.index(name)] for spans in found["spans"])
    assert unknown == [[MASKED, MASKED]] * 2
    assert known == [[0, 1], [NO_SPAN, NO_SPAN]]
    assert found["kinds"] == [[0], [0]]
