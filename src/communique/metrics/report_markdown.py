"""Render a report as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..reporting.render import render
from .bootstrap import MIN_CLUSTERS
from .report import MIN_GOLD, GroupScores, Report, ShareError
from .slices import KINDS

#: Kinds of groups whose members are compared with each other.
RANKED = ("language", "source", "genre")


@dataclass(frozen=True)
class Ranking:
    """The groups with the highest and the lowest F1 of a label, among `n` ranked groups."""

    label: str
    best: str
    highest: float
    worst: str
    lowest: float
    n: int


@dataclass(frozen=True)
class Kind:
    """The groups of one kind, such as languages. `without` is the number of sentences that are in no group."""

    name: str
    groups: Sequence[GroupScores]
    weighted: Sequence[GroupScores]
    rankings: Sequence[Ranking]
    without: int

    @property
    def left_out(self) -> list[GroupScores]:
        """The groups whose macro-F1 ignores at least one label."""
        return [group for group in self.groups if group.left_out]


@dataclass(frozen=True)
class ShareLine:
    """The errors of the predicted proportions of all labels in one group."""

    name: str
    n: int
    documents: int
    cells: Sequence[ShareError]


def render_report(report: Report) -> str:
    """Return the report as Markdown."""
    return render(
        "report.md.jinja",
        report=report,
        kinds=list_kinds(report),
        shares=list_shares(report),
        weighted_shares=[s for s in report.shares if s.kind == "all" and s.weighted_error is not None],
        min_clusters=MIN_CLUSTERS,
        min_gold=MIN_GOLD,
    )


def list_kinds(report: Report) -> list[Kind]:
    """Return the kinds of groups that a report contains, in the order of `KINDS`."""
    found = []
    for name in KINDS:
        groups = [group for group in report.groups if group.kind == name]
        weighted = [group for group in report.weighted if group.kind == name]
        if groups:
            without = report.overall.n - sum(group.n for group in groups)
            rankings = _rankings(report.labels, groups) if name in RANKED else []
            found.append(Kind(name, groups, weighted, rankings, without))
    return found


def list_shares(report: Report) -> list[ShareLine]:
    """Return one table row per group, with the errors of the predicted proportions of all labels."""
    by_group: dict[str, list[ShareError]] = {}
    for share in report.shares:
        by_group.setdefault("all" if share.kind == "all" else f"{share.kind} {share.name}", []).append(share)
    return [ShareLine(name, cells[0].n, cells[0].documents, cells) for name, cells in by_group.items()]


def _rankings(labels: Sequence[str], groups: Sequence[GroupScores]) -> list[Ranking]:
    found = []
    for i, label in enumerate(labels):
        ranked = sorted((g for g in groups if g.labels[i].rank is not None), key=lambda g: g.labels[i].rank or 0)
        if len(ranked) > 1:
            best, worst = ranked[0], ranked[-1]
            values = (best.labels[i].f1.value, worst.labels[i].f1.value)
            found.append(Ranking(label, best.name, values[0], worst.name, values[1], len(ranked)))
    return found
