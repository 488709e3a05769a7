"""Codes of languages are brought into their usual form; what is none is refused with the nearest code."""

from __future__ import annotations

import pytest

from communique.text.language_codes import normalize_language


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("DE", "de"),
        (" de_at ", "de-AT"),
        ("deu", "de"),
        ("ger", "de"),
        ("ZH_hant", "zh-Hant"),
        ("pt-br", "pt-BR"),
        ("iw", "he"),
        ("und", "und"),
        ("es-419", "es-419"),
    ],
)
def test_codes_have_one_form(given: str, code: str) -> None:
    assert normalize_language(given) == code


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("german", "de"),
        ("Deutsch", "de"),
        ("françai", "fr"),
        ("jp", "ja"),
        ("cz", "cs"),
        ("ukrainian", "uk"),
        ("123", None),
    ],
)
def test_what_is_no_code_is_refused_with_the_nearest(given: str, near: str | None) -> None:
    with pytest.raises(ValueError, match="BCP 47") as caught:
        normalize_language(given)
    assert (near is not None) == ("Did you mean" in str(caught.value))
    assert near is None or f"Did you mean {near!r}?" in str(caught.value)
