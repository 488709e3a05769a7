"""An evaluation as one self-contained HTML file. Needs jinja2 and matplotlib, of the extra `analysis`."""

from __future__ import annotations

import math
from typing import Any

from .. import __version__
from ..errors import require_extra
from ..metrics.bootstrap import MIN_CLUSTERS
from ..metrics.report import MIN_GOLD
from ..metrics.report_markdown import FEW_GOLD_MARK, HEADS, signed
from ..metrics.slices import KINDS
from . import plots
from .evaluate import Evaluation

#: Template inside the package, and lines of a plot beyond which groups are shown as a table alone.
TEMPLATE, MAX_LINES = "report.html", 40


def render(evaluation: Evaluation, *, texts: bool = True) -> str:
    """Write the report as HTML: tables, plots inside, no link to anything outside.

    Args:
        evaluation: What to show.
        texts: Whether the sentences of the errors that cost most are shown.

    Raises:
        MissingExtraError: jinja2 or matplotlib is not installed.
    """
    for package in ("jinja2", "matplotlib"):
        require_extra(package, "an HTML report", extra="analysis")
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("communique.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"value": str, "signed": signed, "number": _number}
    report, diagnostics = evaluation.report, evaluation.diagnostics
    kinds = []
    for kind in KINDS:
        groups = [g for g in report.groups if g.kind == kind]
        if groups:
            weighted = [g for g in report.weighted if g.kind == kind]
            plot = Markup(plots.scores_by_group(groups, kind)) if 1 < len(groups) <= MAX_LINES else None
            kinds.append({"name": kind, "head": HEADS.get(kind), "groups": groups, "weighted": weighted, "plot": plot})
    return environment.get_template(TEMPLATE).render(
        evaluation=evaluation,
        info=evaluation.info,
        report=report,
        overall=report.overall,
        kinds=kinds,
        diagnostics=diagnostics,
        shares=_shares(evaluation),
        share_plot=Markup(plots.share_errors(*_plotted_shares(evaluation))),
        reliability=Markup(plots.reliability(diagnostics.calibration)),
        curves=Markup(plots.thresholds(diagnostics.curves)) if diagnostics.curves else None,
        texts=texts,
        mark=FEW_GOLD_MARK,
        min_gold=MIN_GOLD,
        min_clusters=MIN_CLUSTERS,
        version=__version__,
    )


def _shares(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Group the errors of shares by line of their table."""
    lines: dict[tuple[str, str], dict[str, Any]] = {}
    for share in evaluation.report.shares:
        name = "all" if share.kind == "all" else f"{share.kind} {share.name}"
        line = lines.setdefault(
            (share.kind, share.name), {"name": name, "n": share.n, "documents": share.documents, "cells": []}
        )
        line["cells"].append(share)
    return list(lines.values())


def _plotted_shares(evaluation: Evaluation) -> tuple[list[Any], tuple[str, ...]]:
    """Choose the lines of the plot of shares: all of them, or the first kinds where they are too many."""
    report = evaluation.report
    chosen = [s for s in report.shares if s.kind == "all"]
    for kind in KINDS:
        more = [s for s in report.shares if s.kind == kind]
        if len(chosen) + len(more) <= MAX_LINES * len(report.labels):
            chosen += more
    return chosen, report.labels


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"
