"""Swap the actors of sentences: which sentences, which names, how many draws.

A swap replaces one actor of a sentence, wherever the sentence names it, by another of its kind. What a codebook says of an
act does not depend on who acts, with one exception: help to the own citizens is a policy, help to others a pledge.
Sentences about the own side are left alone, and the own country is not drawn. What counts as own: see `own_countries`.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..actors.names import ORGANISATIONS, Mention, actors, home
from ..data.corpus import Corpus
from ..data.sentence import Sentence

#: Value of `sampling` of the rows that `augment` makes. They are no draw from any population.
SWAPPED = "swapped"

#: Why a sentence is not swapped, in the order in which it is asked.
NO_RULES, NO_NAME, OWN_COUNTRY, OWN_PEOPLE, NO_FIT = (
    "no rules for the language",
    "names no actor",
    "names the own country",
    "speaks of the own citizens",
    "no name is sure to fit",
)


@dataclass(frozen=True)
class Swap:
    """A sentence with another actor: the number of its row, who was replaced by whom, and the text."""

    row: int
    code: str
    other: str
    text: str


@dataclass(frozen=True)
class SwapPlan:
    """The swaps of a corpus, in the order of its rows, and by language how many sentences have some or why not."""

    swaps: tuple[Swap, ...]
    reasons: dict[str, dict[str, int]]


def own_countries(sentences: Iterable[Sentence]) -> dict[tuple[str | None, str], frozenset[str]]:
    """Say which countries may be the speaker's own, by source and document.

    The texts do not say who speaks. Taken as own are the territory of the language (see `actors.home`), and the country that
    most sentences of the document name, where two or more do: speeches name their own country most. Where several are
    named equally often all of them count. The rule leaves out too much rather than too little.
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
    """Draw swaps.

    A draw replaces one actor, so that its effect can be told; the actors of a sentence take turns, and no pair is drawn
    twice. The draws of a sentence depend on the seed and its id, and on other rows only through the own country.

    Args:
        sentences: Sentences; those of one document should all be there, for the rule of the own country.
        draws: Swaps a sentence; fewer where fewer are possible.
        seed: Another seed draws other names.

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
            swaps.append(Swap(row, code, other, names.replace(sentence.text, mentions, code, other)))
    return SwapPlan(tuple(swaps), {language: dict(counts) for language, counts in sorted(reasons.items())})


def _choices(sentence: Sentence, barred: frozenset[str]) -> tuple[str | None, list[Mention], dict[str, list[str]]]:
    """Say why a sentence is left alone, or which of its actors can be replaced by whom."""
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
    """Draw pairs without repetition: the actors in turn, each with names in random order."""
    order = list(choices)
    generator.shuffle(order)
    shuffled = {code: generator.sample(choices[code], len(choices[code])) for code in order}
    pairs: list[tuple[str, str]] = []
    for turn in range(max(map(len, shuffled.values()))):
        pairs += [(code, shuffled[code][turn]) for code in order if turn < len(shuffled[code])]
    return pairs[:draws]


def augment(corpus: Corpus, *, seed: int, copies: int = 1) -> Corpus:
    """Make training rows with swapped actors: the remedy for labels that hang on names.

    Give it the rows that train and no others: a copy of a held-out row would leak it. Copies keep document, place,
    labels, language and source, have `sampling` = `SWAPPED`, and an id that ends in `~1`, `~2` and so on. The previous
    sentence gets the same new name.

    Args:
        corpus: Labelled rows that train.
        seed: Of the draws.
        copies: Copies a sentence; fewer where fewer names fit.

    Returns:
        The copies alone; `corpus + augment(corpus, seed=0)` is what trains.

    Raises:
        MissingExtraError: Babel is not installed.
    """
    made: list[Sentence] = []
    numbers: Counter[int] = Counter()
    for swap in plan_swaps(corpus.sentences, draws=copies, seed=seed).swaps:
        sentence = corpus.sentences[swap.row]
        numbers[swap.row] += 1
        previous, names = sentence.previous, actors(sentence.language)
        if previous is not None and names is not None:
            previous = names.replace(previous, names.find(previous), swap.code, swap.other)
        made.append(
            replace(
                sentence,
                id=f"{sentence.id}~{numbers[swap.row]}",
                text=swap.text,
                previous=previous,
                sampling=SWAPPED,
            )
        )
    return Corpus(tuple(made))
