"""Detection of models that have learned nothing, without false alarms for models that have."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import has_facts

from communique.metrics.degenerate import describe_collapse, describe_no_gain

NAMES = ("criticism", "policy_claim", "cooperation_pledge")


@pytest.mark.parametrize(
    ("gold", "predicted", "facts"),
    [
        ((5, 3, 0), (0, 0, 0), ("no label", "20 rows", "2 different")),
        ((5, 3, 1), (0, 20, 0), ("only the label policy_claim", "20 rows", "3 different")),
        ((5, 3, 1), (1, 1, 0), None),
        ((5, 0, 0), (4, 0, 0), None),
    ],
)
def test_predicting_at_most_one_label_is_reported_if_gold_has_several(
    gold: tuple[int, ...], predicted: tuple[int, ...], facts: tuple[str, ...] | None
) -> None:
    line = describe_collapse(NAMES, gold, predicted, 20)
    assert (line is None) == (facts is None)
    assert facts is None or has_facts(line or "", *facts)


def test_a_result_is_compared_with_the_best_constant_prediction() -> None:
    gold = np.zeros((40, 3), bool)
    gold[:20, 0] = gold[10:30, 1] = True
    useless = np.random.default_rng(0).random((40, 3)) < 0.3
    # The constant prediction of all labels has a precision of 1/2 and a recall of 1. The third label is ignored.
    assert has_facts(describe_no_gain(gold, useless, multilabel=True) or "", "40 held-out rows", "0.667")
    better = gold.copy()
    better[:4, 0] = False
    assert describe_no_gain(gold, better, multilabel=True) is None
    single = np.eye(3, dtype=bool)[np.arange(40) % 2]
    majority = np.zeros((40, 3), bool)
    majority[:, 0] = True
    assert has_facts(describe_no_gain(single, majority, multilabel=False) or "", "0.333")
    assert describe_no_gain(single, single, multilabel=False) is None


def test_a_result_for_exclusive_labels_is_also_compared_with_random_labels() -> None:
    gold = np.eye(2, dtype=bool)[np.arange(40) % 2]
    # Half of each class is predicted right, so macro-F1 is 0.5, whereas the most frequent label reaches only 0.333.
    useless = np.eye(2, dtype=bool)[np.arange(40) // 2 % 2]
    line = describe_no_gain(gold, useless, multilabel=False) or ""
    assert has_facts(line, "40 held-out rows is 0.500", "drawn at random", "reach 0.500")
    useless[:2] = gold[:2]
    assert describe_no_gain(gold, useless, multilabel=False) is None


@pytest.mark.parametrize("multilabel", [True, False])
def test_rows_with_identical_labels_cannot_show_whether_a_model_is_useful(multilabel: bool) -> None:
    for row in ([1, 0, 0], [0, 0, 0], [1, 1, 0])[: 3 if multilabel else 1]:
        gold = np.tile(np.array(row, bool), (10, 1))
        assert has_facts(describe_no_gain(gold, gold, multilabel=multilabel) or "", "10 held-out rows", "same labels")


def test_a_label_that_neither_occurs_nor_is_predicted_does_not_lower_what_random_labels_reach() -> None:
    rng = np.random.default_rng(0)
    gold, predicted = (np.eye(3, dtype=bool)[rng.integers(0, 2, 400)] for _ in range(2))
    found = describe_no_gain(gold, predicted, multilabel=False)
    # Two labels that occur equally often reach 0.5, and would reach 0.33 if the third one counted.
    assert found is not None
    assert found.endswith("reach 0.499")
