"""Read the abbreviations and sentence openers of a language from `abbreviations.toml`."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Abbreviations:
    """The abbreviations, ordinals and sentence openers of one language. `abbreviations.toml` explains each field.

    Attributes:
        names: Abbreviations that precede a name or noun.
        numbers: Abbreviations that precede a number.
        openers: Words that often begin a sentence. Empty if none are known.
        final: Pattern that matches, at the end of a text, an abbreviation that follows the word it belongs to.
            None if no such abbreviations are known.
        dated: Pattern that matches, at the end of a text, an abbreviation that follows a number. None if no such
            abbreviations are known.
        dates: Words that precede a date at the beginning of a clause.
        reports: Reporting verbs, in scripts without capital letters.
        ordinals: Whether ordinal numbers are written with a full stop.
        after_ordinals: Capitalised words that follow an ordinal number or a time of day, such as months.
    """

    names: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    openers: frozenset[str] = frozenset()
    final: re.Pattern[str] | None = None
    dated: re.Pattern[str] | None = None
    dates: frozenset[str] = frozenset()
    reports: frozenset[str] = frozenset()
    ordinals: bool = False
    after_ordinals: frozenset[str] = frozenset()

    def is_name(self, word: str) -> bool:
        """Return whether a word is an abbreviation that precedes a name. Lower-case entries of the list match either case."""
        return word in self.names or word.lower() in self.names or (word.isupper() and word.title() in self.names)

    def may_end(self, word: str) -> bool:
        """Return whether an abbreviation that precedes a name can also end a sentence: it is listed in lower case."""
        return word.capitalize() not in self.names and word not in self.names.difference((word.lower(),))

    def is_number(self, word: str) -> bool:
        """Return whether a word is an abbreviation that precedes a number."""
        return word in self.numbers or word.lower() in self.numbers


@cache
def abbreviations(language: str) -> Abbreviations:
    """Return the abbreviations of a language, together with those that all languages share.

    Args:
        language: The primary subtag of its BCP 47 code, such as `de`.
    """
    shared, own = _section("all"), _section(_RELATED.get(language, language))
    return Abbreviations(
        names=_words(shared, "names") | _words(own, "names"),
        numbers=_words(shared, "numbers") | _words(own, "numbers"),
        openers=_words(own, "openers"),
        final=_behind(_words(shared, "final") | _words(own, "final")),
        dated=_behind(_words(own, "dated"), rf"({_NUMBER})\s?"),
        dates=_words(own, "dates"),
        reports=_words(own, "reports"),
        ordinals=bool(own.get("ordinals", False)),
        after_ordinals=_words(own, "after_ordinals"),
    )


#: A year, a span of years, or a century.
_NUMBER = r"(?<!\w)(?:\d{1,4}|[XVI]+)(?:[-–—/](?:\d{1,4}|[XVI]+))?"

#: Languages that use the section of another language.
_RELATED = {"no": "nb", "nn": "nb", "hr": "sr", "bs": "sr", "cnr": "sr", "sh": "sr", "ms": "id", "mk": "bg", "be": "ru"}


def _words(section: dict[str, object], name: str) -> frozenset[str]:
    return frozenset(word.rstrip(".") for word in str(section.get(name, "")).split())


def _behind(entries: frozenset[str], before: str = r"(?<!\w)") -> re.Pattern[str] | None:
    """Return a pattern that matches an abbreviation at the end of a text. A space may follow each full stop inside it."""
    if not entries:
        return None
    spelled = sorted((re.escape(entry).replace(r"\.", r"\.\s?") for entry in entries), key=len, reverse=True)
    return re.compile(rf"{before}(?:{'|'.join(spelled)})$")


def _section(name: str) -> dict[str, object]:
    # Parse only the section that is needed, because parsing the whole file takes about 30 ms.
    content = _content()
    found = re.search(rf"^\[{re.escape(name)}\]$", content, re.MULTILINE)
    return {} if found is None else tomllib.loads(content[found.end() :].partition("\n[")[0])


@cache
def _content() -> str:
    return files(__package__).joinpath("abbreviations.toml").read_text(encoding="utf-8")
