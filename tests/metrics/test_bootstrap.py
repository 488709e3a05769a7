"""The bootstrap over documents: comparison with scipy, and coverage of its intervals."""

from __future__ import annotations

import numpy as np
import pytest

from communique.metrics.bootstrap import (
    MIN_CLUSTERS,
    Resamples,
    interval,
    interval_or_nan,
    inverted_interval,
    log_odds_interval,
)
from communique.metrics.scores import average_precision, outcomes, precision_recall_f1


@pytest.mark.parametrize("clusters", [MIN_CLUSTERS, 6, 9, 21, 101])
def test_the_width_on_the_log_odds_scale_is_a_quantile_of_student_t(clusters: int) -> None:
    from scipy.special import expit, logit
    from scipy.stats import t

    values = np.array([-1.0, 1.0])
    low, high = logit(log_odds_interval(0.5, expit(values), clusters=clusters, rows=10_000))
    half_width = t.ppf(0.975, clusters - 1) * values.std() * np.sqrt(clusters / (clusters - 1))
    assert (high - low) / 2 == pytest.approx(half_width, abs=0.003)


def test_few_documents_widen_the_interval() -> None:
    values = np.random.default_rng(0).normal(size=4000)
    widths = [high - low for low, high in (interval(values, clusters=n) for n in (5, 10, 30, 300))]
    plain = interval(values)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == pytest.approx(plain[1] - plain[0], rel=0.03)
    assert widths[0] > 1.4 * widths[-1]


def test_percentiles_agree_with_scipy() -> None:
    """scipy.stats.bootstrap over documents returns the same percentiles up to random variation."""
    from scipy.stats import bootstrap

    generator = np.random.default_rng(4)
    documents = np.repeat(np.arange(40), 5)
    gold = generator.random((200, 1)) < 0.4
    predicted = np.where(generator.random((200, 1)) < 0.8, gold, ~gold)
    of_rows = outcomes(gold, predicted)
    by_document = of_rows.reshape(40, 5, 3).sum(axis=1)

    def f1(drawn: np.ndarray, axis: int = -1) -> np.ndarray:
        counts = by_document[drawn.astype(int)].sum(axis=axis - 1 if axis < 0 else axis)
        return precision_recall_f1(counts[..., None, :])[..., 0, 2]

    theirs = bootstrap(
        (np.arange(40),), f1, vectorized=True, method="percentile", n_resamples=9999, rng=np.random.default_rng(1)
    ).confidence_interval
    drawn = Resamples.draw(documents.tolist(), seed=2, resamples=9999).sums(of_rows)
    ours = interval(precision_recall_f1(drawn)[:, 0, 2])
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.006)


def test_the_weight_of_a_row_is_the_number_of_times_its_document_is_drawn() -> None:
    resamples = Resamples.draw(["a", "b", "a", "c"], seed=0, resamples=50)
    weights = np.concatenate(list(resamples.row_weights()))
    assert weights.shape == (50, 4)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    assert set(weights[:, [0, 1, 3]].sum(axis=1)) == {3}
    values = np.array([1.0, 10.0, 100.0, 1000.0])
    np.testing.assert_allclose(resamples.sums(values), weights @ values)


def test_an_empty_sample_causes_no_error() -> None:
    resamples = Resamples.draw([], seed=0, resamples=3)
    assert resamples.clusters == 0
    assert resamples.sums(np.zeros((0, 2))).tolist() == [[0, 0]] * 3


@pytest.mark.slow
@pytest.mark.parametrize(("documents", "least"), [(8, 0.88), (15, 0.90), (25, 0.91), (80, 0.92)])
def test_intervals_contain_the_true_value(documents: int, least: float) -> None:
    """95 % intervals of F1 and average precision contain the true value often enough if sentences of a document are similar.

    Percentile intervals of average precision would have too low a coverage (89 % of 300 with 25 documents).
    """
    generator = np.random.default_rng(documents)
    size = 12

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        shift = np.repeat(generator.normal(0, 0.7, n), size)
        base = np.repeat(generator.beta(4, 6, n), size)
        gold = generator.random(n * size) < base
        return gold, 1 / (1 + np.exp(-(2.5 * gold - 1.2 + shift + generator.normal(0, 1, n * size))))

    def f1(gold: np.ndarray, p: np.ndarray) -> np.ndarray:
        return outcomes(gold[:, None], p[:, None] > 0.5)

    gold, p = draw(40_000)
    truth = {"f1": precision_recall_f1(f1(gold, p).sum(axis=0))[0, 2], "ap": float(average_precision(gold, p))}
    covered, runs = dict.fromkeys(truth, 0), 300
    for run in range(runs):
        gold, p = draw(documents)
        resamples = Resamples.draw(np.repeat(np.arange(documents), size).tolist(), seed=run, resamples=400)
        drawn = {
            "f1": precision_recall_f1(resamples.sums(f1(gold, p)))[:, 0, 2],
            "ap": np.concatenate([average_precision(gold, p, w) for w in resamples.row_weights()]),
        }
        found = {
            "f1": interval(drawn["f1"], clusters=documents),
            "ap": log_odds_interval(float(average_precision(gold, p)), drawn["ap"], clusters=documents, rows=len(gold)),
        }
        for name, (low, high) in found.items():
            covered[name] += low <= truth[name] <= high
    assert least <= covered["f1"] / runs <= 0.99
    assert 0.905 <= covered["ap"] / runs <= 0.985


def test_intervals_on_log_odds_stay_between_0_and_1_and_are_asymmetric() -> None:
    values = 1 / (1 + np.exp(-np.random.default_rng(0).normal(3, 0.8, 4000)))
    low, high = log_odds_interval(0.95, values, clusters=30, rows=300)
    assert 0 < low < 0.95 < high < 1
    assert 0.95 - low > 2 * (high - 0.95)
    ends = [np.ptp(log_odds_interval(0.95, values, clusters=n, rows=300)) for n in (5, 30, 300)]
    assert ends == sorted(ends, reverse=True)
    assert np.isnan(log_odds_interval(0.5, np.full(3, np.nan), clusters=9, rows=9)).all()


def test_perfect_resamples_do_not_decide_the_width_of_an_interval_on_log_odds() -> None:
    """With few rows and scores near 1, many resamples have an average precision of 1, which has infinite log-odds."""
    generator = np.random.default_rng(0)
    widths = []
    for seed in range(20):
        gold = generator.random(40) < 0.4
        scores = 3.5 * gold + generator.normal(0, 1.2, 40)
        resamples = Resamples.draw(list(range(40)), seed=seed, resamples=400)
        drawn = np.concatenate([average_precision(gold, scores, w) for w in resamples.row_weights()])
        low, high = log_odds_interval(float(average_precision(gold, scores)), drawn, clusters=40, rows=40)
        widths.append(high - low)
    assert np.mean(widths) < 0.3


def test_an_inverted_interval_contains_the_values_compatible_with_the_sample() -> None:
    noise = np.random.default_rng(0).normal(size=20_000)
    # For the absolute value of a normal variable, the interval around 3 equals that of the normal variable.
    low, value, high = inverted_interval(3.0, lambda truth: np.abs(truth + noise), 20.0)
    assert (low, value, high) == pytest.approx((1.04, 3.0, 4.96), abs=0.05)
    # Values that noise alone produces are compatible with a true value of 0.
    assert inverted_interval(0.5, lambda truth: np.abs(truth + noise), 20.0)[:2] == (0, 0)
    assert inverted_interval(0.001, lambda truth: np.abs(truth + noise), 20.0) == (0, 0, 0.001)


def test_an_interval_requires_five_clusters_a_value_and_some_variation() -> None:
    varied, nan = np.linspace(0.1, 0.9, 200), float("nan")
    assert interval_or_nan(0.5, varied, MIN_CLUSTERS) == (0.5, *interval(varied, clusters=MIN_CLUSTERS))
    assert interval_or_nan(0.5, varied, MIN_CLUSTERS, lambda: (0.2, 0.7)) == (0.5, 0.2, 0.7)
    without = [
        interval_or_nan(0.5, varied, MIN_CLUSTERS - 1),
        interval_or_nan(nan, varied, 30),
        interval_or_nan(1.0, np.ones(200), 30),
        interval_or_nan(0.5, np.full(200, nan), 30),
    ]
    assert [value for value, *_ in without] == pytest.approx([0.5, nan, 1.0, 0.5], nan_ok=True)
    assert np.isnan([ends for _, *ends in without]).all()
