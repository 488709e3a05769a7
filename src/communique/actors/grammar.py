"""Which names of countries can stand for one another in a sentence, by language.

Babel's names come in one form, without article or gender. These rules read from a name's shape, and from the words beside
it, whether another name fits: a name stands in only for names of its own class. What the shape cannot tell is in
`docs/guides/robustness.md`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Grammar:
    """How names stand in the sentences of a language.

    Args:
        classify: Gives a name's class; None for a name that is neither replaced nor drawn.
        before: By class a pattern that the text in front of the name must match at its end.
        ahead: Look-behinds that must hold in front of a name, or it is part of another one.
        after: Look-aheads that must hold behind a name, or it is part of another one.
        prefix: Letters that may be attached in front of a name; they stay.
        suffix: Letters that may be attached behind a name; they stay.
        spaced: Whether words are told apart by spaces, so that a name must be a whole word.
        exceptions: Territories whose names break the shape's rule.
        homographs: Territories whose names are more often another word; they are not looked for.
        organisations: Whether organisations can stand for one another without an article or agreement that gives it away.
        own_people: A pattern of words for the speaker's own citizens.
    """

    classify: Callable[[str], str | None]
    own_people: re.Pattern[str]
    before: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    ahead: str = ""
    after: str = ""
    prefix: str = ""
    suffix: str = ""
    spaced: bool = True
    exceptions: frozenset[str] = frozenset()
    homographs: frozenset[str] = frozenset()
    organisations: bool = False


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _without(*words: str) -> re.Pattern[str]:
    """Match the end of a text that does not end in one of some words."""
    return re.compile("".join(rf"(?<!\b{word} )" for word in words) + "$", re.IGNORECASE)


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE)


def _english(name: str) -> str | None:
    if re.search(r"\b(?:States|Kingdom|Republic|Emirates|Islands|Territories)$", name):
        return "with article"
    if name.endswith("s") or re.search(r"^Isle\b|\bSAR\b|\bTerritory$", name):
        return None
    return "without article"


def _french(name: str) -> str | None:
    first = name.split()[0]
    if re.match(r"(?:H|La\b|Les?\b|San\b|Sainte?\b|Territoire\b)", name):
        # An h may or may not take l'; islands named after saints take no article.
        return None
    if first.endswith("s"):
        return "plural"
    gender = "feminine" if first.endswith("e") else "masculine"
    return f"{gender}, {'vowel' if re.match('[AÂEÉÈIÎOU]', name) else 'consonant'}"


def _spanish(name: str) -> str | None:
    first = name.split()[0]
    if first in ("Estados", "Emiratos", "Países", "Territorios"):
        return "plural, with article"
    if first in ("República", "Reino", "Isla", "Ciudad", "Territorio") or first.endswith("s"):
        return None
    return "feminine" if first.endswith("a") else "masculine"


def _german(name: str) -> str | None:
    # Names of several words are inflected ("der Vereinigten Staaten"); after s, x, z the genitive has no s.
    return None if " " in name or name[-1] in "sxzß" or name.endswith(("insel", "inseln")) else "without article"


def _swedish(name: str) -> str | None:
    if " " in name or name[-1] in "sxz" or re.search(r"(?:arna|erna|ön|kusten|staten)$", name):
        return None
    return "name"


def _slavic(name: str, *, plural: str, unchanging: str) -> str | None:
    """Classify a nominative by its ending, which tells gender and whether the form serves other cases too."""
    end = name[-1]
    if name.isupper() or re.search(r"(?:о-ва?|[Оо]стр[оі]в\w*)\b", name):
        return None
    if end in "ая":
        return "feminine"
    if end in plural:
        return "plural"
    if " " in name:
        return None
    return "unchanging" if end in unchanging else "masculine"


def _arabic(name: str) -> str | None:
    if re.match(r"(?:جزر|جزيرة|جمهورية|منطقة|الأقاليم|الإقليم)\b", name):
        return None
    return "definite" if name.startswith("ال") else "indefinite"


def _anything(name: str) -> str:
    return "name"


#: Languages with rules. Sentences in others are counted and not swapped.
GRAMMARS: Mapping[str, Grammar] = {
    "ar": Grammar(
        _arabic,
        re.compile(r"(?:مواطنينا|مواطنونا|مواطنيها|شعبنا|شعوبنا|رعايانا|رعاياها)"),
        prefix="[وف]?[بكل]?",
        # "the American" belongs to "the United States".
        after=r"(?!\s+الأم[ري]+كية)",
        # The name of Mali is the adjective "financial".
        homographs=_codes("ML"),
    ),
    "de": Grammar(
        _german,
        _words(
            r"(?:unser|mein)\w*\s+(?:\w+\s+)?(?:Mitbürger|Bürger|Landsleute|Volk|Bevölkerung|Staatsangehörige|Menschen)\w*"
        ),
        before={
            "without article": _without(
                "der", "die", "das", "den", "dem", "des", "im", "am", "vom", "zum", "zur", "beim", "ins"
            )
        },
        suffix="s?",
        # They take an article.
        exceptions=_codes("BS CD CF CG CH CI DO EH FO GM IQ IR KM LB MN MV NE NL PH SB SC SD SK SS TD TR UA XK YE"),
    ),
    "en": Grammar(
        _english,
        _words(
            r"(?:our|my)\s+(?:own\s+)?(?:\w+\s+)?(?:citizens|people|nationals|compatriots|countrymen|population|nation)"
            r"|fellow\s+(?:citizens|countrymen)"
        ),
        before={
            "with article": re.compile(r"\bthe $", re.IGNORECASE),
            "without article": _without("the"),
        },
        # "New Mexico", "the United States of America", "the United Nations Framework Convention".
        ahead="(?<!New )(?<!Gulf of )(?<!Northern )(?<!District of )",
        after=r"(?!\s+(?:of\b|[A-Z]))",
        # "The Gambia"; Georgia and Jordan stay: in sentences of governments they are countries.
        exceptions=_codes("GM"),
        organisations=True,
    ),
    "es": Grammar(
        _spanish,
        _words(
            r"(?:nuestr[oa]s?|mis?)\s+(?:\w+\s+)?(?:conciudadan[oa]s|ciudadan[oa]s|compatriotas|connacionales|pueblo|población|gente)"
        ),
        before={
            "plural, with article": re.compile(r"\blos $", re.IGNORECASE),
            # "el Sudán", but "Cabo Verde": which names may take an article cannot be told.
            "masculine": _without("el", "del", "al"),
            "feminine": _without("la"),
        },
        ahead="(?<!Ciudad de )(?<!Nuevo )(?<!Golfo de )",
        after=r"(?!\s+(?:de América|Mexicanos))",
        exceptions=_codes("EH"),
    ),
    "fr": Grammar(
        _french,
        _words(
            r"(?:nos|notre|mes)\s+(?:propres?\s+)?(?:\w+\s+)?(?:con)?(?:citoyens|citoyennes|compatriotes|ressortissants|peuple|population)"
        ),
        before={"plural": re.compile(r"\b(?:les|des|aux|ces) $", re.IGNORECASE)},
        after=r"(?!\s+d['’]Amérique)",
        # Masculine in -e, singular in -s, feminine in another ending, or without an article.
        exceptions=_codes(
            "AI AS AW BH BL BZ CG CU CW CY DG DJ FJ GG GI GU GW HN IL JE KH KI LA MC MF MG MO MS MT MU MX MZ NF NR NU OM PR PW SG "
            "SL SM SX TA TK TO TV TW WS YT ZW"
        ),
    ),
    "ru": Grammar(
        lambda name: _slavic(name, plural="ы", unchanging="оеиуэю"),
        _words(r"наш\w*\s+(?:\w+\s+)?(?:сограждан|гражда|народ|соотечественник|населени|люд)\w*"),
        after=r"(?!\s+Америк)",
        # Belarus is feminine, Samoa does not change; Togo is "that" at the beginning of a sentence.
        exceptions=_codes("AS BY WS"),
        homographs=_codes("TG"),
    ),
    "sv": Grammar(
        _swedish,
        _words(r"(?:vår|våra|vårt)\s+(?:\w+\s+)?(?:medborgare|befolkning|folk|landsmän|invånare)\w*"),
        suffix=":?s?",
    ),
    "uk": Grammar(
        lambda name: _slavic(name, plural="и", unchanging="оеіуєю"),
        _words(r"наш\w*\s+(?:\w+\s+)?(?:громадян|народ|співвітчизник|населенн|люд|воїн|захисник)\w*"),
        after=r"(?!\s+Америк)",
        exceptions=_codes("AS BY WS"),
        homographs=_codes("TG"),
    ),
    "zh": Grammar(
        _anything,
        re.compile("(?:我国|本国|我们的?|中国)(?:国民|公民|人民|同胞|侨民)|同胞"),
        # The Indian Ocean is no state.
        after="(?!洋)",
        spaced=False,
        organisations=True,
    ),
}
