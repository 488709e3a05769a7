"""Find the names of countries and organisations in a sentence, and the names that can replace them.

The names are Babel's territory names, which come from Unicode CLDR.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from ..errors import require_extra
from ..text.edits import Edit, apply_edits
from ..text.language import UNDETERMINED
from ..text.language_codes import primary
from .grammar import GRAMMARS, Grammar

#: Codes of organisations that Babel lists among the territories. All other codes are countries.
ORGANISATIONS = ("EU", "EZ", "UN")

#: Names that texts contain. A name with other characters (brackets, "&", a dash between spaces) is only used in lists.
_WRITTEN = re.compile(r"(?:[^\W\d_]|[ '’ʼ-](?=[^\W\d_]))+")


@dataclass(frozen=True)
class Mention:
    """A name in a text.

    Attributes:
        code: Code of the country or organisation.
        start: Offset of the first character of the name, after any attached prefix.
        end: Offset of the end of the name and its suffix.
        suffix: Letters attached to the end of the name.
    """

    code: str
    start: int
    end: int
    suffix: str = ""


@dataclass(frozen=True)
class Actors:
    """The names of countries and organisations in one language.

    `names` maps codes (ISO 3166 and `ORGANISATIONS`) to names. `drawable` contains the codes that may replace another
    one. `conjunction` is the word for "and".
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
        # The longest name comes first, so that "South Sudan" is not found as "Sudan".
        names = "|".join(re.escape(name) for name in sorted(self._codes, key=lambda name: (-len(name), name)))
        grammar = self.grammar
        start, end = (r"(?<![\w-])", r"(?![\w-])") if grammar.spaced else ("", "")
        return re.compile(
            f"{start}(?:{grammar.prefix}){grammar.ahead}(?P<name>{names})(?P<suffix>{grammar.suffix}){end}{grammar.after}"
        )

    def find(self, text: str) -> list[Mention]:
        """Return all names in a text, in the order of the text."""
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
        # The name of two islands may be a plural.
        if self.conjunction in re.split(r"[\s-]", name):
            return None
        shape = self.grammar.classify(name)
        return None if shape is None else ("country", shape)

    def alternatives(self, text: str, mentions: Sequence[Mention], code: str, barred: frozenset[str]) -> list[str]:
        """Return the codes, sorted, whose names can replace every mention of a code in a text.

        Args:
            text: The text.
            mentions: All mentions that `find` returned for the text.
            code: The code to replace.
            barred: Codes that may not replace it, in addition to those that the text already mentions.

        Returns:
            Sorted codes. The list is empty if the grammar does not show that another name fits.
        """
        own = self._classes[code]
        if own is None:
            return []
        needed = self.grammar.before.get(own[1])
        if needed and not all(needed.search(text[: m.start]) for m in mentions if m.code == code):
            return []
        taken = barred | {m.code for m in mentions}
        return sorted(other for other in self.drawable - taken if self._classes[other] == own)

    def edits(self, mentions: Sequence[Mention], code: str, other: str) -> list[Edit]:
        """Return the edits that replace every mention of a code with the name of another code. Attached letters are kept."""
        name = self.names[other]
        found = []
        for mention in mentions:
            if mention.code == code:
                # Swedish writes the genitive of an abbreviation with a colon ("USA:s", but "Kinas").
                suffix = mention.suffix.lstrip(":")
                suffix = f":{suffix}" if suffix and self.language == "sv" and name.isupper() else suffix
                found.append(Edit(mention.start, mention.end, name + suffix))
        return found

    def replace(self, text: str, mentions: Sequence[Mention], code: str, other: str) -> str:
        """Return a text in which the name of another code replaces every mention of a code (see `edits`)."""
        return apply_edits(text, self.edits(mentions, code, other))


@cache
def actors(language: str) -> Actors | None:
    """Return the names in a language (a BCP 47 tag), or None if `GRAMMARS` has no rules for it.

    A territory counts as a country if CLDR records an official language for it, which excludes uninhabited territories and
    test codes. A country is only used as a replacement if it has or had its own currency or belongs to a currency union. Most
    of the others are dependencies such as Christmas Island, which no government would criticise.

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
    # In ISO 4217, the code of a currency starts with the code of its territory, or with X if a union of states uses it.
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
    """Return the territory of a language tag: its region if it has one, otherwise the likeliest territory in CLDR.

    Returns:
        An ISO 3166 code, such as `SE` for `sv` or `MX` for `es-MX`. None if CLDR has no likely territory.

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
    require_extra("babel", "finding the names of countries", extra="analysis")


def english_name(code: str) -> str:
    """Return the English name of a code, for reports."""
    from babel import Locale

    return str(Locale.parse("en").territories[code])
