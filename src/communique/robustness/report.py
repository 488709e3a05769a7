"""The results of the robustness tests, as plain values and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..metrics.bootstrap import MIN_CLUSTERS
from ..metrics.report import ScoreCI
from ..reporting.format import without_nan
from ..reporting.render import render

#: Minimum proportion of unchanged decisions. Cells below it are listed in the summary.
WANTED = 0.97

#: Minimum number of cases for a rate. Rates with fewer cases are marked and not ranked.
MIN_CASES = 10

#: Name of the group that contains all languages.
ALL = "all"


@dataclass(frozen=True)
class Stability:
    """How stable the decisions on one label are under one change of the texts.

    `texts` is the number of changed texts, which come from `sentences` sentences in `documents` documents. `kept` is the proportion
    of decisions that stay the same. `given` is the number of texts with the label before the change, and `kept_given` the
    proportion of those that keep it. `change` is the mean absolute change of the probability.
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
        """Whether there are too few sentences to draw a conclusion."""
        return self.sentences < MIN_CASES


@dataclass(frozen=True)
class NameEffect:
    """How often a name changes a decision when it replaces another name.

    `draws` is the number of draws of the name, in `sentences` sentences of `documents` documents. `share` is the proportion of
    draws that change a decision. Its interval takes into account that draws are clustered in documents (see
    `measure.clustered_share`). Names are ranked by the lower end of the interval, which is low for names with few draws.
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
        """Whether there are too few sentences or documents to rank the name."""
        return self.sentences < MIN_CASES or self.documents < MIN_CLUSTERS


@dataclass(frozen=True)
class ActorErrors:
    """Error rates on the sentences that name an actor. `code` is empty for sentences that name none, and `*` for all sentences.

    `negatives` and `positives` are the numbers of sentences without and with the label in gold. `false_positive` is the proportion
    of the negatives for which the model predicted the label, and `false_negative` the proportion of the positives for which it did
    not.
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

    `coverage` contains the number of sentences by language that were `swapped`, or were not swapped for one of several reasons.
    `names` is ordered by the lower end of the interval; names with too few sentences or documents come last. `rare_names` is the
    number of names that were left out because they were drawn fewer than `MIN_CASES` times, and `rare_actors` the number of actors
    that were left out because fewer than `MIN_CASES` sentences name them.
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
        """Return a cell, such as `("actor swap", "all", "criticism")`.

        Raises:
            KeyError: There is no such cell.
        """
        for cell in self.stability:
            if (cell.test, cell.language, cell.label) == (test, language, label):
                return cell
        raise KeyError(f"there is no cell {test!r}, {language!r}, {label!r}")

    def below(self, wanted: float = WANTED) -> list[Stability]:
        """Return the cells in which the proportion of unchanged decisions is below `wanted`."""
        return [cell for cell in self.stability if cell.kept.value < wanted]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON. Undefined values are None."""
        plain: dict[str, Any] = without_nan(asdict(self))
        return plain | {"wanted": WANTED, "below": without_nan([asdict(cell) for cell in self.below()])}

    def to_markdown(self, names: int = 15) -> str:
        """Write the result as Markdown.

        Args:
            names: Maximum number of names to list.
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
