"""Say why a model is not fit for use, and what to try."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..reporting.format import counted
from .info import ModelInfo

#: Labels with fewer training rows than this are rare: warnings before a training and advice after a failed one name them.
FEW_ROWS = 30


def rare_labels(labels: Iterable[str], counts: Mapping[str, int]) -> list[str]:
    """Return each label with fewer than `FEW_ROWS` training rows, and its number of rows, such as "criticism 12"."""
    return [f"{label} {counts.get(label, 0)}" for label in labels if counts.get(label, 0) < FEW_ROWS]


def describe_unfit(info: ModelInfo) -> list[str]:
    """Return lines that explain why the model is not fit for use, and what to try."""
    few = rare_labels(info.labels, info.training.by_label)
    lines = [f"WARNING: {line}." for line in info.warnings]
    lines.append(
        f"Do not use this model. The {info.kind if info.kind == 'checkpoint' else 'model'} is kept for inspection. What to try:"
    )
    if few:
        lines.append(f"- Code more rows with labels that are rare in the training rows: {', '.join(few)}.")
    lines.append(
        f"- Code more rows: the model was trained on {counted(info.training.sentences, 'row')}, and a few hundred usually suffice."
    )
    lines.append("- Check the labels for errors: communique check TABLE --codebook CODEBOOK.")
    if info.classifier == "transformer":
        lines.append("- Train longer: write a recipe with a larger min_steps (docs/guides/recipes.md).")
    return lines
