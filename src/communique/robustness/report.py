"""What a test of robustness found, as plain values and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..metrics.bootstrap import MIN_CLUSTERS
from ..metrics.report import ScoreCI, without_nan
from ..reporting.format import table

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

    def summary(self) -> list[str]:
        """Say line by line what is below the wanted share."""
        below, wanted = self.below(), f"{WANTED:.0%}".replace("%", " %")
        if not self.stability:
            return ["No sentence could be changed: nothing was measured."]
        if not below:
            return [f"At least {wanted} of the decisions stay in every cell."]
        return [f"Fewer than {wanted} of the decisions stay in {len(below)} of {len(self.stability)} cells:"] + [
            f"- {c.test}, {c.language}, {c.label}: {c.kept} of {c.texts} texts ({c.sentences} sentences, "
            f"{c.documents} documents){', too few to conclude' if c.few else ''}"
            for c in below
        ]

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for JSON; what is not defined is None."""
        plain: dict[str, Any] = without_nan(asdict(self))
        return plain | {"wanted": WANTED, "below": without_nan([asdict(cell) for cell in self.below()])}

    def to_markdown(self, names: int = 15) -> str:
        """Write the result as Markdown.

        Args:
            names: How many names to list.
        """
        sentences = sum(n for reasons in self.coverage.values() for n in reasons.values())
        lines = [
            f"{sentences} sentences: {self.data}. In brackets: 95 % intervals, percentiles of {self.resamples} bootstrap samples "
            f"of documents (seed {self.seed}); [–] where there are too few documents, or where no resample differs.",
            "",
            *self.summary(),
            "",
            f"## Actors swapped, up to {self.draws} draws a sentence",
            "",
            *self._coverage(),
        ]
        for test in dict.fromkeys(cell.test for cell in self.stability):
            cells = [cell for cell in self.stability if cell.test == test]
            lines += ["", f"### {test[0].upper()}{test[1:]}", "", *_stability(cells)]
        lines += ["", "## Names that move a decision", "", *self._names(names)]
        lines += ["", "## Errors by the actor named, on gold", "", *self._errors()]
        return "\n".join(lines) + "\n"

    def _coverage(self) -> list[str]:
        reasons = list(dict.fromkeys(reason for counts in self.coverage.values() for reason in counts))
        reasons.sort(key=lambda reason: reason != "swapped")
        return table(
            ["language", "sentences", *reasons],
            (
                [language, str(sum(counts.values())), *(str(counts.get(reason, 0)) for reason in reasons)]
                for language, counts in self.coverage.items()
            ),
        )

    def _names(self, most: int) -> list[str]:
        if not self.names:
            return [f"No name was drawn {MIN_CASES} times."]
        found = table(
            ["name", "draws", "sentences (documents)", "draws that change a decision", "share", *self.labels],
            (
                [
                    e.name,
                    str(e.draws),
                    f"{e.sentences} ({e.documents})" + ("\\*" if e.few else ""),
                    str(e.changed),
                    str(e.share),
                    *(str(e.by_label[label]) for label in self.labels),
                ]
                for e in self.names[:most]
            ),
        )
        ranked = [effect for effect in self.names if not effect.few]
        above = sum(effect.share.low > self.usual_share for effect in ranked)
        return [
            *found,
            "",
            f"Of all draws {self.usual_share:.3f} change a decision; {above} of {len(ranked)} ranked names are above that "
            f"with their whole interval, where chance alone would put about {len(ranked) / 40:.0f}. \\* fewer than {MIN_CASES} "
            f"sentences or {MIN_CLUSTERS} documents, not ranked. {self.rare_names} names with fewer than {MIN_CASES} draws are "
            "left out.",
        ]

    def _errors(self) -> list[str]:
        if not self.errors:
            return ["No labelled sentence that the model has not been trained on."]
        rows = (
            [
                e.name,
                e.label,
                f"{e.sentences} ({e.documents})",
                f"{e.false_positive} of {_count(e.negatives)}",
                f"{e.false_negative} of {_count(e.positives)}",
            ]
            for e in self.errors
        )
        return [
            *table(["actor", "label", "sentences (documents)", "false positive", "false negative"], rows),
            "",
            f"\\* fewer than {MIN_CASES} cases. {self.rare_actors} actors that fewer than {MIN_CASES} sentences name are left out.",
        ]


def _count(n: int) -> str:
    return f"{n}\\*" if n < MIN_CASES else str(n)


def _stability(cells: Sequence[Stability]) -> list[str]:
    return table(
        [
            "language",
            "label",
            "texts",
            "sentences",
            "documents",
            "decisions that stay",
            "of labels given",
            "mean change",
        ],
        (
            [
                cell.language,
                cell.label,
                str(cell.texts),
                _count(cell.sentences),
                str(cell.documents),
                f"**{cell.kept}**" if cell.kept.value < WANTED else str(cell.kept),
                f"{cell.kept_given} of {cell.given}",
                str(cell.change),
            ]
            for cell in cells
        ),
    )
