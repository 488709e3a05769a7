"""What the modules of decisions are given: rows of 0 and 1."""

from __future__ import annotations

import datasets
import evaluate


def decisions_info(description: str) -> evaluate.MetricInfo:
    """Describe a module that reads decisions and gold labels."""
    row = datasets.List(datasets.Value("int32"))
    return evaluate.MetricInfo(
        description=description,
        citation="",
        inputs_description="predictions, references: rows of 0 and 1, one a label.",
        features=datasets.Features({"predictions": row, "references": row}),
    )
