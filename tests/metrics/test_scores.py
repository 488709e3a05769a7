"""Scores: general properties and comparison with scikit-learn. Intervals: coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from communique.metrics.bootstrap import interval
from communique.metrics.scores import macro_f1, outcome_counts, precision_recall_f1, resampled_counts

pairs = st.integers(1, 40).flatmap(lambda n: st.tuples(arrays(np.bool_, (n, 3)), arrays(np.bool_, (n, 3))))


@given(pairs)
def test_scores_agree_with_scikit_learn(pair: tuple[np.ndarray, np.ndarray]) -> None:
    from sklearn.metrics import precision_recall_fscore_support

    gold, predicted = pair
    ours = precision_recall_f1(outcome_counts(gold, predicted))
    theirs = precision_recall_fscore_support(gold, predicted, average=None, zero_division=np.nan)[:3]
    np.testing.assert_allclose(ours, np.stack(theirs, axis=1), equal_nan=True)


@given(pairs, st.randoms(use_true_random=False))
def test_order_of_rows_and_of_labels_does_not_matter(pair: tuple[np.ndarray, np.ndarray], random: object) -> None:
    gold, predicted = pair
    rows = np.random.default_rng(len(gold)).permutation(len(gold))
    np.testing.assert_equal(outcome_counts(gold[rows], predicted[rows]), outcome_counts(gold, predicted))
    labels = [2, 0, 1]
    np.testing.assert_equal(
        outcome_counts(gold[:, labels], predicted[:, labels]), outcome_counts(gold, predicted)[labels]
    )
    np.testing.assert_allclose(
        macro_f1(outcome_counts(gold[:, labels], predicted[:, labels])), macro_f1(outcome_counts(gold, predicted))
    )


def test_perfect_predictions_score_1_and_scores_without_cases_are_nan() -> None:
    gold = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]], bool)
    assert macro_f1(outcome_counts(gold, gold)) == 1
    nothing = np.zeros_like(gold)
    scores = precision_recall_f1(outcome_counts(gold, nothing))
    assert np.isnan(scores[:, 0]).all()
    assert scores[:2, 1].tolist() == [0, 0]
    assert np.isnan(scores[2]).all()
    # The third label has no gold row and no prediction, so the mean is over the other two labels.
    assert macro_f1(outcome_counts(gold, nothing)) == 0
    assert np.isnan(macro_f1(outcome_counts(nothing, nothing)))


def test_counts_match_those_by_hand() -> None:
    gold = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], bool)
    predicted = np.array([[1, 1], [0, 1], [1, 0], [0, 0]], bool)
    assert outcome_counts(gold, predicted).tolist() == [[1, 1, 1], [1, 1, 1]]
    np.testing.assert_allclose(precision_recall_f1(outcome_counts(gold, predicted)), 0.5)


def test_the_bootstrap_draws_whole_documents() -> None:
    gold = np.ones((12, 1), bool)
    predicted = np.repeat([True, False, True], 4)[:, None]
    documents = np.repeat(["a", "b", "c"], 4).tolist()
    drawn = resampled_counts(gold, predicted, documents, seed=0, resamples=500)
    assert set(drawn[:, 0, 0].tolist()) <= {0, 4, 8, 12}
    assert (drawn.sum(axis=(1, 2)) == 12).all()


def test_the_bootstrap_only_depends_on_its_seed() -> None:
    generator = np.random.default_rng(0)
    gold, predicted = generator.random((2, 50, 3)) < 0.4
    documents = (np.arange(50) // 5).tolist()
    one = resampled_counts(gold, predicted, documents, seed=1, resamples=50)
    np.testing.assert_array_equal(one, resampled_counts(gold, predicted, documents, seed=1, resamples=50))
    assert not np.array_equal(one, resampled_counts(gold, predicted, documents, seed=2, resamples=50))


@settings(max_examples=5)
@given(st.integers(0, 1000))
def test_intervals_ignore_undefined_values(seed: int) -> None:
    values = np.random.default_rng(seed).random(400)
    assert interval(np.concatenate([values, [np.nan] * 50])) == interval(values)
    assert np.isnan(interval(np.array([np.nan]))).all()


@pytest.mark.slow
def test_intervals_by_document_contain_the_true_value() -> None:
    """92 to 98 % of the 95 % intervals of F1 contain the true value if the sentences of a document are similar.

    If single sentences were drawn, the coverage would be lower, which the last line verifies.
    """
    generator = np.random.default_rng(7)

    def corpus(documents: int) -> tuple[np.ndarray, np.ndarray, list[int]]:
        size = 12
        skill = np.repeat(generator.beta(4, 1, documents), size)
        gold = generator.random(documents * size) < 0.4
        right = generator.random(documents * size) < skill
        return gold[:, None], np.where(right, gold, ~gold)[:, None], np.repeat(np.arange(documents), size).tolist()

    truth = precision_recall_f1(outcome_counts(*corpus(40_000)[:2]))[0, 2]
    covered = {"documents": 0, "sentences": 0}
    runs = 400
    for run in range(runs):
        gold, predicted, documents = corpus(60)
        for unit, clusters in (("documents", documents), ("sentences", list(range(len(documents))))):
            drawn = precision_recall_f1(resampled_counts(gold, predicted, clusters, seed=run, resamples=400))[:, 0, 2]
            low, high = interval(drawn)
            covered[unit] += low <= truth <= high
    assert 0.92 <= covered["documents"] / runs <= 0.98
    assert covered["sentences"] < covered["documents"] - 0.05 * runs
