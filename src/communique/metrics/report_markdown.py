"""A report as Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..reporting.format import table
from .bootstrap import MIN_CLUSTERS
from .slices import KINDS

if TYPE_CHECKING:
    from .report import GroupScores, LabelScores, Report, ScoreCI, ShareError

#: What stands above the table of some kinds of groups.
HEADS = {
    "sampling": "By how rows were drawn. Rows picked on purpose are no sample of the text; read shares and calibration from "
    "random ones.",
    "length": "By length: thirds of the texts of each language, by characters.",
}

#: Signs of a cell with few gold rows.
FEW_GOLD_MARK = "†"


def marked(scores: LabelScores, value: ScoreCI) -> str:
    """Write a score, marked where few gold rows carry the label."""
    return f"{value}{FEW_GOLD_MARK}" if scores.few and str(value) != "–" else str(value)


def render(report: Report) -> str:
    """Write all tables of a report."""
    from .report import MIN_GOLD

    overall = report.overall
    lines = [
        f"{overall.n} sentences, {overall.documents} documents: {report.data}. In brackets: 95 % intervals, expanded percentiles "
        f"of {report.resamples} bootstrap samples of documents (seed {report.seed}), for average precision on its log-odds; "
        f"[–]: fewer than {MIN_CLUSTERS} documents, or no difference between them, from which an interval could come. "
        f"–: not defined. {FEW_GOLD_MARK}: fewer than {MIN_GOLD} gold rows, not ranked.",
        "",
        *_overall(overall),
    ]
    if report.weighted:
        lines += [
            "",
            f"Each row counted by its `weight` (design-weighted; as informative as {report.effective_n:.0f} rows of equal weight):",
            "",
            *_overall(report.weighted[0]),
        ]
    for kind in KINDS:
        groups = [group for group in report.groups if group.kind == kind]
        weighted = [group for group in report.weighted if group.kind == kind]
        if groups:
            lines += _kind(kind, report.labels, groups, weighted)
            if without := overall.n - sum(group.n for group in groups):
                lines += ["", f"{without} sentences have no {kind}."]
    return "\n".join([*lines, *_shares(report)]) + "\n"


def _overall(group: GroupScores) -> list[str]:
    rows: list[list[object]] = [
        [
            s.label,
            s.gold,
            s.predicted,
            s.prevalence,
            *(marked(s, v) for v in (s.precision, s.recall, s.f1, s.average_precision, s.mcc)),
        ]
        for s in group.labels
    ]
    averages = {
        "macro-F1": group.macro_f1,
        "micro-F1": group.micro_f1,
        "F1 weighted by gold": group.weighted_f1,
        "F1 of a sentence's labels": group.sample_f1,
        "exact match": group.exact_match,
    }
    head = ["label", "gold", "given", "share in gold", "precision", "recall", "F1", "average precision", "MCC"]
    lines = table(head, rows)
    lines += [
        "",
        *table(["over all labels", "value"], ([f"**{name}**", f"**{value}**"] for name, value in averages.items())),
    ]
    if group.left_out:
        lines += ["", f"Left out of macro-F1, for no gold and no guess: {', '.join(group.left_out)}."]
    return lines


def _kind(
    kind: str, labels: Sequence[str], groups: Sequence[GroupScores], weighted: Sequence[GroupScores]
) -> list[str]:
    head = [kind, "sentences", "documents", "macro-F1", *(["macro-F1, weighted"] if weighted else [])]
    head += [f"{label} F1 (gold)" for label in labels] + ["exact match"]
    rows = [
        [
            group.name,
            group.n,
            group.documents,
            group.macro_f1,
            *([weighted[i].macro_f1] if weighted else []),
            *(f"{marked(s, s.f1)} ({s.gold})" for s in group.labels),
            group.exact_match,
        ]
        for i, group in enumerate(groups)
    ]
    lines = ["", *([HEADS[kind], ""] if kind in HEADS else []), *table(head, rows)]
    left_out = [f"{g.name}: {', '.join(g.left_out)}" for g in groups if g.left_out]
    if left_out:
        lines += ["", f"Left out of a mean, for no gold and no guess: {'; '.join(left_out)}."]
    if kind in ("language", "source", "genre"):
        lines += _ranking(labels, groups)
    return lines


def _ranking(labels: Sequence[str], groups: Sequence[GroupScores]) -> list[str]:
    parts = []
    for i, label in enumerate(labels):
        ranked = sorted((g for g in groups if g.labels[i].rank is not None), key=lambda g: g.labels[i].rank or 0)
        if len(ranked) > 1:
            best, worst = ranked[0], ranked[-1]
            parts.append(
                f"{label} best in {best.name} ({best.labels[i].f1.value:.3f}), worst in {worst.name} "
                f"({worst.labels[i].f1.value:.3f}), of {len(ranked)} ranked"
            )
    return ["", f"F1 of {'; '.join(parts)}."] if parts else []


def _shares(report: Report) -> list[str]:
    by_group: dict[tuple[str, str], list[ShareError]] = {}
    for share in report.shares:
        by_group.setdefault((share.kind, share.name), []).append(share)
    if not by_group:
        return []
    head = ["group", "sentences", "documents", *(f"{label}: gold, given, error" for label in report.labels)]
    rows = [
        [
            name if kind == "all" else f"{kind} {name}",
            shares[0].n,
            shares[0].documents,
            *(f"{s.gold:.3f}, {s.predicted:.3f}, {signed(s.error)}" for s in shares),
        ]
        for (kind, name), shares in by_group.items()
    ]
    lines = [
        "",
        f"Error of shares (share given minus share in gold), of {report.shares_basis}:",
        "",
        *table(head, rows),
    ]
    if report.weighted:
        overall = "; ".join(
            f"{s.label} {signed(s.weighted_error)}"
            for s in report.shares
            if s.kind == "all" and s.weighted_error is not None
        )
        lines += ["", f"The same of all rows by their `weight`: {overall}."]
    return lines


def signed(value: ScoreCI | None) -> str:
    """Write a difference with its sign."""
    if value is None or math.isnan(value.value):
        return "–"
    if math.isnan(value.low):
        return f"{value.value:+.3f} [–]"
    return f"{value.value:+.3f} [{value.low:+.3f}, {value.high:+.3f}]"
