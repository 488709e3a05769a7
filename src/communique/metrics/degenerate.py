"""Detect a model that has learned nothing: it predicts at most one label, or is no better than predictions without the text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .scores import BoolArray, macro_f1, outcome_counts


def describe_collapse(names: Sequence[str], gold: Sequence[int], predicted: Sequence[int], n: int) -> str | None:
    """Return a warning if a model predicts at most one label on rows with several different gold labels, or None.

    Args:
        names: Names of the k labels.
        gold: Number of rows with each gold label (k,).
        predicted: Number of rows with each predicted label (k,).
        n: Number of rows.
    """
    given = [name for name, count in zip(names, predicted, strict=True) if count]
    present = sum(count > 0 for count in gold)
    if len(given) > 1 or present < 2:
        return None
    what = f"only the label {given[0]}" if given else "no label at all"
    return f"The model predicts {what} on {n} rows, although their gold labels include {present} different ones"


def describe_no_gain(gold: BoolArray, predicted: BoolArray, *, multilabel: bool) -> str | None:
    """Return a warning if macro-F1 does not exceed that of predictions without the text, or if the rows cannot show this.

    Rows that all have the same labels cannot show it, because no prediction is better than a constant one. If none of them
    has a label, macro-F1 is not even defined. Labels without a gold row are ignored.

    If several labels can apply, the best prediction without the text is the constant one of all labels. Otherwise, it is the most
    frequent label, or labels drawn at random as often as the model predicts them. The latter usually have the higher macro-F1.

    Args:
        gold: Gold labels (n, k).
        predicted: Predicted labels (n, k).
        multilabel: Whether several labels can apply.

    Returns:
        The warning, or None if the model is better than predictions without the text.
    """
    if not len(gold) or (gold == gold[0]).all():
        return f"All {len(gold)} held-out rows have the same labels, so they cannot show whether the model has learned anything"
    present = gold.any(axis=0)
    gold, predicted = gold[:, present], predicted[:, present]
    constant = np.ones_like(gold) if multilabel else np.zeros_like(gold)
    constant[:, gold.sum(axis=0).argmax()] = True
    model, prior = (float(macro_f1(outcome_counts(gold, rows))) for rows in (predicted, constant))
    reached = f"The same prediction for every row reaches {prior:.3f}"
    if not multilabel and (chance := _by_chance(gold, predicted)) > prior:
        prior, reached = chance, f"Labels drawn at random, as often as the model predicts them, reach {chance:.3f}"
    if model > prior:
        return None
    return f"Macro-F1 on {len(gold)} held-out rows is {model:.3f}. {reached}"


def describe_degenerate(
    names: Sequence[str], gold: BoolArray, predicted: BoolArray, *, multilabel: bool
) -> tuple[str, ...]:
    """Return why the predictions of a model show that it has learned nothing. The result is empty if they do not show this.

    Args:
        names: Names of the k labels.
        gold: Gold labels (n, k).
        predicted: Predicted labels (n, k).
        multilabel: Whether several labels can apply.
    """
    counts = gold.sum(axis=0).tolist(), predicted.sum(axis=0).tolist()
    found = describe_collapse(names, *counts, len(gold)), describe_no_gain(gold, predicted, multilabel=multilabel)
    return tuple(line for line in found if line)


def _by_chance(gold: BoolArray, predicted: BoolArray) -> float:
    """Return the macro-F1 that is expected if the predictions (n, k) are independent of the gold labels (n, k)."""
    given, said = gold.mean(axis=0), predicted.mean(axis=0)
    # As in `macro_f1`, a label that neither occurs nor is predicted is ignored.
    given, said = given[given + said > 0], said[given + said > 0]
    return float((2 * given * said / (given + said)).mean())
