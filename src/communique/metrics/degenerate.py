"""Recognise a model that has learned nothing: it predicts one label or none, or is no better than constant predictions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .scores import BoolArray, macro_f1, outcome_counts


def describe_collapse(names: Sequence[str], gold: Sequence[int], predicted: Sequence[int], n: int) -> str | None:
    """Return a sentence if a model predicts at most one label on n rows whose gold labels are several.

    Args:
        names: The k labels.
        gold: Number of rows with each label (k,).
        predicted: Number of rows for which each label is predicted (k,).
        n: Number of rows.
    """
    given = [name for name, count in zip(names, predicted, strict=True) if count]
    present = sum(count > 0 for count in gold)
    if len(given) > 1 or present < 2:
        return None
    what = f"only the label {given[0]}" if given else "no label at all"
    return f"The model predicts {what} on {n} rows, among whose gold labels are {present} different ones"


def describe_no_gain(gold: BoolArray, predicted: BoolArray, *, multilabel: bool) -> str | None:
    """Return a sentence if macro-F1 is not above that of the best constant prediction, or if the rows cannot show it.

    Rows that all have the same labels cannot show it, because no prediction is better than a constant one; with no label at all,
    macro-F1 is not even defined. Labels without a gold row do not count. The best constant prediction is all labels for every row
    if several can apply, and the most frequent label if not.
    """
    if not len(gold) or (gold == gold[0]).all():
        return f"All {len(gold)} held-out rows have the same labels, so they cannot show whether the model has learned anything"
    present = gold.any(axis=0)
    gold, predicted = gold[:, present], predicted[:, present]
    constant = np.ones_like(gold) if multilabel else np.zeros_like(gold)
    constant[:, gold.sum(axis=0).argmax()] = True
    model, prior = (float(macro_f1(outcome_counts(gold, rows))) for rows in (predicted, constant))
    if model > prior:
        return None
    return f"Macro-F1 on {len(gold)} held-out rows is {model:.3f}. Predicting the same for every row has {prior:.3f}"
