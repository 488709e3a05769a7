"""What a test of robustness found, as plain values and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..metrics.bootstrap import MIN_CLUSTERS
from ..metrics.report import ScoreCI
from ..reporting.format import without_nan
from ..reporting.render import render

#: Below this share of decisions that stay, a cell is named in the summary.
WANTED = 0.97

#: A rate of fewer cases than this is marked and not ranked.
MIN_CASES = 10

#: Name of the group of all languages.
ALL = "all"


@dataclass(frozen=True)
class Stability:
    """How the decisions on one label fare under one change of the texts.

    `texts` changed texts of `sentences` sentences in `documents` documents are compared. `kept` is the share of decisions
    that stay; `given` texts had the label before, and `kept_given` is the share of those that keep it. `change` is the mean
    absolute change of the probability.
    """

    test: str
    language: str
    label: str
    texts: int
    sentences: int
    documents: int
    kept: ScoreCI
    given: int
    kept_given: ScoreCI
    change: ScoreCI

    @property
    def few(self) -> bool:
        """Whether the sentences are too few to say anything."""
        return self.sentences < MIN_CASES


@dataclass(frozen=True)
class NameEffect:
    """How often a name, put in place of another, changes some decision.

    `draws` are of `sentences` sentences in `documents` documents, over which the interval of `share` is clustered (see
    `measure.clustered_share`). Names are ranked by its lower end, which few draws keep low.
    """

    code: str
    name: str
    draws: int
    sentences: int
    documents: int
    changed: int
    share: ScoreCI
    by_label: Mapping[str, int]

    @property
    def few(self) -> bool:
        """Whether the sentences or documents are too few to rank the name."""
        return self.sentences < MIN_CASES or self.documents < MIN_CLUSTERS


@dataclass(frozen=True)
class ActorErrors:
    """Errors on sentences that name an actor; `code` is empty for those that name none, `*` for all.

    `false_positive` is the share of `negatives` (sentences without the label in gold) that the model gave the label,
    `false_negative` the share of `positives` that it did not give it.
    """

    code: str
    name: str
    label: str
    sentences: int
    documents: int
    positives: int
    negatives: int
    false_positive: ScoreCI
    false_negative: ScoreCI


@dataclass(frozen=True)
class Robustness:
    """The result of `measure`.

    `coverage` counts sentences by language: `swapped`, or the reason why not. `names` are ordered by the lower end of their
    interval, those with too few sentences or documents last; `rare_names` more were drawn fewer than `MIN_CASES` times, and
    `rare_actors` are named by fewer sentences than that: both are left out.
    """

    data: str
    labels: tuple[str, ...]
    seed: int
    draws: int
    resamples: int
    coverage: Mapping[str, Mapping[str, int]]
    stability: tuple[Stability, ...]
    usual_share: float
    names: tuple[NameEffect, ...]
    rare_names: int
    errors: tuple[ActorErrors, ...]
    rare_actors: int

    def cell(self, test: str, language: str, label: str) -> Stability:
        """Find a cell, such as `("actor swap", "all", "criticism")`.

        Raises:
            KeyError: There is none.
        """
        for cell in self.stability:
            if (cell.test, cell.language, cell.label) == (test, language, label):
                return cell
        raise KeyError(f"no cell {test!r}, {language!r}, {label!r}")

    def below(self, wanted: float = WANTED) -> list[Stability]:
        """List the cells whose share of kept decisions is below a wanted one."""
        return [cell for cell in self.stability if cell.kept.value < wanted]

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for JSON; what is not defined is None."""
        plain: dict[str, Any] = without_nan(asdict(self))
        return plain | {"wanted": WANTED, "below": without_nan([asdict(cell) for cell in self.below()])}

    def to_markdown(self, names: int = 15) -> str:
        """Write the result as Markdown.

        Args:
            names: How many names to list.
        """
        reasons = dict.fromkeys(reason for counts in self.coverage.values() for reason in counts)
        ranked = [effect for effect in self.names if not effect.few]
        return render(
            "robustness.md.jinja",
            result=self,
            names=names,
            sentences=sum(n for counts in self.coverage.values() for n in counts.values()),
            reasons=sorted(reasons, key=lambda reason: reason != "swapped"),
            tests={
                test: [cell for cell in self.stability if cell.test == test]
                for test in dict.fromkeys(cell.test for cell in self.stability)
            },
            below=self.below(),
            ranked=len(ranked),
            above=sum(effect.share.low > self.usual_share for effect in ranked),
            wanted=WANTED,
            min_cases=MIN_CASES,
            min_clusters=MIN_CLUSTERS,
        )
