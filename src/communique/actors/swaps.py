"""Swap the actors of sentences: choose the sentences and the names, and make the new texts.

A swap replaces all mentions of one actor in a sentence with another actor of the same type. The definitions in a codebook do not
depend on who acts, with one exception: help for the speaker's own citizens is a policy, and help for others is a pledge.
Therefore sentences about the speaker's own side are not changed, and the speaker's own country is not drawn as a replacement.
`own_countries` determines which countries may be the speaker's own.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..data.sentence import Sentence
from ..text.edits import Edit, apply_edits
from .names import ORGANISATIONS, Mention, actors, home

#: Reasons for not swapping a sentence, in the order in which they are checked.
NO_RULES, NO_NAME, OWN_COUNTRY, OWN_PEOPLE, NO_FIT = (
    "no rules for the language",
    "names no actor",
    "names the speaker's own country",
    "mentions the speaker's own citizens",
    "no name is sure to fit",
)


@dataclass(frozen=True)
class Swap:
    """A sentence with another actor: the number of its row, the codes of the old and the new actor, the edits, and the new text."""

    row: int
    code: str
    other: str
    edits: tuple[Edit, ...]
    text: str


@dataclass(frozen=True)
class SwapPlan:
    """The swaps of a corpus in the order of its rows, and the numbers of swapped and unswapped sentences by language and reason."""

    swaps: tuple[Swap, ...]
    reasons: dict[str, dict[str, int]]


def own_countries(sentences: Iterable[Sentence]) -> dict[tuple[str | None, str], frozenset[str]]:
    """Return the countries that may be the speaker's own, by source and document.

    The texts do not say who speaks. The territory of the language (see `actors.home`) counts as the speaker's own country. So does
    the country that most sentences of the document name, if at least two do, because speeches name their own country most often.
    If several countries are named equally often, all of them count. The rule rather excludes too many countries than too few.
    """
    homes: dict[tuple[str | None, str], set[str]] = defaultdict(set)
    named: dict[tuple[str | None, str], Counter[str]] = defaultdict(Counter)
    for sentence in sentences:
        key = sentence.document_key
        if (place := home(sentence.language)) is not None:
            homes[key].add(place)
        if (names := actors(sentence.language)) is not None:
            named[key].update({m.code for m in names.find(sentence.text)} - set(ORGANISATIONS))
    for key, counts in named.items():
        most = max(counts.values(), default=0)
        if most > 1:
            homes[key].update(code for code, n in counts.items() if n == most)
    return {key: frozenset(codes) for key, codes in homes.items()}


def plan_swaps(sentences: Sequence[Sentence], *, draws: int, seed: int) -> SwapPlan:
    """Draw swaps for all sentences.

    Each draw replaces only one actor, so that the effect can be attributed to it. The actors of a sentence take turns, and no pair
    of old and new actor is drawn twice. The draws of a sentence depend on the seed and on its id. They depend on other rows only
    through the speaker's own country.

    Args:
        sentences: Sentences. All sentences of a document should be included, so that the speaker's own country can be found.
        draws: Number of swaps per sentence; fewer if fewer are possible.
        seed: Seed of the draws.

    Raises:
        MissingExtraError: Babel is not installed.
    """
    own = own_countries(sentences)
    swaps: list[Swap] = []
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for row, sentence in enumerate(sentences):
        barred = own.get(sentence.document_key, frozenset())
        reason, mentions, choices = _choices(sentence, barred)
        reasons[sentence.language][reason or "swapped"] += 1
        names = actors(sentence.language)
        if reason or names is None:
            continue
        generator = random.Random(f"{seed}/{sentence.id}")
        for code, other in _draw(choices, draws, generator):
            edits = tuple(names.edits(mentions, code, other))
            swaps.append(Swap(row, code, other, edits, apply_edits(sentence.text, edits)))
    return SwapPlan(tuple(swaps), {language: dict(counts) for language, counts in sorted(reasons.items())})


def _choices(sentence: Sentence, barred: frozenset[str]) -> tuple[str | None, list[Mention], dict[str, list[str]]]:
    """Return the reason for not swapping a sentence, or None, and its mentions and the possible replacements of each actor."""
    names = actors(sentence.language)
    if names is None:
        return NO_RULES, [], {}
    mentions = names.find(sentence.text)
    if not mentions:
        return NO_NAME, [], {}
    if any(mention.code in barred for mention in mentions):
        return OWN_COUNTRY, [], {}
    if names.grammar.own_people.search(sentence.text):
        return OWN_PEOPLE, [], {}
    codes = sorted({mention.code for mention in mentions})
    choices = {c: found for c in codes if (found := names.alternatives(sentence.text, mentions, c, barred))}
    return None if choices else NO_FIT, mentions, choices


def _draw(choices: dict[str, list[str]], draws: int, generator: random.Random) -> list[tuple[str, str]]:
    """Draw pairs of old and new actor without repetition. Old actors take turns, and new ones come in random order."""
    order = list(choices)
    generator.shuffle(order)
    shuffled = {code: generator.sample(choices[code], len(choices[code])) for code in order}
    pairs: list[tuple[str, str]] = []
    for turn in range(max(map(len, shuffled.values()))):
        pairs += [(code, shuffled[code][turn]) for code in order if turn < len(shuffled[code])]
    return pairs[:draws]
