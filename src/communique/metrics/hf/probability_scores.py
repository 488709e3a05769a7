"""Scores of probabilities, as a module for Hugging Face `evaluate`."""

# mypy: disallow-subclassing-any=False

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np

from communique.metrics.scores import average_precision, bin_sums, brier_skill, expected_calibration_error


class ProbabilityScores(evaluate.Metric):
    """Average precision, Brier score, Brier skill relative to the base rate, and expected calibration error, per label."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Scores of probabilities per label. The calibration error uses bins with equal numbers of rows.",
            citation="",
            inputs_description="prediction_scores: rows of probabilities; references: rows of 0 and 1; one value per label.",
            features=datasets.Features(
                {
                    "prediction_scores": datasets.List(datasets.Value("float64")),
                    "references": datasets.List(datasets.Value("int32")),
                }
            ),
        )

    def _compute(self, *, prediction_scores: Sequence[Any], references: Sequence[Any], **_: Any) -> dict[str, Any]:
        gold, probability = np.asarray(references, np.bool_), np.asarray(prediction_scores, np.float64)
        squared = (probability - gold) ** 2
        labels = range(gold.shape[1])
        return {
            "average_precision": [float(average_precision(gold[:, i], probability[:, i])) for i in labels],
            "brier": squared.mean(axis=0).tolist(),
            "brier_skill": brier_skill(squared.sum(axis=0), gold.sum(axis=0), float(len(gold))).tolist(),
            "calibration_error": [
                float(expected_calibration_error(bin_sums(gold[:, i], probability[:, i]).sum(axis=0))) for i in labels
            ],
        }
