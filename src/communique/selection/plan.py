"""Decide how many folds of each candidate are computed, so that a comparison does not take too long."""

from __future__ import annotations

from collections.abc import Sequence

from ..data.corpus import Corpus
from ..reporting.format import quantity
from ..reporting.progress import ProgressReporter
from .candidates import Candidate

#: Maximum duration of a comparison in seconds. If it would take longer, slow candidates are compared on `SCREENED` folds only.
LIMIT, SCREENED = 1800.0, 2

#: A candidate is slow if a single fit takes more seconds than this.
COSTLY = 60.0


def plan_folds(
    corpus: Corpus,
    candidates: Sequence[Candidate],
    folds: int,
    progress: ProgressReporter,
    *,
    limit: float = LIMIT,
    max_folds: int | None = None,
) -> tuple[list[int], list[str]]:
    """Estimate how long the candidates take and report it. Return the number of folds of each, and lines for the report.

    The lines include the candidates' own warnings, because encoders are loaded once durations are measured.

    Args:
        corpus: Labelled rows.
        candidates: The candidates.
        folds: Number of folds.
        progress: Where the duration is reported.
        limit: Seconds that the comparison may take. If it would take longer, slow candidates are compared on `SCREENED` folds.
        max_folds: Number of folds for slow candidates, whatever the limit. Default: it depends on the limit.
    """
    numbers = [folds] * len(candidates)
    notes: list[str] = []
    progress.say("measuring how long the comparison will take")
    durations = [one.estimate(corpus) for one in candidates]
    # Encoders with the same tokenizer have the same warnings.
    notes += dict.fromkeys(line for one in candidates for line in one.warnings(corpus))
    for line in notes:
        progress.say(line)
    # One more fit is needed to train the final model.
    seconds = [each.of(folds + 1) for each in durations]
    fewer = max_folds or SCREENED
    if (max_folds or sum(seconds) > limit) and folds > fewer:
        for i, (one, each) in enumerate(zip(candidates, durations, strict=True)):
            if each.fit <= COSTLY:
                continue
            notes.append(
                f"{one.name} was compared on {fewer} of {folds} folds only, because {folds} folds would have taken about "
                f"{quantity(each.of(folds) / 60)} minutes."
            )
            numbers[i], seconds[i] = fewer, each.of(fewer + 1)
    shown = ", ".join(
        f"{one.name} {quantity(value / 60)}" + (f" on {number} of {folds} folds" if number < folds else "")
        for one, value, number in zip(candidates, seconds, numbers, strict=True)
    )
    progress.say(
        f"comparing {len(candidates)} classifiers on {len(corpus)} rows from {len(corpus.documents)} documents takes about "
        f"{quantity(sum(seconds) / 60)} minutes ({shown})"
    )
    progress.expect(sum(seconds))
    return numbers, notes
