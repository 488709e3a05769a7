"""Tests of the names of actors: which ones are found, and which ones can replace them."""

from __future__ import annotations

import pytest

from communique.actors.grammar import GRAMMARS
from communique.actors.names import actors, home


@pytest.mark.parametrize(
    ("language", "text", "codes"),
    [
        ("en", "Nigeria, not Niger, and South Sudan.", ["NG", "NE", "SS"]),
        ("en", "Romanian and US-Iran talks in New Mexico.", []),
        ("en", "The European Union and the United Nations met Peru's envoy.", ["EU", "UN", "PE"]),
        ("de", "Frankreichs Vorschlag gefällt Russland, nicht den Franzosen.", ["FR", "RU"]),
        ("sv", "Frankrikes och USA:s förslag gäller Finland.", ["FR", "US", "FI"]),
        # Only the nominative is recognised.
        ("ru", "Франция поддерживает предложения Германии.", ["FR"]),
        ("ru", "Того же мнения Китай.", ["CN"]),
        ("ar", "وفرنسا تتعاون مع اليمن وبالعراق دعم مالي.", ["FR", "YE", "IQ"]),
        ("zh", "法国和印度尼西亚在印度洋合作。", ["FR", "ID"]),
        ("es", "La Ciudad de México y Perú.", ["PE"]),
    ],
)
def test_names_are_found_as_whole_words(language: str, text: str, codes: list[str]) -> None:
    names = actors(language)
    assert names is not None
    assert [mention.code for mention in names.find(text)] == codes


def _alternatives(language: str, text: str, code: str) -> list[str]:
    names = actors(language)
    assert names is not None
    mentions = names.find(text)
    return [
        names.replace(text, mentions, code, other)
        for other in names.alternatives(text, mentions, code, frozenset({"DE"}))
    ]


def test_replacements_agree_in_article_gender_and_attached_letters() -> None:
    french = _alternatives("fr", "La France et la Suède protestent.", "FR")
    assert "La Norvège et la Suède protestent." in french
    assert not any(name in text for text in french for name in ("Canada", "Italie", "Mexique", "Cuba"))
    assert "L'Italie proteste." in _alternatives("fr", "L'Espagne proteste.", "ES")
    # A plural is replaced with another plural and its article. Without the article, nothing fits.
    assert "Les Pays-Bas protestent." in _alternatives("fr", "Les États-Unis protestent.", "US")
    assert _alternatives("fr", "États-Unis : protestation.", "US") == []
    assert "The United Kingdom agrees." in _alternatives("en", "The United States agrees.", "US")
    assert "Peru agrees." not in _alternatives("en", "The United States agrees.", "US")
    assert _alternatives("de", "Wir helfen der Ukraine.", "UA") == []
    assert "Norwegens Vorschlag" in _alternatives("de", "Frankreichs Vorschlag", "FR")
    assert "Chinas Vorschlag" not in _alternatives("de", "Frankreichs Vorschlag in China", "FR")
    swedish = _alternatives("sv", "Frankrikes förslag", "FR")
    assert "USA:s förslag" in swedish
    assert "Norges förslag" in swedish
    assert "وبالصين" in _alternatives("ar", "وبالعراق", "IQ")
    assert "وبكندا" not in _alternatives("ar", "وبالعراق", "IQ")
    assert "Марокко" not in " ".join(_alternatives("ru", "Франция согласна.", "FR"))
    assert "Die Schweiz" not in " ".join(_alternatives("de", "Frankreich", "FR"))


def test_excluded_names_and_names_in_the_sentence_are_not_drawn() -> None:
    texts = _alternatives("en", "France and Spain met.", "FR")
    assert "Italy and Spain met." in texts
    assert not any(text.startswith(("Germany", "Spain", "France")) for text in texts)


@pytest.mark.parametrize("language", sorted(GRAMMARS))
def test_every_language_has_names_and_each_replacement_is_recognised_again(language: str) -> None:
    names = actors(language)
    assert names is not None
    assert len(names.names) > 200
    assert not {"QO", "ZZ", "XA", "AQ"} & set(names.names)
    assert {"FR", "SN", "US", "EU"} <= names.drawable
    assert not {"CX", "BV"} & names.drawable
    text = names.names["FR"]
    mentions = names.find(text)
    others = names.alternatives(text, mentions, "FR", frozenset())
    assert len(others) > 20
    for other in others:
        assert [m.code for m in names.find(names.replace(text, mentions, "FR", other))] == [other]


def test_home_is_the_region_of_the_language_tag_or_else_the_likeliest_territory() -> None:
    assert [home(tag) for tag in ("sv", "uk", "es-MX", "zh-Hant-TW", "und")] == ["SE", "UA", "MX", "TW", None]
