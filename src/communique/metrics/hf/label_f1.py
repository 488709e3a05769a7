"""Macro-F1 as a module of Hugging Face `evaluate`; the trainer shows it while it runs."""

# mypy: disallow-subclassing-any=False

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import evaluate
import numpy as np

from communique.metrics.hf.rows import decisions_info
from communique.metrics.scores import macro_f1, outcome_counts, precision_recall_f1


class LabelF1(evaluate.Metric):
    """F1 of each label and their mean, from rows of 0 and 1 in the codebook's order.

    >>> LabelF1(keep_in_memory=True).compute(predictions=[[1, 0], [1, 1]], references=[[1, 0], [0, 1]])["macro_f1"]
    0.8333333333333333
    """

    def _info(self) -> evaluate.MetricInfo:
        return decisions_info("F1 by label; their mean leaves out a label with no gold and no prediction.")

    def _compute(self, *, predictions: Sequence[Any], references: Sequence[Any], **_: Any) -> dict[str, Any]:
        counts = outcome_counts(np.asarray(references, np.bool_), np.asarray(predictions, np.bool_))
        return {"macro_f1": float(macro_f1(counts)), "f1": precision_recall_f1(counts)[:, 2].tolist()}
