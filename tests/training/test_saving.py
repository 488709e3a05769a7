"""Test that the calibration becomes part of a network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from communique.errors import RecipeError
from communique.metrics.calibration import Tuning, probabilities
from communique.training.saving import fold_calibration


class _Config:
    model_type = "gpt"


def network(*, bias: bool = True) -> Any:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3, bias=bias))
    model.config = _Config()  # type: ignore[assignment]
    return model


@pytest.mark.parametrize("multilabel", [True, False])
def test_a_network_with_folded_calibration_outputs_calibrated_probabilities(multilabel: bool) -> None:
    tuning = Tuning(1.7, np.array([-2.0, 0.5, 0.0]), np.full(3, 0.3) if multilabel else None, 10)
    model, rows = network(), torch.randn(20, 4)
    with torch.no_grad():
        expected = tuning.probabilities(model(rows).numpy())
        fold_calibration(model, tuning)
        found = probabilities(model(rows).numpy(), multilabel=multilabel)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_head_without_a_bias_is_refused() -> None:
    with pytest.raises(RecipeError, match="'gpt' has no bias"):
        fold_calibration(network(bias=False), Tuning.none(3, multilabel=True))
