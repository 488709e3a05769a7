"""Tests of paired tests: comparison with scipy, and data for which the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import permutation_test

from communique.benchmark.comparison import Decided, best, bootstrap, differences, mean_macro_f1, permutation_p
from communique.metrics.scores import macro_f1, outcome_counts


def decided(
    documents: int = 60, accuracies: tuple[float, ...] = (0.9, 0.7), seeds: int = 1, draw: int = 0, rows: int = 5
) -> Decided:
    """Make classifiers that are right with these probabilities, on average, and similarly often within a document."""
    generator = np.random.default_rng(draw)
    of_row = np.repeat(np.arange(documents), rows)
    gold = generator.random((len(of_row), 2)) < 0.4
    predicted_rows = {}
    for number, accuracy in enumerate(accuracies):
        of_document = np.clip(accuracy + generator.normal(0, 0.1, documents), 0.05, 0.95)[of_row]
        right = generator.random((seeds, len(of_row), 2)) < of_document[None, :, None]
        predicted_rows[f"classifier{number}"] = np.where(right, gold, ~gold)
    return Decided(gold, of_row.tolist(), predicted_rows)


def test_counts_by_document_sum_to_the_total_counts() -> None:
    data = decided(seeds=2)
    counts = data.by_document()["classifier1"]
    assert counts.shape == (2, 60, 2, 3)
    expected = [outcome_counts(data.gold, predicted) for predicted in data.predicted_rows["classifier1"]]
    assert np.array_equal(counts.sum(axis=1), expected)
    assert mean_macro_f1(counts) == pytest.approx(np.mean([macro_f1(one) for one in expected]))


def test_p_equals_the_p_value_of_the_exact_permutation_test() -> None:
    counts = decided(documents=8, accuracies=(0.9, 0.6)).by_document()
    first, second = counts["classifier0"][0], counts["classifier1"][0]
    both = np.concatenate([first, second])

    def statistic(a: np.ndarray, b: np.ndarray) -> float:
        return float(macro_f1(both[a.astype(int)].sum(axis=0)) - macro_f1(both[b.astype(int)].sum(axis=0)))

    # With 8 documents, scipy enumerates all 256 permutations.
    exact = permutation_test((np.arange(8), np.arange(8, 16)), statistic, permutation_type="samples").pvalue
    ours = permutation_p(first[None], second[None], seed=0, permutations=20_000)
    assert ours == pytest.approx(exact, abs=0.01)
    assert permutation_p(second[None], first[None], seed=0, permutations=20_000) == pytest.approx(ours, abs=0.01)


def test_equal_classifiers_do_not_differ() -> None:
    counts = decided(accuracies=(0.8,)).by_document()
    counts["twin"] = counts["classifier0"]
    (found,) = differences(counts, "classifier0", seed=0, resamples=200, permutations=199)
    assert (found.value, found.p) == (0, 1)
    assert np.isnan([found.low, found.high]).all()


def test_a_clear_difference_is_significant_and_has_the_right_sign() -> None:
    counts = decided(accuracies=(0.9, 0.6), seeds=3).by_document()
    (found,) = differences(counts, "classifier0", seed=0, resamples=500, permutations=999)
    assert found.classifier == "classifier1"
    assert found.low < found.value < found.high < 0
    assert found.p == found.p_holm == 1 / 1000


def test_false_positives_are_not_too_frequent() -> None:
    """200 pairs of equally good classifiers give 10 false positives at 5 % on average, and fewer than 19 with probability 0.99."""
    alarms = 0
    for draw in range(200):
        counts = decided(documents=30, accuracies=(0.75, 0.75), draw=draw).by_document()
        alarms += permutation_p(counts["classifier0"], counts["classifier1"], seed=draw, permutations=199) <= 0.05
    assert alarms < 19


def test_classifiers_with_different_numbers_of_seeds_can_be_compared() -> None:
    counts = decided(accuracies=(0.9, 0.8), seeds=3).by_document()
    counts["classifier1"] = counts["classifier1"][:1]
    (found,) = differences(counts, "classifier0", seed=0, resamples=200, permutations=199)
    assert found.value == pytest.approx(mean_macro_f1(counts["classifier1"]) - mean_macro_f1(counts["classifier0"]))


def null(draw: int, seeds: tuple[int, int], documents: int = 20, rows: int = 5) -> float:
    """Return the p-value for two equally good classifiers, with decisions that are correlated within documents and across runs."""
    generator = np.random.default_rng(draw)
    of_row = np.repeat(np.arange(documents), rows)
    gold = generator.random((len(of_row), 2)) < 0.4
    predicted_rows = {}
    for name, n in zip("ab", seeds, strict=True):
        of_document = np.clip(0.75 + generator.normal(0, 0.1, documents), 0.05, 0.95)[of_row]
        common, own = generator.random(gold.shape), generator.random((n, *gold.shape))
        right = np.where(generator.random(own.shape) < 0.7, common, own) < of_document[:, None]
        predicted_rows[name] = np.where(right, gold, ~gold)
    counts = Decided(gold, of_row.tolist(), predicted_rows).by_document()
    return permutation_p(counts["a"], counts["b"], seed=draw, permutations=199)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [(1, 1), (3, 1), (3, 2)])
def test_p_is_uniform_if_classifiers_are_equally_good(seeds: tuple[int, int]) -> None:
    """The numbers of p-values below each level, out of 400, lie in ranges that contain 99 % of binomial counts."""
    p = np.array([null(draw, seeds) for draw in range(400)])
    for level, low, high in ((0.05, 10, 32), (0.2, 60, 101), (0.5, 174, 226), (0.8, 299, 340)):
        assert low <= (p <= level).sum() <= high


def test_all_seeds_have_the_same_weight_and_their_order_does_not_matter() -> None:
    counts = decided(accuracies=(0.8, 0.75), seeds=3, documents=20).by_document()
    good, bad = counts["classifier0"][:1], decided(accuracies=(0.4, 0.3), documents=20).by_document()["classifier1"]
    mixed = [np.concatenate(order) for order in ((good, bad), (bad, good))]
    # If three runs were paired with two by repeating seeds, the first of the two would count twice.
    one, other = (permutation_p(counts["classifier1"], of_two, seed=0, permutations=999) for of_two in mixed)
    assert one == other


def test_differences_between_seeds_widen_the_interval() -> None:
    counts = decided(accuracies=(0.9, 0.6)).by_document()
    mixed = np.concatenate([counts["classifier0"], counts["classifier1"]])
    width = {
        name: np.ptp(np.quantile(bootstrap({name: of}, seed=0, resamples=500)[name].scores, [0.025, 0.975]))
        for name, of in (("mixed", mixed), ("one", counts["classifier0"]))
    }
    assert width["mixed"] > 2 * width["one"]


def test_the_seed_determines_all_random_draws() -> None:
    counts = decided(accuracies=(0.8, 0.75)).by_document()
    one, same, other = (
        differences(counts, "classifier0", seed=s, resamples=200, permutations=199)[0] for s in (0, 0, 1)
    )
    assert one == same
    assert (one.low, one.p) != (other.low, other.p)


def test_p_is_nan_if_macro_f1_is_undefined() -> None:
    nothing = np.zeros((1, 10, 2, 3))
    assert np.isnan(permutation_p(nothing, nothing, seed=0, permutations=9))


def test_there_is_no_interval_with_few_documents() -> None:
    (found,) = differences(decided(documents=4).by_document(), "classifier0", seed=0, resamples=50, permutations=19)
    assert np.isfinite(found.value)
    assert np.isnan([found.low, found.high]).all()


def test_a_classifier_without_a_score_is_never_the_best() -> None:
    counts = decided(accuracies=(0.7, 0.9)).by_document()
    assert best({"none": np.zeros_like(counts["classifier0"]), **counts}) == "classifier1"
