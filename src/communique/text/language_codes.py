"""Normalise language codes."""

from __future__ import annotations

import locale
from difflib import get_close_matches
from functools import cache, lru_cache

from .language import UNDETERMINED


@lru_cache(4096)
def normalize_language(code: str) -> str:
    """Return a language's BCP 47 code in its usual form: `de` for `DE` and `deu`, `de-AT` for `de_AT`.

    Raises:
        ValueError: `code` is not the code of a language. The message suggests a similar one if there is one.
    """
    import langcodes

    given = code.strip()
    try:
        if len(given) < 64 and langcodes.tag_is_valid(given) and not given.lower().startswith(("mis", "zxx")):
            return langcodes.standardize_tag(given)
    except (ValueError, LookupError):
        pass
    near = _nearest(given)
    hint = f"Did you mean {near!r}? " if near else ""
    raise ValueError(f"{given[:40]!r} is not a BCP 47 language code. {hint}Use a code such as de, pt-BR or zh-Hant")


def _nearest(given: str) -> str | None:
    """Return the code of the language that a word names, in English or in the language itself, or by a country's code."""
    import langcodes

    names = _names()
    word = given.lower()
    if word in names:
        return names[word]
    if len(word) == 2 and word.isascii() and word.isalpha():
        # A country code, such as jp or cz.
        language = langcodes.Language.get(f"{UNDETERMINED}-{word.upper()}").maximize().language
        return language if language and language != UNDETERMINED and language != "en" else None
    near = get_close_matches(word, names, 1, 0.75)
    return names[near[0]] if near else None


def primary(language: str) -> str:
    """Return the primary language of a BCP 47 tag, such as `zh` for `zh-Hans-CN`."""
    return language.split("-")[0].lower()


@cache
def _names() -> dict[str, str]:
    """Return language codes by name: the names in Python's table of locales, and some that it lacks."""
    names = {
        name: value[:2]
        for name, value in locale.locale_alias.items()
        if name.isalpha() and len(name) > 3 and value[2:3] == "_"
    }
    # The table of locales has no names for these.
    return names | {
        "arabic": "ar",
        "bengali": "bn",
        "catalan": "ca",
        "english": "en",
        "farsi": "fa",
        "hindi": "hi",
        "indonesian": "id",
        "latvian": "lv",
        "mandarin": "zh",
        "chinese": "zh",
        "persian": "fa",
        "portuguese": "pt",
        "serbian": "sr",
        "swahili": "sw",
        "ukrainian": "uk",
        "urdu": "ur",
        "vietnamese": "vi",
    }
