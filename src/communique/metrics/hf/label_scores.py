"""Scores of predicted labels, as a module for Hugging Face `evaluate`."""

# mypy: disallow-subclassing-any=False

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np

from communique.metrics import scores


class LabelScores(evaluate.Metric):
    """Scores per label and over all labels, from rows of 0 and 1 in the order of the codebook.

    >>> found = LabelScores(keep_in_memory=True).compute(predictions=[[1, 0], [1, 1]], references=[[1, 0], [0, 1]])
    >>> found["macro_f1"]
    0.8333333333333333
    """

    def _info(self) -> evaluate.MetricInfo:
        row = datasets.List(datasets.Value("int32"))
        return evaluate.MetricInfo(
            description="Scores of predicted labels. Macro-F1 ignores labels that occur neither in gold nor in predictions.",
            citation="",
            inputs_description="predictions and references: rows of 0 and 1, with one value per label.",
            features=datasets.Features({"predictions": row, "references": row}),
        )

    def _compute(self, *, predictions: Sequence[Any], references: Sequence[Any], **_: Any) -> dict[str, Any]:
        gold, predicted = np.asarray(references, np.bool_), np.asarray(predictions, np.bool_)
        counts = scores.outcome_counts(gold, predicted)
        precision, recall, f1 = scores.precision_recall_f1(counts).T.tolist()
        return {
            "macro_f1": float(scores.macro_f1(counts)),
            "f1": f1,
            "precision": precision,
            "recall": recall,
            "mcc": scores.matthews(counts, float(len(gold))).tolist(),
            "micro_f1": float(scores.micro_f1(counts)),
            "weighted_f1": float(scores.weighted_f1(counts)),
            "sample_f1": float(scores.sample_f1(gold, predicted).mean()),
            "exact_match": float(scores.exact_match(gold, predicted).mean()),
        }
