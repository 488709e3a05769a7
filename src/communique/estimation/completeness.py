"""Whether the gold holds all that was drawn: its inclusion probabilities are true of the whole sample alone.

With the design file what is missing is known by id. Without it, the inverse probabilities of sentences that were drawn singly
add up to the population, exactly in simple and stratified samples; what they fall short of is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from ..errors import DataError
from ..sampling.design import Design
from .sample import FloatArray

#: What is done where drawn sentences are not in the gold: refuse, or take those that are there for a random part of those that
#: were drawn (of their stratum, where the design is known) and lower their probabilities by that part.
Missing = Literal["refuse", "random"]

#: Share of the population that may lack without refusal: probabilities written with three digits are as far from the truth.
ROUNDED = 0.005

_REMEDY = (
    "code them too; if what is missing has nothing to do with the labels, say so with --missing random, and the probabilities are "
    "lowered by what is missing"
)


def checked(
    gold: str | Path,
    ids: Sequence[str],
    probability: FloatArray,
    size: int,
    *,
    two_stage: bool,
    design: Design | None,
    missing: Missing,
) -> tuple[FloatArray, list[str]]:
    """Hold the gold against what was drawn.

    Args:
        gold: The file, for messages.
        ids: Of the gold sentences, (n,).
        probability: Their inclusion probabilities as given, (n,).
        size: Sentences of the population.
        two_stage: Whether documents were drawn first.
        design: The sample's design, if known.
        missing: See `Missing`.

    Returns:
        Inclusion probabilities, and lines for the user.

    Raises:
        DataError: Drawn sentences are missing, and `missing` is `refuse`.
    """
    if design is not None:
        return _by_design(gold, ids, probability, design, missing)
    total = float((1 / probability).sum())
    if two_stage:
        return probability, [
            f"{gold}: documents were drawn first: whether drawn sentences are missing can only be told with the design file "
            "(--design)"
        ]
    short = size - total
    if abs(short) < 0.5 / float(probability.max()):
        return probability, []
    if short < 0:
        return probability, [
            f"warning: {gold}: by the inverse inclusion probabilities the gold stands for {total:.0f} sentences, the predictions "
            f"have {size}; give the predictions that the gold was drawn from, and probabilities with all their digits"
        ]
    lacking = max(1, round(short * len(ids) / total))
    what = (
        f"{gold}: the gold stands for {total:.0f} of the {size} sentences of the predictions: about {lacking} of "
        f"{lacking + len(ids)} sentences that were drawn ({short / size:.1%}) are missing"
    )
    if missing == "random":
        return probability * total / size, [f"{what}; they count as missing at random"]
    if short > ROUNDED * size:
        raise DataError(f"{what}, so that the inclusion probabilities are wrong; {_REMEDY}")
    return probability, [f"warning: {what}, or the probabilities are rounded; code them too"]


def _by_design(
    gold: str | Path, ids: Sequence[str], probability: FloatArray, design: Design, missing: Missing
) -> tuple[FloatArray, list[str]]:
    drawn = {row.id: row for row in design.rows}
    known = [drawn.get(identity) for identity in ids]
    told = []
    if other := sum(row is None for row in known):
        told.append(f"warning: {gold}: {other} sentences of the gold are not of this sample")
    if changed := sum(
        row is not None and abs((row.inclusion_probability or 0.0) - p) > 1e-6
        for row, p in zip(known, probability.tolist(), strict=True)
    ):
        told.append(
            f"warning: {gold}: {changed} sentences of the gold have another inclusion probability than in this sample"
        )
    given = Counter(row.stratum for row in known if row is not None)
    wanted = Counter(row.stratum for row in design.rows)
    if not (lacking := wanted.total() - given.total()):
        return probability, told
    by_stratum = {name: wanted[name] - given[name] for name in wanted if wanted[name] > given[name]}
    most = "; ".join(f"{n} of {wanted[name]} in stratum {name}" for name, n in Counter(by_stratum).most_common(5))
    what = f"{gold}: {lacking} of {len(drawn)} sentences that were drawn are not in the gold ({most})"
    if missing == "refuse":
        raise DataError(f"{what}; the inclusion probabilities are true of the whole sample alone: {_REMEDY}")
    part = np.array([1.0 if row is None else given[row.stratum] / wanted[row.stratum] for row in known])
    return probability * part, [*told, f"{what}; they count as missing at random within strata"]
