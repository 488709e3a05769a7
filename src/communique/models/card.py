"""Render the model card from `bundle.json`."""

from __future__ import annotations

from pathlib import Path

import yaml

from ..reporting.render import render
from .info import ModelInfo, ParityReport


def render_card(info: ModelInfo) -> str:
    """Return the card of a model as Markdown, with the front matter that model hubs read."""
    front_matter = {
        "license": info.license,
        "language": sorted(language for language in info.training.by_language if language != "und"),
        "library_name": "transformers" if info.kind == "checkpoint" else "communique",
        "pipeline_tag": "text-classification",
        "tags": ["stance-detection", "political-science", "multilingual"],
    }
    # The folder of a backbone on this machine means nothing to readers of the card, whereas a hub name does.
    backbone = str(info.recipe.get("backbone", "unknown"))
    backbone = Path(backbone).name if Path(backbone).is_absolute() else backbone
    return render(
        "card.md.jinja",
        info=info,
        backbone=backbone,
        front_matter=yaml.safe_dump(front_matter, sort_keys=False).rstrip(),
    )


def render_parity(parity: ParityReport) -> str:
    """Return the comparison of an export with its checkpoint as a Markdown table."""
    return render("parity.md.jinja", parity=parity).rstrip()
