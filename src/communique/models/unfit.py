"""Say why a model is not fit for use, and what to try."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..reporting.format import counted
from .info import ModelInfo

#: Labels with fewer training rows than this are rare: warnings before a training and advice after a failed one name them.
FEW_ROWS = 30

#: What every message about a model that is not fit for use says.
DO_NOT_USE = "Do not use this model."


def rare_labels(labels: Iterable[str], counts: Mapping[str, int]) -> list[str]:
    """Return each label with fewer than `FEW_ROWS` training rows, and its number of rows, such as "criticism 12"."""
    return [f"{label} {counts.get(label, 0)}" for label in labels if counts.get(label, 0) < FEW_ROWS]


def advise_coding(labels: Iterable[str], counts: Mapping[str, int], rows: int) -> list[str]:
    """Return sentences that advise to code more rows after a failed training.

    Args:
        labels: The labels.
        counts: Number of training rows by label.
        rows: Number of training rows.
    """
    few = rare_labels(labels, counts)
    return [
        *([f"Code more rows with labels that are rare in the training rows: {', '.join(few)}."] if few else []),
        f"Code more rows: the model was trained on {counted(rows, 'row')}, and a few hundred usually suffice.",
    ]


def describe_unfit(info: ModelInfo) -> list[str]:
    """Return lines that explain why the model is not fit for use, and what to try."""
    training = info.training
    lines = [f"WARNING: {line}." for line in info.warnings]
    lines.append(
        f"{DO_NOT_USE} The {info.kind if info.kind == 'checkpoint' else 'model'} is kept for inspection. What to try:"
    )
    lines += [f"- {line}" for line in advise_coding(info.labels, training.by_label, training.sentences)]
    lines.append("- Check the labels for errors: communique check TABLE --codebook CODEBOOK.")
    if info.classifier == "transformer":
        lines.append("- Train longer: write a recipe with a larger min_steps (docs/guides/recipes.md).")
    return lines
