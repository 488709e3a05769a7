"""Change the surface of a sentence without changing its meaning."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping

from ..actors.names import primary

#: Speaker tags as in meeting records, one per language, which name no particular person.
SPEAKER_TAGS: Mapping[str, str] = {
    "ar": "الرئيس (تكلم بالإنكليزية): ",
    "de": "Der Präsident (spricht auf Englisch): ",
    "en": "The President (spoke in Spanish): ",
    "es": "El Presidente (habla en inglés): ",
    "fr": "Le Président (parle en anglais) : ",
    "ja": "議長(英語で発言)：",
    "ru": "Председатель (говорит по-английски): ",
    "sv": "Talmannen (talar engelska): ",
    "uk": "Головуючий (говорить англійською): ",
    "zh": "主席（以英语发言）：",
}

#: Punctuation that ends a sentence, including the Arabic question mark, the Devanagari danda and full-width marks.
_FINAL = re.compile(r"[.。．｡…؟?？!！।۔]+\s*$")

#: Double quotes, and the spaces inside French guillemets, which straight quotes do not have.
_DOUBLE = re.compile(r"[“”„‟«»〝〞]|(?<=«)[  \u202f]|[  \u202f](?=»)")
_SINGLE = re.compile(r"[‘’‚‛‹›]")
_OPENING = re.compile(r'(?<![\w.,;:!?…)])"(?=\S)')


def _straight(text: str, language: str) -> str:
    return _SINGLE.sub("'", _DOUBLE.sub(lambda match: '"' if match[0].strip() else "", text))


def _typographic(text: str, language: str) -> str:
    return _OPENING.sub("“", text).replace('"', "”").replace("'", "’")


def _tagged(text: str, language: str) -> str:
    return SPEAKER_TAGS.get(primary(language), "") + text


#: Functions that change a text in a language. They return the text unchanged if there is nothing to change.
PERTURBATIONS: Mapping[str, Callable[[str, str], str]] = {
    "lower case": lambda text, language: text.lower(),
    "upper case": lambda text, language: text.upper(),
    "straight quotes": _straight,
    "typographic quotes": _typographic,
    "no final mark": lambda text, language: _FINAL.sub("", text) or text,
    "doubled spaces": lambda text, language: re.sub(r"(?<=\S) (?=\S)", "  ", text),
    "NFC": lambda text, language: unicodedata.normalize("NFC", text),
    "NFD": lambda text, language: unicodedata.normalize("NFD", text),
    "speaker tag": _tagged,
}
