"""Test the scores of kinds, holders and targets."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from communique.data.acts import Act
from communique.data.codebook import Codebook
from communique.data.sentence import Sentence
from communique.metrics.spans import OUTPUTS, Sums, compare_acts, overlap, score_acts

BOOK = Codebook.model_validate(
    {
        "name": "acts",
        "version": "1",
        "task": "multilabel",
        "labels": [
            {"name": "criticism", "definition": "Somebody condemns."},
            {
                "name": "policy_claim",
                "definition": "Something should be.",
                "kinds": [{"name": kind, "definition": kind} for kind in ("demand", "norm")],
            },
        ],
    }
)

spans = st.one_of(st.none(), st.tuples(st.integers(0, 20), st.integers(1, 20)).map(lambda s: (s[0], s[0] + s[1])))


@given(spans, spans)
def test_overlap_is_the_f1_of_characters_and_of_null(
    gold: tuple[int, int] | None, found: tuple[int, int] | None
) -> None:
    g, p = ({"null"} if span is None else set(map(str, range(*span))) for span in (gold, found))
    assert overlap(gold, found) == pytest.approx(2 * len(g & p) / (len(g) + len(p)))
    assert overlap(gold, found) == overlap(found, gold)


def test_items_are_gold_labels_whose_act_was_annotated() -> None:
    gold = [{"policy_claim": Act("demand", (0, 4), None)}, {"criticism": Act()}, None, {}]
    found = [{"policy_claim": Act("norm", (2, 6), (8, 9)), "criticism": Act()}, {}, {"criticism": Act()}, {}]
    values = compare_acts(gold, found, BOOK.names)
    assert values.shape == (4, 2, 3, 8)
    sums = Sums.of(values.sum(axis=0))
    np.testing.assert_array_equal(sums.items, [[0, 1, 1], [1, 1, 1]])
    np.testing.assert_array_equal(sums.exact, [[0, 1, 1], [0, 0, 0]])
    assert sums.overlap.tolist() == [[0, 1, 1], [0, 0.5, 0]]
    holder = OUTPUTS.index("holder")
    assert sums.named_overlap[1, holder] == 2 * 2 / (4 + 4)
    # There are no named words.
    assert np.isnan(sums.named_overlap[0, holder])
    # If only the kind was recorded, there is no gold for holder and target.
    only_kind = compare_acts([{"policy_claim": Act("demand", with_spans=False)}], [found[0]], BOOK.names)
    np.testing.assert_array_equal(Sums.of(only_kind.sum(axis=0)).items, [[0, 0, 0], [1, 0, 0]])
    assert np.isnan(sums.mean_overlap[0, 0])


def sentences(documents: int, seed: int = 0) -> list[Sentence]:
    draw = random.Random(seed)
    rows = []
    for document in range(documents):
        for i in range(6):
            acts = {}
            if draw.random() < 0.6:
                acts["criticism"] = Act(None, draw.choice([None, (0, 5)]), draw.choice([None, (8, 12)]))
            if draw.random() < 0.6:
                acts["policy_claim"] = Act(draw.choice(["demand", "norm"]), None, draw.choice([None, (8, 20)]))
            labels = tuple(name for name in BOOK.names if name in acts)
            rows.append(Sentence(f"{document}.{i}", "x" * 30, f"d{document}", labels=labels, acts=acts))
    return rows


def test_perfect_and_null_predictions() -> None:
    rows = sentences(12)
    perfect = score_acts(rows, [s.acts or {} for s in rows], BOOK, resamples=100)
    assert perfect is not None
    assert {s.overlap.value for s in perfect.spans} == {1.0}
    assert {s.exact_match.value for s in perfect.spans} == {1.0}
    assert [k.label for k in perfect.kinds] == ["policy_claim"]
    assert perfect.kinds[0].accuracy.value == 1.0
    # Nothing varies among resamples, so there are no intervals.
    assert np.isnan(perfect.spans[0].overlap.low)
    null = score_acts(rows, [{} for _ in rows], BOOK, resamples=100)
    assert null is not None
    for scores in null.spans:
        assert scores.overlap.value == pytest.approx(1 - scores.gold / scores.n)
        assert scores.exact_match == scores.overlap
        assert scores.predicted == 0
        assert not scores.named_overlap.value > 0
    assert null.kinds[0].accuracy.value == 0
    json.dumps(null.to_dict(), allow_nan=False)


def test_the_overlap_of_named_words_is_undefined_if_nobody_is_named() -> None:
    rows = [Sentence(str(i), "x", f"d{i}", labels=("criticism",), acts={"criticism": Act()}) for i in range(6)]
    report = score_acts(rows, [{"criticism": Act()}] * 6, BOOK, resamples=10)
    assert report is not None
    holder = report.spans[0]
    assert holder.overlap.value == 1
    assert np.isnan(holder.named_overlap.value)
    assert "no words are named" in (holder.named_overlap.reason or "")


def test_all_labels_are_pooled_and_intervals_contain_the_score() -> None:
    rows = sentences(40)
    draw = random.Random(1)
    found = [{name: act if draw.random() < 0.7 else Act() for name, act in (s.acts or {}).items()} for s in rows]
    report = score_acts(rows, found, BOOK, seed=3)
    assert report is not None
    by_name = {(s.role, s.label): s for s in report.spans}
    assert list(by_name)[:3] == [("holder", "all"), ("holder", "criticism"), ("holder", "policy_claim")]
    for role in ("holder", "target"):
        both = [by_name[role, name] for name in BOOK.names]
        pooled = by_name[role, "all"]
        assert pooled.n == sum(s.n for s in both)
        assert pooled.overlap.value == pytest.approx(sum(s.n * s.overlap.value for s in both) / pooled.n)
        assert pooled.overlap.low < pooled.overlap.value < pooled.overlap.high
    assert report.documents == 40
    again = score_acts(rows, found, BOOK, seed=3)
    assert again is not None
    assert report.to_dict() == again.to_dict()


def test_labels_without_annotation_are_counted_and_a_corpus_without_acts_has_no_scores() -> None:
    rows = [
        Sentence("a", "x", "d", labels=("criticism", "policy_claim"), acts={"criticism": Act()}),
        Sentence("b", "x", "d", labels=("criticism",)),
    ]
    report = score_acts(rows, [{"criticism": Act()}, {}], BOOK, resamples=10)
    assert report is not None
    assert report.without == 2
    assert [s.n for s in report.spans if s.label == "all"] == [1, 1]
    assert score_acts(rows[1:], [{}], BOOK) is None
