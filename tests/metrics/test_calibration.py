"""Temperature, biases and thresholds, on data for which the correct answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from communique.metrics.calibration import (
    EDGE,
    GRID,
    PRIOR_POSITIVES,
    decide,
    fit_calibration,
    fit_thresholds,
    log_loss,
    probabilities,
    theoretical_threshold,
    to_logits,
    tune,
)


def _simulated(n: int, seed: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Simulate gold labels and logits. Divided by `scale`, the logits have the true probabilities as their sigmoid."""
    generator = np.random.default_rng(seed)
    true = generator.normal(-0.5, 2, (n, 3))
    gold = generator.random((n, 3)) < probabilities(true, multilabel=True)
    return true * scale, gold


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.5])
def test_the_temperature_is_found(scale: float) -> None:
    logits, gold = _simulated(20_000, 0, scale)
    temperature, bias = fit_calibration(logits, gold, multilabel=True)
    assert temperature == pytest.approx(scale, rel=0.05)
    np.testing.assert_allclose(bias, 0, atol=0.1)


def test_the_temperature_of_a_softmax_is_found() -> None:
    generator = np.random.default_rng(0)
    true = generator.normal(0, 2, (20_000, 4))
    p = probabilities(true, multilabel=False)
    gold = np.eye(4, dtype=bool)[(p.cumsum(axis=1) > generator.random((20_000, 1))).argmax(axis=1)]
    shift = np.array([1.0, 0, 0, -1.0])
    temperature, bias = fit_calibration((true + shift) * 2, gold, multilabel=False)
    assert temperature == pytest.approx(2, rel=0.05)
    np.testing.assert_allclose(bias, -shift, atol=0.1)


@given(seed=st.integers(0, 10_000), n=st.integers(1, 60), multilabel=st.booleans(), size=st.floats(0, 30))
def test_the_calibration_is_the_minimum_of_the_penalised_loss(seed: int, n: int, multilabel: bool, size: float) -> None:
    """No nearby parameters are better, even if there are few rows, certain predictions or rows of one class."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 1, (n, 3)) * size
    gold = generator.random((n, 3)) < 0.2 if multilabel else np.eye(3, dtype=bool)[generator.integers(0, 3, n)]

    def loss(temperature: float, bias: np.ndarray) -> float:
        x = logits / temperature + bias
        rows = np.logaddexp(0, x).sum() if multilabel else np.log(np.exp(x - x.max()).sum(axis=1)).sum() + n * x.max()
        return float(rows - x[gold].sum() + ((1 / temperature - 1) ** 2 + bias @ bias) / (2 * 0.5**2))

    temperature, bias = fit_calibration(logits, gold, multilabel=multilabel)
    assert 0.25 - 1e-9 <= temperature <= 4 + 1e-9
    least = loss(temperature, bias)
    for factor in (0.9, 0.99, 1, 1.01, 1.1):
        for shift in 0.05 * generator.normal(size=(5, 3)):
            near = float(np.clip(temperature * factor, 0.25, 4))
            assert loss(near, bias + shift) >= least - 1e-5 * (1 + abs(least))


def _held_out_losses(n: int, shift: float, multilabel: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the log losses without and with biases, tuned on n rows whose logits for the first label are `shift` too high."""
    losses = []
    for seed in range(40):
        generator = np.random.default_rng(seed)

        def draw(rows: int, generator: np.random.Generator = generator) -> tuple[np.ndarray, np.ndarray]:
            true = generator.normal(-2, 1.5, (rows, 3))
            p = probabilities(true, multilabel=multilabel)
            u = generator.random(true.shape if multilabel else (rows, 1))
            gold = u < p if multilabel else np.eye(3, dtype=bool)[np.minimum((p.cumsum(axis=1) < u).sum(axis=1), 2)]
            return true + np.array([shift, 0, 0]), gold

        tuned, (logits, gold) = tune(*draw(n), multilabel=multilabel), draw(3000)
        without = log_loss(logits / tuned.temperature, gold, multilabel=multilabel)
        losses.append((without, log_loss(logits / tuned.temperature + tuned.bias, gold, multilabel=multilabel)))
    return tuple(np.array(losses).T)


@pytest.mark.parametrize("multilabel", [True, False])
@pytest.mark.parametrize("n", [20, 50, 200])
def test_biases_of_calibrated_predictions_cost_little(n: int, multilabel: bool) -> None:
    without, with_bias = _held_out_losses(n, 0.0, multilabel)
    # Each free parameter costs 1 / (2 n) on average. There is one per label, or two for three classes. The penalty reduces this
    # cost, by half for 20 rows.
    left = 0.5 if n == 20 else 0.9
    assert (with_bias - without).mean() < left * (1 if multilabel else 2) / (2 * n) + 0.001


@pytest.mark.parametrize("multilabel", [True, False])
@pytest.mark.parametrize("n", [50, 200, 1000])
def test_biases_correct_a_model_that_was_trained_on_enriched_rows(n: int, multilabel: bool) -> None:
    """If a label is frequent in the training data and rare elsewhere, its logits are too high by a constant."""
    without, with_bias = _held_out_losses(n, 1.5, multilabel)
    assert (with_bias < without).mean() > 0.9
    perfect = _held_out_losses(1000, 0.0, multilabel)[0].mean()
    assert with_bias.mean() - perfect < (0.35 if n < 100 else 0.15) * (without.mean() - perfect)


def test_few_positive_rows_hardly_move_a_bias() -> None:
    """One positive row among fifty rows with a probability of 2 % is no reason to change the probabilities."""
    p = np.full((50, 1), 0.02)
    for positives, most in ((0, 0.3), (1, 0.05), (3, 0.5)):
        gold = np.arange(50)[:, None] < positives
        _, bias = fit_calibration(to_logits(p, multilabel=True), gold, multilabel=True)
        assert abs(bias[0]) < most
        plain = np.log(max(positives, 0.5) / (50 - positives)) - np.log(0.02 / 0.98)
        assert abs(bias[0]) < 0.6 * abs(plain) + 0.05


def test_thresholds_are_found_on_calibrated_probabilities() -> None:
    logits, gold = _simulated(20_000, 3, 1.0)
    plain, shifted = tune(logits, gold, multilabel=True), tune(logits + 2, gold, multilabel=True)
    np.testing.assert_allclose(shifted.bias, plain.bias - 2 / shifted.temperature, atol=0.05)
    assert plain.thresholds is not None
    assert shifted.thresholds is not None
    np.testing.assert_allclose(shifted.thresholds, plain.thresholds, atol=0.02)
    assert (shifted.decide(logits + 2) == plain.decide(logits)).mean() > 0.99


@pytest.mark.parametrize("multilabel", [True, False])
def test_without_rows_nothing_is_tuned(multilabel: bool) -> None:
    tuned = tune(np.zeros((0, 2)), np.zeros((0, 2), bool), multilabel=multilabel)
    assert (tuned.temperature, tuned.bias.tolist(), tuned.rows) == (1.0, [0, 0], 0)
    expected = [0.5, 0.5] if multilabel else None
    assert (None if tuned.thresholds is None else tuned.thresholds.tolist()) == expected


def test_thresholds_of_many_rows_are_nearly_optimal() -> None:
    logits, gold = _simulated(50_000, 2, 1.0)
    p = probabilities(logits, multilabel=True)

    def f1(label: int, threshold: float) -> float:
        predicted = p[:, label] >= threshold
        return float(2 * (predicted & gold[:, label]).sum() / (predicted.sum() + gold[:, label].sum()))

    for label, threshold in enumerate(fit_thresholds(p, gold)):
        best = max(f1(label, t) for t in np.arange(0.1, 0.91, 0.01))
        assert f1(label, threshold) >= best - 0.003


def test_the_threshold_of_a_label_without_gold_rows_is_a_half() -> None:
    p = np.random.default_rng(0).random((100, 2)).astype(np.float32)
    gold = np.zeros((100, 2), bool)
    gold[:, 0] = p[:, 0] > 0.7
    assert fit_thresholds(p, gold)[1] == 0.5


def _calibrated(seed: int, n: int, mean: float, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw probabilities (n, 1), and labels with these probabilities."""
    generator = np.random.default_rng(seed)
    p = probabilities(generator.normal(mean, spread, (n, 1)), multilabel=True)
    return p, generator.random((n, 1)) < p


CALIBRATED = {"seed": st.integers(0, 10_000), "mean": st.floats(-4, 2), "spread": st.floats(0.5, 3)}


@given(**CALIBRATED, n=st.integers(1, 400))
def test_the_theoretical_threshold_is_half_the_best_expected_f1(seed: int, mean: float, spread: float, n: int) -> None:
    p = _calibrated(seed, n, mean, spread)[0][:, 0].astype(np.float64)

    def expected_f1(threshold: float) -> float:
        return float(2 * p[p >= threshold].sum() / ((p >= threshold).sum() + p.sum()))

    found = theoretical_threshold(p)
    assert found <= 0.5 + 1e-9
    assert 2 * found == pytest.approx(max(expected_f1(t) for t in p))
    # The threshold reaches this F1 itself, unless it coincides with a probability.
    if np.abs(p - found).min() > 1e-9:
        assert expected_f1(found) == pytest.approx(2 * found)


@given(**CALIBRATED)
def test_thresholds_of_calibrated_probabilities_hardly_exceed_a_half(seed: int, mean: float, spread: float) -> None:
    assert fit_thresholds(*_calibrated(seed, 4000, mean, spread))[0] <= 0.56


@given(**CALIBRATED)
def test_few_positive_rows_leave_the_threshold_near_the_theoretical_optimum(
    seed: int, mean: float, spread: float
) -> None:
    p, _ = _calibrated(seed, 300, mean, spread)
    gold = np.zeros_like(p, bool)
    gold[p[:, 0].argmax()] = True
    assert abs(fit_thresholds(p, gold)[0] - theoretical_threshold(p[:, 0])) <= 1 / (1 + PRIOR_POSITIVES)


def test_many_positive_rows_move_the_threshold_to_the_one_with_the_greatest_f1() -> None:
    """If all probabilities are too high, the theoretical optimum is far from the best threshold."""
    true, gold = _calibrated(0, 60_000, -1, 2)
    p = true**0.3
    f1 = [2 * ((p >= t) & gold).sum() / ((p >= t).sum() + gold.sum()) for t in GRID]
    best = GRID[int(np.argmax(f1))]
    assert best > theoretical_threshold(p[:, 0]) + 0.1
    assert fit_thresholds(p, gold)[0] == pytest.approx(best, abs=0.03)


def test_shrunk_thresholds_vary_less_than_thresholds_with_the_greatest_f1() -> None:
    """With about ten positive rows, the threshold with the greatest F1 is mostly noise, which is why it is shrunk."""
    smoothed, plain = [], []
    for seed in range(60):
        generator = np.random.default_rng(seed)
        true = generator.normal(-4, 2, (300, 1))
        p = probabilities(true, multilabel=True)
        gold = generator.random((300, 1)) < p
        if not gold.any():
            continue
        smoothed.append(fit_thresholds(p, gold)[0])
        grid = np.arange(0.1, 0.91, 0.01)
        scores = [2 * ((p >= t) & gold).sum() / ((p >= t).sum() + gold.sum()) for t in grid]
        plain.append(grid[int(np.argmax(scores))])
    assert np.std(smoothed) < 0.7 * np.std(plain)


def test_probabilities_are_sigmoid_or_softmax_at_any_size() -> None:
    logits = np.array([[0.0, 1.0], [1000.0, -1000.0]])
    np.testing.assert_allclose(probabilities(logits, multilabel=True), [[0.5, 0.7310586], [1.0, 0.0]], atol=1e-6)
    np.testing.assert_allclose(probabilities(logits, multilabel=False), [[0.2689414, 0.7310586], [1.0, 0.0]], atol=1e-6)


def test_labels_are_predicted_by_threshold_or_by_the_greatest_probability() -> None:
    p = np.array([[0.4, 0.6], [0.39, 0.59]], np.float32)
    assert decide(p, np.array([0.4, 0.6])).tolist() == [[True, True], [False, False]]
    assert decide(p, None).tolist() == [[False, True], [False, True]]
    assert decide(np.zeros((0, 2)), None).shape == (0, 2)


@pytest.mark.parametrize("multilabel", [True, False])
def test_probabilities_are_recovered_from_their_logits_and_certain_ones_are_finite(multilabel: bool) -> None:
    p = np.array([[0.0, 1.0, 0.0], [0.5, 0.3, 0.2]])
    logits = to_logits(p.astype(np.float32), multilabel=multilabel)
    assert np.isfinite(logits).all()
    np.testing.assert_allclose(probabilities(logits, multilabel=multilabel), p, atol=2e-7)
    if multilabel:
        np.testing.assert_allclose(logits[0], np.array([-1, 1, -1]) * np.log((1 - EDGE) / EDGE))
