"""The report: scores of labels against gold, each with its interval and n, as JSON and Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from .codebook import Codebook
from .metrics import (
    RESAMPLES,
    BoolArray,
    indicator,
    interval,
    macro_f1,
    outcome_counts,
    precision_recall_f1,
    resampled_counts,
)
from .statements import Statement


@dataclass(frozen=True)
class Value:
    """A number with its 95 % interval; NaN where it is not defined."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return "–" if math.isnan(self.value) else f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class LabelScores:
    """Scores of one label: how many rows carry it (`gold`), how many the model gave it (`guess`)."""

    label: str
    gold: int
    guess: int
    precision: Value
    recall: Value
    f1: Value


@dataclass(frozen=True)
class GroupScores:
    """Scores within a group of statements. `left_out` names labels with no gold and no guess, which macro-F1 skips."""

    kind: str
    name: str
    n: int
    documents: int
    macro_f1: Value
    labels: tuple[LabelScores, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """Scores overall, by language and by sampling.

    Intervals are percentiles of a bootstrap over documents (see `metrics.resampled_counts`).
    """

    data: str
    labels: tuple[str, ...]
    seed: int
    resamples: int
    groups: tuple[GroupScores, ...]

    #: How groups are formed, in the order of the report: by these fields of `Statement`.
    KINDS: ClassVar[tuple[str, ...]] = ("language", "sampling")

    @classmethod
    def compare(
        cls,
        statements: Sequence[Statement],
        guess: BoolArray,
        codebook: Codebook,
        *,
        data: str,
        seed: int = 0,
        resamples: int = RESAMPLES,
    ) -> Report:
        """Hold guesses against the gold labels of statements.

        Args:
            statements: n labelled statements.
            guess: Decisions (n, k) in the codebook's order.
            codebook: The labels.
            data: What the statements are, in a few words.
            seed: Of the bootstrap.
            resamples: Of the bootstrap.
        """
        gold = indicator(statements, codebook)
        groups = [_group("all", "all", range(len(statements)), statements, gold, guess, codebook, seed, resamples)]
        for kind in cls.KINDS:
            groups += [
                _group(kind, name, rows, statements, gold, guess, codebook, seed, resamples)
                for name, rows in _members(statements, kind)
            ]
        return cls(data, codebook.names, seed, resamples, tuple(groups))

    @property
    def overall(self) -> GroupScores:
        """Scores of all statements together."""
        return self.groups[0]

    def group(self, kind: str, name: str) -> GroupScores:
        """Find a group, such as `("sampling", "random")`.

        Raises:
            KeyError: There is none.
        """
        for group in self.groups:
            if (group.kind, group.name) == (kind, name):
                return group
        raise KeyError(f"no group {kind} {name!r}")

    def to_dict(self) -> dict[str, Any]:
        """Give the report as plain values for JSON; what is not defined is None."""
        plain: dict[str, Any] = _without_nan(asdict(self))
        return plain

    def to_markdown(self) -> str:
        """Write the report as Markdown tables."""
        overall = self.overall
        lines = [
            f"{overall.n} sentences, {overall.documents} documents: {self.data}. In brackets: 95 % intervals, percentiles of "
            f"{self.resamples} bootstrap samples of documents (seed {self.seed}).",
            "",
            "| label | gold | given | precision | recall | F1 |",
            "|---|---|---|---|---|---|",
            *(f"| {s.label} | {s.gold} | {s.guess} | {s.precision} | {s.recall} | {s.f1} |" for s in overall.labels),
            f"| **macro-F1** | | | | | **{overall.macro_f1}** |",
        ]
        for kind in self.KINDS:
            members = [group for group in self.groups if group.kind == kind]
            if members:
                lines += [
                    "",
                    f"| {kind} | sentences | documents | macro-F1 | {' | '.join(f'{label} F1 (gold)' for label in self.labels)} |",
                    f"|---|---|---|---|{'---|' * len(self.labels)}",
                    *(_markdown_row(group) for group in members),
                ]
                left_out = [f"{g.name}: {', '.join(g.left_out)}" for g in members if g.left_out]
                if left_out:
                    lines += ["", f"Left out of a mean, for no gold and no guess: {'; '.join(left_out)}."]
        return "\n".join(lines) + "\n"


def _markdown_row(group: GroupScores) -> str:
    cells = " | ".join(f"{s.f1} ({s.gold})" for s in group.labels)
    return f"| {group.name} | {group.n} | {group.documents} | {group.macro_f1} | {cells} |"


def _members(statements: Sequence[Statement], kind: str) -> list[tuple[str, Sequence[int]]]:
    members: dict[str, list[int]] = {}
    for i, statement in enumerate(statements):
        if (name := getattr(statement, kind)) is not None:
            members.setdefault(name, []).append(i)
    return sorted(members.items())


def _group(
    kind: str,
    name: str,
    rows: Sequence[int],
    statements: Sequence[Statement],
    gold: BoolArray,
    guess: BoolArray,
    codebook: Codebook,
    seed: int,
    resamples: int,
) -> GroupScores:
    chosen = np.asarray(rows, np.int64)
    documents = [(statements[i].source, statements[i].document) for i in rows]
    counts = outcome_counts(gold[chosen], guess[chosen])
    drawn = resampled_counts(gold[chosen], guess[chosen], documents, seed=seed, resamples=resamples)
    scores, drawn_scores = precision_recall_f1(counts), precision_recall_f1(drawn)

    def value(label: int, measure: int) -> Value:
        return Value(float(scores[label, measure]), *interval(drawn_scores[:, label, measure]))

    labels = tuple(
        LabelScores(
            label,
            gold=int(counts[i, 0] + counts[i, 2]),
            guess=int(counts[i, 0] + counts[i, 1]),
            precision=value(i, 0),
            recall=value(i, 1),
            f1=value(i, 2),
        )
        for i, label in enumerate(codebook.names)
    )
    return GroupScores(
        kind,
        name,
        n=len(chosen),
        documents=len(set(documents)),
        macro_f1=Value(float(macro_f1(counts)), *interval(macro_f1(drawn))),
        labels=labels,
        left_out=tuple(s.label for s in labels if s.gold == s.guess == 0),
    )


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value
