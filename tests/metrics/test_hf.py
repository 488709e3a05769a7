"""The modules for `evaluate`: they load without a network, can be combined and agree with scikit-learn."""

from __future__ import annotations

import socket
from typing import Any

import numpy as np
import pytest

from communique.metrics import hf as hf_metrics


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was attempted")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def _random(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    gold = generator.random((80, 3)) < 0.4
    probability = np.round(np.clip(gold * 0.3 + generator.random(gold.shape) * 0.7, 0, 1), 2)
    return gold, probability, probability > 0.5


@pytest.mark.parametrize("seed", range(5))
def test_modules_agree_with_scikit_learn(seed: int) -> None:
    import evaluate
    from sklearn import metrics as theirs

    gold, probability, predicted = _random(seed)
    decisions = {"predictions": predicted.astype(int), "references": gold.astype(int)}
    scores = evaluate.load(hf_metrics.path("label_scores")).compute(**decisions)
    ranked = evaluate.load(hf_metrics.path("probability_scores")).compute(
        prediction_scores=probability, references=gold.astype(int)
    )
    exact: dict[str, Any] = {"rtol": 0, "atol": 1e-12}
    np.testing.assert_allclose(scores["macro_f1"], theirs.f1_score(gold, predicted, average="macro"), **exact)
    np.testing.assert_allclose(scores["f1"], theirs.f1_score(gold, predicted, average=None), **exact)
    np.testing.assert_allclose(scores["precision"], theirs.precision_score(gold, predicted, average=None), **exact)
    np.testing.assert_allclose(scores["recall"], theirs.recall_score(gold, predicted, average=None), **exact)
    np.testing.assert_allclose(
        scores["mcc"], [theirs.matthews_corrcoef(gold[:, i], predicted[:, i]) for i in range(3)], **exact
    )
    for name, average in (("micro_f1", "micro"), ("weighted_f1", "weighted"), ("sample_f1", "samples")):
        expected = theirs.f1_score(gold, predicted, average=average, zero_division=1.0)
        np.testing.assert_allclose(scores[name], expected, **exact)
    np.testing.assert_allclose(scores["exact_match"], theirs.accuracy_score(gold, predicted), **exact)
    np.testing.assert_allclose(
        ranked["average_precision"], theirs.average_precision_score(gold, probability, average=None), **exact
    )
    briers = [theirs.brier_score_loss(gold[:, i], probability[:, i]) for i in range(3)]
    np.testing.assert_allclose(ranked["brier"], briers, **exact)
    rates = gold.mean(axis=0)
    np.testing.assert_allclose(ranked["brier_skill"], 1 - np.array(briers) / (rates * (1 - rates)), **exact)


def test_modules_can_be_combined() -> None:
    import evaluate

    gold, probability, predicted = _random(9)
    combined = evaluate.combine([evaluate.load(hf_metrics.path(name)) for name in hf_metrics.NAMES])
    result = combined.compute(
        predictions=predicted.astype(int), references=gold.astype(int), prediction_scores=probability
    )
    assert {"macro_f1", "micro_f1", "exact_match", "average_precision", "brier_skill"} <= set(result)


def test_an_unknown_module_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no module 'bleu'\. Allowed: label_scores, probability_scores"):
        hf_metrics.path("bleu")
