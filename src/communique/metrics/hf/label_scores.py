"""Scores of decisions beside F1 by label, as a module of Hugging Face `evaluate`."""

# mypy: disallow-subclassing-any=False

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import evaluate
import numpy as np

from communique.metrics.hf.rows import decisions_info
from communique.metrics.scores import (
    exact_match,
    matthews,
    micro_f1,
    outcome_counts,
    precision_recall_f1,
    sample_f1,
    weighted_f1,
)


class LabelScores(evaluate.Metric):
    """Precision, recall and MCC by label, micro, weighted and sample F1, exact match, from rows of 0 and 1."""

    def _info(self) -> evaluate.MetricInfo:
        return decisions_info("Scores of decisions by label and over all labels.")

    def _compute(self, *, predictions: Sequence[Any], references: Sequence[Any], **_: Any) -> dict[str, Any]:
        gold, predicted = np.asarray(references, np.bool_), np.asarray(predictions, np.bool_)
        counts = outcome_counts(gold, predicted)
        scores = precision_recall_f1(counts)
        return {
            "precision": scores[:, 0].tolist(),
            "recall": scores[:, 1].tolist(),
            "mcc": matthews(counts, float(len(gold))).tolist(),
            "micro_f1": float(micro_f1(counts)),
            "weighted_f1": float(weighted_f1(counts)),
            "sample_f1": float(sample_f1(gold, predicted).mean()),
            "exact_match": float(exact_match(gold, predicted).mean()),
        }
