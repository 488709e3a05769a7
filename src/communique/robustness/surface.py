"""The tests that change the surface of a sentence without changing its meaning."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping

from ..text import surface
from ..text.edits import Edit, apply_edits


def _applied(edits: Callable[[str, str], list[Edit]]) -> Callable[[str, str], str]:
    return lambda text, language: apply_edits(text, edits(text, language))


#: Functions that change a text in a language. They return the text unchanged if there is nothing to change.
PERTURBATIONS: Mapping[str, Callable[[str, str], str]] = {
    "lower case": _applied(surface.lower_case),
    "upper case": _applied(surface.upper_case),
    "straight quotes": _applied(surface.straight_quotes),
    "typographic quotes": _applied(surface.typographic_quotes),
    "no final mark": _applied(surface.no_final_mark),
    "doubled spaces": lambda text, language: re.sub(r"(?<=\S) (?=\S)", "  ", text),
    "NFC": lambda text, language: unicodedata.normalize("NFC", text),
    "NFD": lambda text, language: unicodedata.normalize("NFD", text),
    "speaker tag": _applied(surface.speaker_tag),
}
