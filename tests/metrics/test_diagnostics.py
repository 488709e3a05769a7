"""Calibration, thresholds, co-occurrence and costly errors: known values and general properties."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import TINY, TINY_MULTICLASS

from communique import Sentence
from communique.metrics.bootstrap import Resamples
from communique.metrics.calibration import probabilities
from communique.metrics.diagnostics import (
    THRESHOLDS,
    Diagnostics,
    LabelCalibration,
    before_calibration,
    calibration_error,
    co_occurrence,
    label_calibration,
    threshold_curves,
    warnings,
)
from communique.metrics.scores import bin_sums, expected_calibration_error


@pytest.mark.parametrize("multilabel", [True, False])
def test_temperature_and_biases_are_undone(multilabel: bool) -> None:
    logits = np.random.default_rng(0).normal(0, 2, (50, 3))
    bias = np.linspace(-1, 1, logits.shape[1]).tolist()
    warm = probabilities(logits, multilabel=multilabel, temperature=1.7, bias=bias)
    cold = before_calibration(warm.astype(np.float64), 1.7, bias, multilabel=multilabel)
    np.testing.assert_allclose(cold, probabilities(logits, multilabel=multilabel), atol=1e-5)


def _calibration(p: np.ndarray, gold: np.ndarray) -> LabelCalibration:
    resampled = Resamples.draw([i // 5 for i in range(len(p))], seed=0, resamples=200)
    return label_calibration("criticism", gold, p, resampled, seed=0)


def test_perfect_probabilities_show_no_more_error_than_chance() -> None:
    generator = np.random.default_rng(1)
    p = generator.random(3000)
    good = _calibration(p, generator.random(3000) < p)
    assert good.ece_plain < 1.7 * good.ece_by_chance
    assert good.ece.low == 0
    assert good.ece.value < 0.8 * good.ece_plain
    assert good.skill.value == pytest.approx(1 / 3, abs=0.05)
    assert [b.n for b in good.bins] == [300] * 10
    bad = _calibration(p**0.3, generator.random(3000) < p)
    assert bad.ece_plain > 5 * bad.ece_by_chance
    assert bad.ece.low < bad.ece.value < bad.ece.high
    assert bad.ece.value == pytest.approx(bad.ece_plain, rel=0.1)
    assert bad.ece.low > bad.ece_by_chance
    assert bad.skill.value < good.skill.value


def test_the_base_rate_has_no_skill_and_with_one_class_skill_is_undefined() -> None:
    gold = np.arange(40) % 4 == 0
    assert _calibration(np.full(40, 0.25), gold).skill.value == pytest.approx(0)
    assert len(_calibration(np.full(40, 0.25), gold).bins) == 1
    constant = _calibration(np.full(40, 0.1), np.zeros(40, bool))
    assert np.isnan(constant.skill.value)
    assert constant.skill.reason == "either all rows or no rows have the label, so the base rate makes no error"
    assert constant.ece.value == pytest.approx(0.1)


@pytest.mark.slow
@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.6, 0.7)])
def test_intervals_of_the_calibration_error_contain_it_if_documents_are_clustered(slope: float, shift: float) -> None:
    """For 150 simulated test sets of 25 documents, 90 to 100 % of the intervals contain the error of the model."""
    generator = np.random.default_rng(3)

    def draw(documents: int) -> tuple[np.ndarray, np.ndarray]:
        z = generator.normal(-1, 1.5, documents * 12)
        of_document = np.repeat(generator.normal(0, 0.6, documents), 12)
        gold = generator.random(len(z)) < 1 / (1 + np.exp(-(slope * z + shift + of_document)))
        return 1 / (1 + np.exp(-z)), gold

    p, gold = draw(40_000)
    truth = float(expected_calibration_error(bin_sums(gold, p).sum(axis=0)))
    covered, measured, estimated = 0, [], []
    for run in range(150):
        p, gold = draw(25)
        of_bins = bin_sums(gold, p)
        resampled = Resamples.draw([i // 12 for i in range(len(p))], seed=run, resamples=400)
        found = calibration_error(of_bins.sum(axis=0), resampled.sums(of_bins), 25)
        covered += found.low <= truth <= found.high
        measured.append(float(expected_calibration_error(of_bins.sum(axis=0))))
        estimated.append(found.value)
    assert 0.9 <= covered / 150 <= 1
    assert abs(np.mean(estimated) - truth) < abs(np.mean(measured) - truth)


def test_equal_probabilities_are_in_the_same_bin() -> None:
    p = np.array([0.1] * 15 + [0.2] + [0.9] * 4)
    sums = bin_sums(np.zeros(20, bool), p)
    assert (sums[:, :, 0].sum(axis=1) == 1).all()
    for value in (0.1, 0.9):
        assert len({tuple(row) for row in sums[p == value, :, 0].tolist()}) == 1


def test_curves_agree_with_scikit_learn() -> None:
    from sklearn.metrics import f1_score, precision_score, recall_score

    generator = np.random.default_rng(2)
    gold, p = generator.random((60, 3)) < 0.4, generator.random((60, 3))
    curves = threshold_curves(gold, p, TINY.names, (0.5, 0.4, 0.6))
    assert [c.threshold for c in curves] == [0.5, 0.4, 0.6]
    for i, curve in enumerate(curves):
        for t, precision, recall, f1 in list(zip(THRESHOLDS, curve.precision, curve.recall, curve.f1, strict=True))[
            ::7
        ]:
            predicted = p[:, i] >= t
            expected = [
                score(gold[:, i], predicted, zero_division=np.nan)
                for score in (precision_score, recall_score, f1_score)
            ]
            np.testing.assert_allclose([precision, recall, f1], expected, atol=1e-12)
    assert threshold_curves(gold, p, TINY.names, None) == ()


def test_co_occurrence_matches_counts_by_hand() -> None:
    gold = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [0, 1, 1]], bool)
    predicted = np.array([[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 1]], bool)
    found = co_occurrence(gold, predicted, TINY)
    assert found.labels == (*TINY.names, "none")
    assert found.gold == ((2, 1, 0, 0), (1, 2, 1, 0), (0, 1, 1, 0), (0, 0, 0, 1))
    assert found.predicted == ((3, 0, 0, 0), (0, 1, 1, 0), (0, 1, 1, 0), (0, 0, 0, 0))
    one = co_occurrence(np.eye(3, dtype=bool), np.eye(3, dtype=bool)[[0, 0, 2]], TINY_MULTICLASS)
    assert one.confusion == ((1, 0, 0), (1, 0, 0), (0, 0, 1))


def test_costly_errors_are_wrong_predictions_sorted_by_log_loss() -> None:
    sentences = [
        Sentence(str(i), f"Sentence {i}.", "d", index=i, labels=labels)
        for i, labels in enumerate([("criticism",), (), ("policy_claim",), ("criticism",)])
    ]
    p = np.array([[0.3, 0.1, 0.1], [0.2, 0.1, 0.1], [0.1, 0.02, 0.1], [0.6, 0.1, 0.1]])
    found = Diagnostics.from_predictions(
        sentences, p >= 0.5, p, TINY, temperature=1, thresholds=(0.5, 0.5, 0.5), errors=5, resamples=20
    )
    assert [e.id for e in found.errors] == ["2", "0"]
    first = found.errors[0]
    assert (first.gold, first.predicted, first.previous) == (("policy_claim",), (), "Sentence 1.")
    assert first.loss == pytest.approx(-np.log(0.9) - np.log(0.02) - np.log(0.9), abs=1e-4)
    assert found.calibration.before is None
    assert found.calibration.before_reason == "the model's weights contain its temperature and biases"
    assert "text" not in found.to_dict(texts=False)["errors"][0]
    assert found.to_dict(texts=True)["errors"][0]["text"] == "Sentence 2."


def test_correct_gold_causes_no_warning() -> None:
    generator = np.random.default_rng(3)
    gold = generator.random((200, 3)) < 0.3
    predicted = np.where(generator.random(gold.shape) < 0.8, gold, ~gold)
    assert warnings(gold, predicted, TINY.names) == ()
    assert len(warnings(gold, predicted[:, [1, 0, 2]], TINY.names)) == 1
