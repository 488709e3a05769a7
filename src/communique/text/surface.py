"""Change the surface of a sentence without changing its meaning: letter case, quotation marks, the final mark, a speaker tag."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from .edits import Edit, substitutions
from .language_codes import primary

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

#: Double and single quotes, and the spaces inside French guillemets, which straight quotes do not have.
_CURLY = re.compile(r"(?P<double>[“”„‟«»〝〞])|(?P<single>[‘’‚‛‹›])|(?<=«)[ \u00a0\u202f]|[ \u00a0\u202f](?=»)")
_STRAIGHT = re.compile(r"(?P<opening>(?<![\w.,;:!?…)])\"(?=\S))|(?P<closing>\")|'")

#: Languages that distinguish i with and without a dot in both cases.
_DOTTED = ("az", "tr")


def has_case(text: str) -> bool:
    """Return whether most letters of a text have an upper-case and a lower-case form."""
    letters = [character for character in text if character.isalpha()]
    return 2 * sum(character.lower() != character.upper() for character in letters) > len(letters)


def lower_case(text: str, language: str) -> list[Edit]:
    """Return the edits that write a text in lower case. There are none if its script has no case."""
    dotted = primary(language) in _DOTTED
    return _case(text, str.lower, text.translate({ord("I"): "ı", ord("İ"): "i"}) if dotted else text)


def upper_case(text: str, language: str) -> list[Edit]:
    """Return the edits that write a text in capitals. There are none if its script has no case."""
    dotted = primary(language) in _DOTTED
    return _case(text, str.upper, text.translate({ord("i"): "İ"}) if dotted else text)


def _case(text: str, convert: Callable[[str], str], prepared: str) -> list[Edit]:
    if not has_case(text):
        return []
    # The whole text is converted at once, because the form of a Greek sigma depends on its position in the word. The number of
    # characters that a character becomes (two for ß) does not depend on its position.
    converted, position, edits = convert(prepared), 0, []
    for i, (character, given) in enumerate(zip(prepared, text, strict=True)):
        after = position + len(convert(character))
        if converted[position:after] != given:
            edits.append(Edit(i, i + 1, converted[position:after]))
        position = after
    return edits


def straight_quotes(text: str, language: str) -> list[Edit]:
    """Return the edits that replace typographic quotation marks and apostrophes with straight ones."""
    return substitutions(_CURLY, text, lambda m: '"' if m["double"] else "'" if m["single"] else "")


def typographic_quotes(text: str, language: str) -> list[Edit]:
    """Return the edits that replace straight quotation marks and apostrophes with typographic ones."""
    return substitutions(_STRAIGHT, text, lambda m: "“" if m["opening"] else "”" if m["closing"] else "’")


def no_final_mark(text: str, language: str) -> list[Edit]:
    """Return the edit that removes the punctuation at the end of a text. There is none if the text has nothing else."""
    match = _FINAL.search(text)
    return [Edit(match.start(), match.end(), "")] if match and match.start() else []


def speaker_tag(text: str, language: str) -> list[Edit]:
    """Return the edit that puts a speaker tag in front of a text. There is none if the language has no tag."""
    tag = SPEAKER_TAGS.get(primary(language))
    return [Edit(0, 0, tag)] if tag else []
