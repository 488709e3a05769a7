"""Scores as modules of Hugging Face `evaluate`, which are loaded from this folder and from no hub. Needs the extra `train`.

>>> import evaluate
>>> from communique.metrics import hf
>>> scores = evaluate.combine([evaluate.load(hf.path(name)) for name in ("label_f1", "label_scores")])

| module | from | gives |
|---|---|---|
| `label_f1` | decisions | F1 of each label and their mean |
| `label_scores` | decisions | precision, recall, MCC by label; micro, weighted, sample F1; exact match |
| `probability_scores` | probabilities, as `prediction_scores` | average precision, Brier score and skill, calibration error |

What is not defined, such as the recall of a label without gold, is NaN, as scikit-learn gives with `zero_division=nan`.
"""

from __future__ import annotations

from pathlib import Path

NAMES = ("label_f1", "label_scores", "probability_scores")


def path(name: str) -> str:
    """Give the file of a module for `evaluate.load`.

    Raises:
        ValueError: There is no module of that name.
    """
    if name not in NAMES:
        raise ValueError(f"{name!r}: no module of that name; allowed: {', '.join(NAMES)}")
    return str(Path(__file__).with_name(f"{name}.py"))
