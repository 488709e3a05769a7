"""Check that the gold contains every sentence that was drawn. The inclusion probabilities are valid only for the whole sample.

With the design file, missing sentences are found by their ids. Without it, the inverse probabilities are added up. In simple and
stratified samples, their sum equals the number of sentences in the population. If it is smaller, sentences are missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from ..errors import DataError
from ..reporting.format import counted
from ..sampling.design import Design
from .sample import FloatArray

#: What to do if drawn sentences are missing from the gold. `refuse` raises an error. `random` treats the sentences that are present
#: as a random part of the drawn ones (of their stratum, if the design is known), and lowers their probabilities accordingly.
Missing = Literal["refuse", "random"]

#: Proportion of the population that can be missing without an error. Rounding probabilities to three digits has such an effect.
ROUNDED = 0.005

_REMEDY = (
    "Code the missing sentences too. If they are missing for reasons unrelated to the labels, use --missing random, which lowers "
    "the probabilities accordingly"
)

_LEFT_OUT = "If `communique sample` left sentences out of the population, name its design file with --design"

#: What to say if every gold sentence has a label. Coders who mark only the labels that apply leave the other sentences blank.
_ONLY_LABELS = (
    "every gold sentence has a label. If coders left sentences without a label blank, these are not missing at random, and the "
    "labels would seem far too frequent. Answer 'no' in the blank rows of the sheet (or write 'none'), and run communique agree "
    "again"
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
    only_labels: bool = False,
) -> tuple[FloatArray, list[str]]:
    """Compare the gold with the sample that was drawn.

    Args:
        gold: The gold file, for messages.
        ids: Ids of the gold sentences, (n,).
        probability: Inclusion probabilities of the gold sentences, as read from the file, (n,).
        size: Number of sentences in the population.
        two_stage: Whether documents were drawn first.
        design: The design of the sample, if known.
        missing: What to do if sentences are missing, see `Missing`.
        only_labels: Whether every gold sentence has a label although sentences without one are possible.

    Returns:
        Inclusion probabilities, lowered if sentences are missing, and lines for the user.

    Raises:
        DataError: Drawn sentences are missing, and `missing` is `refuse`.
    """
    remedy = _ONLY_LABELS[0].upper() + _ONLY_LABELS[1:] if only_labels else _REMEDY
    doubt = [f"warning: {gold}: {_ONLY_LABELS}"] if only_labels else []
    if design is not None:
        return _by_design(gold, ids, probability, design, missing, remedy, doubt)
    total = float((1 / probability).sum())
    if two_stage:
        return probability, [
            f"{gold}: the sample was drawn in two stages, so missing sentences can be found only with the design file. Name it "
            "with --design"
        ]
    short = size - total
    if abs(short) < 0.5 / float(probability.max()):
        return probability, []
    if short < 0:
        return probability, [
            f"warning: {gold}: according to its inclusion probabilities, the gold represents {total:.0f} sentences, but the "
            f"predictions have {size}. Use the predictions that the gold was drawn from, and probabilities with all their digits"
        ]
    lacking = max(1, round(short * len(ids) / total))
    what = (
        f"{gold}: the gold represents only {total:.0f} of the {size} sentences of the predictions. About {lacking} of "
        f"{lacking + len(ids)} drawn sentences ({short / size:.1%}) {'is' if lacking == 1 else 'are'} missing"
    )
    if missing == "random":
        return probability * total / size, [*doubt, f"{what}. The estimates assume that they are missing at random"]
    if short > ROUNDED * size:
        raise DataError(f"{what}, so the inclusion probabilities are wrong. {remedy}. {_LEFT_OUT}")
    return probability, [f"warning: {what}, or the probabilities are rounded. Code the missing sentences too"]


def _by_design(
    gold: str | Path,
    ids: Sequence[str],
    probability: FloatArray,
    design: Design,
    missing: Missing,
    remedy: str,
    doubt: Sequence[str],
) -> tuple[FloatArray, list[str]]:
    drawn = {row.id: row for row in design.rows}
    known = [drawn.get(identity) for identity in ids]
    lines = []
    if other := sum(row is None for row in known):
        lines.append(
            f"warning: {gold}: {counted(other, 'sentence of the gold is', 'sentences of the gold are')} not in the sample"
        )
    if changed := sum(
        row is not None and abs((row.inclusion_probability or 0.0) - p) > 1e-6
        for row, p in zip(known, probability.tolist(), strict=True)
    ):
        lines.append(
            f"warning: {gold}: {counted(changed, 'sentence of the gold has', 'sentences of the gold have')} a different inclusion "
            "probability in the design file"
        )
    given = Counter(row.stratum for row in known if row is not None)
    wanted = Counter(row.stratum for row in design.rows)
    if not (lacking := wanted.total() - given.total()):
        return probability, lines
    by_stratum = {name: wanted[name] - given[name] for name in wanted if wanted[name] > given[name]}
    most = "; ".join(f"{n} of {wanted[name]} in stratum {name}" for name, n in Counter(by_stratum).most_common(5))
    verb = "is" if lacking == 1 else "are"
    what = f"{gold}: {lacking} of {len(drawn)} sentences that were drawn {verb} missing from the gold ({most})"
    if missing == "refuse":
        raise DataError(f"{what}. The inclusion probabilities are valid only for the whole sample. {remedy}")
    part = np.array([1.0 if row is None else given[row.stratum] / wanted[row.stratum] for row in known])
    return probability * part, [
        *lines,
        *doubt,
        f"{what}. The estimates assume that they are missing at random within strata",
    ]
