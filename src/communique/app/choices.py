"""Labels as pages show them, and the keys with which people answer."""

from __future__ import annotations

import string
from typing import NamedTuple

from ..data.codebook import Codebook, Label
from ..reporting.label_style import label_styles

#: Keys of the page Code and Agreement that are not keys of labels, by what they do.
KEYS = {
    "none": "0",
    "next": "Enter",
    "skip": "s",
    "undo": "u",
    "comment": "c",
    "unsure": "x",
    "holder": "h",
    "target": "t",
    "kind": "k",
    "neither": "n",
    "following": "l",
}

#: Keys of the labels, in the order of the codebook.
LABEL_KEYS = "123456789" + "".join(key for key in string.ascii_lowercase if key not in KEYS.values())


class Choice(NamedTuple):
    """A label as the page shows it: with its key, its sign, its colour and the style of its underline."""

    label: Label
    key: str
    sign: str
    colour: int
    line: int


def choices(codebook: Codebook) -> list[Choice]:
    """Return the labels of a codebook as the page shows them."""
    return [
        Choice(label, LABEL_KEYS[i] if i < len(LABEL_KEYS) else "", *style)
        for i, (label, style) in enumerate(zip(codebook.labels, label_styles(codebook.names), strict=True))
    ]
