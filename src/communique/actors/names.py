"""Find the names of countries and organisations in a sentence, and say which others fit in their place.

Names are Babel's territory names (Unicode CLDR): none is listed here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from ..errors import MissingExtraError
from ..text.language import UNDETERMINED
from .grammar import GRAMMARS, Grammar

#: Codes that Babel names beside territories. The rest are countries.
ORGANISATIONS = ("EU", "EZ", "UN")

#: A name with other characters (brackets, "&", a dash between spaces) is a title of a list, not how texts write it.
_WRITTEN = re.compile(r"(?:[^\W\d_]|[ '’ʼ-](?=[^\W\d_]))+")


@dataclass(frozen=True)
class Mention:
    """A name in a text: its code, the letters attached to it, and where it stands, attached letters left out."""

    code: str
    start: int
    end: int
    suffix: str = ""


@dataclass(frozen=True)
class Actors:
    """The names of a language.

    `names` maps codes (ISO 3166, and `ORGANISATIONS`) to names; `drawable` are the codes that may stand in for another;
    `conjunction` is the language's "and".
    """

    language: str
    names: Mapping[str, str]
    drawable: frozenset[str]
    conjunction: str
    grammar: Grammar

    @cached_property
    def _codes(self) -> dict[str, str]:
        return {name: code for code, name in self.names.items()}

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        # The longest first: "South Sudan" is not "Sudan".
        names = "|".join(re.escape(name) for name in sorted(self._codes, key=lambda name: (-len(name), name)))
        grammar = self.grammar
        start, end = (r"(?<![\w-])", r"(?![\w-])") if grammar.spaced else ("", "")
        return re.compile(
            f"{start}(?:{grammar.prefix}){grammar.ahead}(?P<name>{names})(?P<suffix>{grammar.suffix}){end}{grammar.after}"
        )

    def find(self, text: str) -> list[Mention]:
        """List the names in a text, in order."""
        return [
            Mention(self._codes[match["name"]], match.start("name"), match.end("suffix"), match["suffix"])
            for match in self._pattern.finditer(text)
        ]

    @cached_property
    def _classes(self) -> dict[str, tuple[str, str] | None]:
        return {code: self._class(code) for code in self.names}

    def _class(self, code: str) -> tuple[str, str] | None:
        if code in ORGANISATIONS:
            return ("organisation", "") if self.grammar.organisations else None
        if code in self.grammar.exceptions:
            return None
        name = self.names[code]
        # A pair of islands may take the plural.
        if self.conjunction in re.split(r"[\s-]", name):
            return None
        shape = self.grammar.classify(name)
        return None if shape is None else ("country", shape)

    def alternatives(self, text: str, mentions: Sequence[Mention], code: str, barred: frozenset[str]) -> list[str]:
        """List the codes whose names fit wherever a text names a code, sorted.

        Args:
            text: The text.
            mentions: All that `find` gave for it.
            code: The one to replace.
            barred: Codes that may not be drawn; those that the text names already may not either.

        Returns:
            An empty list where the grammar cannot vouch for any.
        """
        own = self._classes[code]
        if own is None:
            return []
        needed = self.grammar.before.get(own[1])
        if needed and not all(needed.search(text[: m.start]) for m in mentions if m.code == code):
            return []
        taken = barred | {m.code for m in mentions}
        return sorted(other for other in self.drawable - taken if self._classes[other] == own)

    def replace(self, text: str, mentions: Sequence[Mention], code: str, other: str) -> str:
        """Put another name wherever a text names a code; attached letters stay."""
        name = self.names[other]
        for mention in reversed(mentions):
            if mention.code == code:
                # Swedish writes the genitive of an abbreviation with a colon: "USA:s", "Kinas".
                suffix = mention.suffix.lstrip(":")
                suffix = f":{suffix}" if suffix and self.language == "sv" and name.isupper() else suffix
                text = f"{text[: mention.start]}{name}{suffix}{text[mention.end :]}"
        return text


def primary(language: str) -> str:
    """Give the language of a BCP 47 tag: `zh` of `zh-Hans-CN`."""
    return language.split("-")[0].lower()


@cache
def actors(language: str) -> Actors | None:
    """Give the names of a language (BCP 47), or None where there are no rules for its grammar.

    A country is a territory for which CLDR records an official language: uninhabited ones and test codes have none. Only those
    that have or had a currency of their own, or share one with others, are drawn: most of the rest are dependencies, and no
    government condemns Christmas Island.

    Raises:
        MissingExtraError: Babel is not installed.
    """
    grammar = GRAMMARS.get(primary(language))
    if grammar is None:
        return None
    _require_babel()
    from babel import Locale
    from babel.core import get_global
    from babel.languages import get_official_languages

    locale = Locale.parse(primary(language))
    names = {
        code: name
        for code, name in sorted(locale.territories.items())
        if (code in ORGANISATIONS or (code.isalpha() and get_official_languages(code, de_facto=True)))
        and code not in grammar.homographs
        and _WRITTEN.fullmatch(name)
    }
    # ISO 4217: a currency's code begins with that of its territory, or with X where a union of several has it.
    money = get_global("territory_currencies")
    return Actors(
        primary(language),
        names,
        frozenset(
            code
            for code in names
            if code in ORGANISATIONS or any(currency.startswith((code, "X")) for currency, *_ in money.get(code, ()))
        ),
        locale.list_patterns["standard"]["2"].format("", "").strip(),
        grammar,
    )


@cache
def home(language: str) -> str | None:
    """Give the territory that a language tag stands for: its region, else the one where CLDR says it is likeliest.

    Returns:
        An ISO 3166 code: `SE` for `sv`, `MX` for `es-MX`; None where nothing is known.

    Raises:
        MissingExtraError: Babel is not installed.
    """
    _require_babel()
    from babel.core import get_global

    if language == UNDETERMINED:
        return None
    regions = [part for part in language.split("-")[1:] if len(part) == 2 and part.isalpha()]
    if regions:
        return regions[0].upper()
    likely = get_global("likely_subtags").get(primary(language))
    return likely.split("_")[-1] if likely else None


def _require_babel() -> None:
    try:
        import babel  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtraError("babel", "analysis", "finding the names of countries") from None


def english_name(code: str) -> str:
    """Name a code in English, for a report."""
    from babel import Locale

    return str(Locale.parse("en").territories[code])
