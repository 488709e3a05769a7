"""Rules per language that decide which country names can replace one another in a sentence.

Babel provides each name in a single form, without its article or gender. These rules therefore classify a name by its
shape and check the words around it. A name is only replaced by names of the same class. `docs/guides/robustness.md`
describes the cases that these rules cannot recognise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Grammar:
    """Rules of one language for finding and replacing country names.

    Args:
        classify: Returns the class of a name, or None if the name is neither replaced nor used as a replacement.
        own_people: Pattern of words for the speaker's own citizens.
        before: Pattern for each class that the text in front of the name must match at its end.
        ahead: Regular expression with look-behinds. If they fail, the name is part of another name.
        after: Regular expression with look-aheads. If they fail, the name is part of another name.
        prefix: Pattern of letters that may be attached to the start of a name. They are kept.
        suffix: Pattern of letters that may be attached to the end of a name. They are kept.
        spaced: Whether spaces separate words, so that a name must be a whole word.
        exceptions: Codes of territories whose class does not follow from the shape of their name.
        homographs: Codes of territories whose name is more often another word. They are not searched for.
        organisations: Whether one organisation can replace another without changing articles or agreement.
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
    """Compile a pattern that matches the end of a text unless one of the words comes last."""
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
        # Some names with h take l' and some do not. Islands named after saints have no article.
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
    # Names of several words are inflected ("der Vereinigten Staaten"). Names that end in s, x or z add no s in the genitive.
    return None if " " in name or name[-1] in "sxzß" or name.endswith(("insel", "inseln")) else "without article"


def _swedish(name: str) -> str | None:
    if " " in name or name[-1] in "sxz" or re.search(r"(?:arna|erna|ön|kusten|staten)$", name):
        return None
    return "name"


def _slavic(name: str, *, plural: str, unchanging: str) -> str | None:
    """Classify a nominative by its ending, which shows its gender and whether other cases have the same form."""
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


#: Rules per language. In sentences of other languages no name is replaced.
GRAMMARS: Mapping[str, Grammar] = {
    "ar": Grammar(
        _arabic,
        re.compile(r"(?:مواطنينا|مواطنونا|مواطنيها|شعبنا|شعوبنا|رعايانا|رعاياها)"),
        prefix="[وف]?[بكل]?",
        # This adjective ("American") follows the name in "United States of America".
        after=r"(?!\s+الأم[ري]+كية)",
        # The name of Mali is also the adjective "financial".
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
        # These names take an article.
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
        # Excludes "New Mexico", "the United States of America" and "the United Nations Framework Convention".
        ahead="(?<!New )(?<!Gulf of )(?<!Northern )(?<!District of )",
        after=r"(?!\s+(?:of\b|[A-Z]))",
        # "The Gambia" takes an article. Georgia and Jordan are searched for, because governments mean the countries.
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
            # Some names may take an article ("el Sudán") and others may not ("Cabo Verde"). The shape does not show which.
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
        # Masculine names in -e, singular names in -s, feminine names with another ending, and names without an article.
        exceptions=_codes(
            "AI AS AW BH BL BZ CG CU CW CY DG DJ FJ GG GI GU GW HN IL JE KH KI LA MC MF MG MO MS MT MU MX MZ NF NR NU OM PR PW SG "
            "SL SM SX TA TK TO TV TW WS YT ZW"
        ),
    ),
    "ru": Grammar(
        lambda name: _slavic(name, plural="ы", unchanging="оеиуэю"),
        _words(r"наш\w*\s+(?:\w+\s+)?(?:сограждан|гражда|народ|соотечественник|населени|люд)\w*"),
        after=r"(?!\s+Америк)",
        # Belarus is feminine, and Samoa is not inflected. At the start of a sentence, the name of Togo can mean "that".
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
        # Excludes the Indian Ocean, whose name starts with that of India.
        after="(?!洋)",
        spaced=False,
        organisations=True,
    ),
}
