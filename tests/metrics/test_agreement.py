from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from communique.metrics.agreement import (
    MISSING,
    alpha_of,
    alpha_terms,
    bootstrap_alpha,
    f1_of,
    kappa_of,
    krippendorff_alpha,
    masi,
    nominal,
    pair_counts,
)


def codes(*rows: str) -> np.ndarray:
    """Convert rows with one character per unit to codes. '.' is missing, and categories are numbered in alphabetical order."""
    names = sorted({c for row in rows for c in row} - {"."})
    return np.array([[MISSING if c == "." else names.index(c) for c in row] for row in rows])


#: Data of sections A, B and C in Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability".
BINARY = codes("0100000010", "1110010000")
NOMINAL = codes("aabbdcccedda", "babbbccceddd")
MISSING_DATA = codes(
    "12332141 2...".replace(" ", ""),
    "123322412 5.3".replace(" ", ""),
    ".33323422 51.".replace(" ", ""),
    "123324412 51.".replace(" ", ""),
)


@pytest.mark.parametrize(
    ("given", "published"), [(BINARY, 0.095), (NOMINAL, 0.692), (MISSING_DATA, 0.743)], ids=["A", "B", "C"]
)
def test_alpha_equals_that_of_published_examples(given: np.ndarray, published: float) -> None:
    assert krippendorff_alpha(given) == pytest.approx(published, abs=0.0005)


def test_alpha_with_the_interval_metric_equals_that_of_the_published_example() -> None:
    values = np.arange(1.0, 6.0)
    distance = (values[:, None] - values) ** 2
    assert krippendorff_alpha(MISSING_DATA, distance) == pytest.approx(0.849, abs=0.0005)


def plain_alpha(table: np.ndarray, distance: np.ndarray) -> float:
    """Compute alpha pair by pair, following its definition."""
    units = [[int(v) for v in column if v != MISSING] for column in table.T]
    units = [unit for unit in units if len(unit) > 1]
    values = [v for unit in units for v in unit]
    n = len(values)
    observed = 0.0
    for unit in units:
        pairs = [(a, b) for i, a in enumerate(unit) for j, b in enumerate(unit) if i != j]
        observed += sum(distance[pair] for pair in pairs) / (len(unit) - 1) / n
    expected = sum(distance[a, b] for i, a in enumerate(values) for j, b in enumerate(values) if i != j) / (n * (n - 1))
    return 1 - observed / expected if expected else float("nan")


@given(st.integers(2, 4), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_alpha_equals_its_definition(coders: int, units: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    table = draw.integers(-1, 4, size=(coders, units))
    distance = draw.random((4, 4))
    distance = (distance + distance.T) * nominal(4)
    if ((table != MISSING).sum(axis=0) > 1).any():
        assert krippendorff_alpha(table, distance) == pytest.approx(plain_alpha(table, distance), nan_ok=True)


def test_alpha_does_not_depend_on_order_or_names() -> None:
    assert krippendorff_alpha(MISSING_DATA[::-1, ::-1]) == pytest.approx(krippendorff_alpha(MISSING_DATA))
    renamed = np.where(MISSING_DATA == MISSING, MISSING, 4 - MISSING_DATA)
    assert krippendorff_alpha(renamed) == pytest.approx(krippendorff_alpha(MISSING_DATA))


def test_alpha_is_not_defined_without_variation_or_pairs() -> None:
    assert np.isnan(krippendorff_alpha(np.zeros((2, 5), int)))
    assert np.isnan(krippendorff_alpha(codes("ab..", "..ab")))


def test_masi_distances_match_the_paper() -> None:
    """The monotonicity is 1 for equal sets, 2/3 for subsets, 1/3 for overlaps and 0 for disjoint sets (Passonneau 2006)."""
    sets = [frozenset(s) for s in ("", "a", "ab", "bc", "abcd")]
    distance = masi(sets)
    assert distance[0, 0] == 0
    assert distance[0, 1] == 1
    assert distance[1, 2] == pytest.approx(1 - 1 / 2 * 2 / 3)
    assert distance[2, 3] == pytest.approx(1 - 1 / 3 * 1 / 3)
    assert distance[2, 4] == pytest.approx(1 - 2 / 4 * 2 / 3)
    np.testing.assert_array_equal(distance, distance.T)


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))
def test_kappa_and_f1_agree_with_scikit_learn(seed: int, share: float) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    draw = np.random.default_rng(seed)
    first, second = draw.random((2, 40, 1)) < share
    counts = pair_counts(first, second).sum(axis=0)
    if first.any() and not first.all():
        expected = metrics.cohen_kappa_score(first[:, 0], second[:, 0])
        assert kappa_of(counts)[0] == pytest.approx(expected)
        assert f1_of(counts)[0] == pytest.approx(metrics.f1_score(first[:, 0], second[:, 0]))
        np.testing.assert_allclose(f1_of(pair_counts(second, first).sum(axis=0)), f1_of(counts))


def test_kappa_is_not_defined_if_nobody_uses_the_label() -> None:
    nothing = np.zeros((5, 1), bool)
    assert np.isnan(kappa_of(pair_counts(nothing, nothing).sum(axis=0))[0])


def coded_documents(draw: np.random.Generator, documents: int, length: int = 8) -> np.ndarray:
    """Simulate two coders of documents that differ in the proportion of a label and in the coders' error rate."""
    share = np.repeat(draw.beta(2, 3, size=documents), length)
    error = np.repeat(draw.beta(1, 9, size=documents), length)
    truth = draw.random(documents * length) < share
    return np.array([truth ^ (draw.random(len(truth)) < error) for _ in range(2)]).astype(int)


def test_intervals_of_alpha_contain_the_true_value() -> None:
    truth = krippendorff_alpha(coded_documents(np.random.default_rng(0), 20_000))
    hits = 0
    for seed in range(200):
        table = coded_documents(np.random.default_rng(seed + 1), 40)
        documents = np.repeat(np.arange(40), 8).tolist()
        _, low, high = bootstrap_alpha(table, nominal(2), documents, seed=0, resamples=400)
        hits += low <= truth <= high
    # 95 % minus three standard errors for 200 repetitions.
    assert hits / 200 > 0.9


def test_the_interval_is_wider_by_document_than_by_sentence() -> None:
    table = np.repeat(coded_documents(np.random.default_rng(3), 40, 1), 8, axis=1)
    by_document = bootstrap_alpha(table, nominal(2), np.repeat(np.arange(40), 8).tolist(), seed=0)
    by_sentence = bootstrap_alpha(table, nominal(2), list(range(320)), seed=0)
    assert by_document[0] == by_sentence[0]
    assert by_document[2] - by_document[1] > 2 * (by_sentence[2] - by_sentence[1])


def test_few_documents_have_no_interval() -> None:
    value, low, high = bootstrap_alpha(NOMINAL, nominal(5), ["a"] * 6 + ["b"] * 6, seed=0)
    assert value == pytest.approx(0.692, abs=0.0005)
    assert np.isnan([low, high]).all()


def test_the_seed_determines_the_interval() -> None:
    table, documents = coded_documents(np.random.default_rng(4), 30), np.repeat(np.arange(30), 8).tolist()
    first, again, other = (bootstrap_alpha(table, nominal(2), documents, seed=s) for s in (0, 0, 1))
    assert first == again
    assert first[1:] != other[1:]


def test_alpha_is_computed_from_summed_terms() -> None:
    observed, counts = alpha_terms(NOMINAL, nominal(5))
    assert alpha_of(observed.sum(), counts.sum(axis=0), nominal(5)) == pytest.approx(0.692, abs=0.0005)


def test_perfect_agreement_has_no_interval() -> None:
    table = coded_documents(np.random.default_rng(0), 40)[[0, 0]]
    value, low, high = bootstrap_alpha(table, nominal(2), np.repeat(np.arange(40), 8).tolist(), seed=0, resamples=50)
    assert value == 1
    assert np.isnan([low, high]).all()
