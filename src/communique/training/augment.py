"""Make training copies of rows with another actor or another surface, so that labels depend less on names and spelling."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from ..actors.names import actors
from ..actors.swaps import Swap, plan_swaps
from ..data.acts import moved_acts
from ..data.sentence import Sentence
from ..text.edits import Edit, apply_edits
from ..text.surface import (
    lower_case,
    no_final_mark,
    speaker_tag,
    straight_quotes,
    typographic_quotes,
)

#: Value of `sampling` in copies. They are not a sample from any population.
COPY = "copy"

#: Proportion of the copied rows with a replaceable actor whose copy has another actor. The other copies have another surface.
SWAPPED = 0.5

Change = Callable[[str, str], list[Edit]]

#: Changes of the surface. Each group has the same probability, and so has each change within a group. Capitals are not among them:
#: models read text in capitals in lower case.
SURFACE: tuple[tuple[Change, ...], ...] = (
    (lower_case,),
    (speaker_tag,),
    (straight_quotes, typographic_quotes, no_final_mark),
)


class Copy(NamedTuple):
    """A changed sentence, and the position of the original one."""

    row: int
    sentence: Sentence


def training_copies(sentences: Sequence[Sentence], *, share: float, seed: int) -> list[Copy]:
    """Draw rows and make a copy of each with one change. Use it on training rows only, after rows were held out.

    A copy keeps the labels, the document and the language. The spans of its acts are moved. Which rows are copied, and how they are
    changed, depends on the seed and on their ids. A row that no change affects has no copy.

    Args:
        sentences: Training rows. All sentences of a document should be included, so that the speaker's own country, which is never
            swapped, can be found.
        share: Proportion of the rows to copy.
        seed: Seed of the draws.

    Raises:
        MissingExtraError: Babel is not installed.
    """
    swaps = {swap.row: swap for swap in plan_swaps(sentences, draws=1, seed=seed).swaps}
    copies = []
    for row, sentence in enumerate(sentences):
        draw = random.Random(f"copy/{seed}/{sentence.id}")
        if draw.random() >= share:
            continue
        if row in swaps and draw.random() < SWAPPED:
            copies.append(Copy(row, _swapped(sentence, swaps[row])))
        elif (changed := _resurfaced(sentence, draw)) is not None:
            copies.append(Copy(row, changed))
    return copies


def _swapped(sentence: Sentence, swap: Swap) -> Sentence:
    """Return a copy with another actor, who replaces the old one in the previous sentence too."""
    previous, names = sentence.previous, actors(sentence.language)
    if previous is not None and names is not None:
        previous = names.replace(previous, names.find(previous), swap.code, swap.other)
    return _copied(sentence, swap.edits, previous)


def _resurfaced(sentence: Sentence, draw: random.Random) -> Sentence | None:
    """Return a copy with the first change, in random order, that affects the text. The previous sentence is changed too."""
    for group in draw.sample(SURFACE, len(SURFACE)):
        for change in draw.sample(group, len(group)):
            edits = change(sentence.text, sentence.language)
            if not edits or apply_edits(sentence.text, edits) == sentence.text:
                continue
            previous = sentence.previous
            # Only the first sentence of a speech has a speaker tag.
            if previous is not None and change is not speaker_tag:
                previous = apply_edits(previous, change(previous, sentence.language))
            return _copied(sentence, edits, previous)
    return None


def _copied(sentence: Sentence, edits: Sequence[Edit], previous: str | None) -> Sentence:
    return replace(
        sentence,
        id=f"{sentence.id}~{COPY}",
        text=apply_edits(sentence.text, edits),
        previous=previous,
        sampling=COPY,
        acts=None if sentence.acts is None else moved_acts(sentence.acts, edits),
    )
