"""Scores as modules for Hugging Face `evaluate`. They are loaded from this folder, not from the hub. Requires the extra `train`.

>>> import evaluate
>>> from communique.metrics import hf
>>> scores = evaluate.combine([evaluate.load(hf.path(name)) for name in hf.NAMES])

| module | input | scores |
|---|---|---|
| `label_scores` | predicted labels | F1, precision, recall and MCC per label; macro, micro, weighted and sample F1; exact match |
| `probability_scores` | probabilities, as `prediction_scores` | average precision, Brier score and skill, calibration error |

Undefined scores, such as the recall of a label without gold rows, are NaN, as in scikit-learn with `zero_division=nan`.
"""

from __future__ import annotations

from pathlib import Path

NAMES = ("label_scores", "probability_scores")


def path(name: str) -> str:
    """Return the path of a module, for `evaluate.load`.

    Raises:
        ValueError: There is no module with this name.
    """
    if name not in NAMES:
        raise ValueError(f"there is no module {name!r}. Allowed: {', '.join(NAMES)}")
    return str(Path(__file__).with_name(f"{name}.py"))
