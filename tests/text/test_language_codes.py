"""Test that language codes are normalised and that the message about an invalid code suggests a similar one."""

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
def test_codes_are_normalised(given: str, code: str) -> None:
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
def test_an_invalid_code_is_rejected_with_a_suggestion(given: str, near: str | None) -> None:
    with pytest.raises(ValueError, match="BCP 47") as caught:
        normalize_language(given)
    assert (near is not None) == ("Did you mean" in str(caught.value))
    assert near is None or f"Did you mean {near!r}?" in str(caught.value)
