"""Scores as modules of Hugging Face `evaluate`, loaded from this folder and not from a hub. Needs the extra `train`.

>>> import evaluate
>>> from communique.metrics import hf
>>> scores = evaluate.combine([evaluate.load(hf.path(name)) for name in hf.NAMES])

| module | input | scores |
|---|---|---|
| `label_scores` | decisions | F1, precision, recall, MCC by label; macro, micro, weighted, sample F1; exact match |
| `probability_scores` | probabilities, as `prediction_scores` | average precision, Brier score and skill, calibration error |

A score that is not defined, such as the recall of a label without gold, is NaN, as in scikit-learn with `zero_division=nan`.
"""

from __future__ import annotations

from pathlib import Path

NAMES = ("label_scores", "probability_scores")


def path(name: str) -> str:
    """Return the file of a module for `evaluate.load`.

    Raises:
        ValueError: There is no module of that name.
    """
    if name not in NAMES:
        raise ValueError(f"{name!r}: no module of that name; allowed: {', '.join(NAMES)}")
    return str(Path(__file__).with_name(f"{name}.py"))
