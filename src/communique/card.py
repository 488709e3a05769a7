"""The model card, made from `bundle.json` alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .bundle import ModelInfo


def render(info: ModelInfo) -> str:
    """Write the card of a model as Markdown with the front matter that model hubs read."""
    return f"# {info.name}\n"
