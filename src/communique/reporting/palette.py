"""Colours of labels on a page.

In the light and in the dark scheme, each colour has a contrast of at least 4.5 (WCAG AA) with its tint and with the page. Ordinary
text has the same contrast with the tint. Neighbouring colours in the list are as different as possible.
"""

from __future__ import annotations

from typing import NamedTuple


class Colour(NamedTuple):
    """The colour of underlines and signs, and the tint behind the text, for a light and a dark page."""

    light: str
    light_tint: str
    dark: str
    dark_tint: str


PALETTE = (
    Colour("#ae2d19", "#fcdad5", "#ec8677", "#46201b"),
    Colour("#155cba", "#d3e5fd", "#6ea6ef", "#192d48"),
    Colour("#0d7742", "#d3fde8", "#19e680", "#194830"),
    Colour("#8b2db4", "#eed8f8", "#c687e1", "#371f42"),
    Colour("#8f5908", "#ffedd1", "#f4a32a", "#4b3616"),
    Colour("#0a727d", "#d2f9fe", "#13d6ec", "#184449"),
    Colour("#b01960", "#fcd5e7", "#ec7bb0", "#461b2f"),
    Colour("#70700c", "#fdfdd3", "#e5e619", "#484819"),
    Colour("#4033cc", "#dbd8f8", "#9891e3", "#221f42"),
    Colour("#3a741d", "#e3f8d8", "#6bce39", "#2b421f"),
    Colour("#895634", "#f5e6db", "#cf9f7f", "#3e2e23"),
    Colour("#a01ca0", "#fad6fa", "#e779e7", "#451c45"),
)


def variables(*, dark: bool = False) -> str:
    """Return the colours as custom properties of a style sheet: the strong colours, then the tints, each with its position."""
    strong = " ".join(f"--strong-{i}: {c.dark if dark else c.light};" for i, c in enumerate(PALETTE))
    tint = " ".join(f"--tint-{i}: {c.dark_tint if dark else c.light_tint};" for i, c in enumerate(PALETTE))
    return strong + tint


def classes() -> str:
    """Return rules of a style sheet that give elements of the class `k0` the first colour, and so on."""
    return "\n".join(f".k{i} {{ --strong: var(--strong-{i}); --tint: var(--tint-{i}); }}" for i in range(len(PALETTE)))
