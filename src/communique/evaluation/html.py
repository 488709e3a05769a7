"""Write an evaluation as one self-contained HTML file. Requires matplotlib from the extra `analysis`."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from .. import __version__
from ..errors import require_extra
from ..metrics.bootstrap import MIN_CLUSTERS
from ..metrics.report import MIN_GOLD
from ..metrics.report_markdown import list_kinds, list_shares
from ..metrics.slices import KINDS
from ..reporting.render import render
from . import plots
from .evaluate import Evaluation

#: Name of the template, and maximum number of lines in a plot; larger sets of groups are only shown as a table.
TEMPLATE, MAX_LINES = "report.html", 40


def render_html(evaluation: Evaluation, *, texts: bool = True) -> str:
    """Write the report as an HTML page with tables and plots. The page does not load anything from outside.

    Args:
        evaluation: The evaluation to show.
        texts: Whether to show the sentences of the errors with the largest log loss.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    require_extra("matplotlib", "an HTML report", extra="analysis")
    report, diagnostics = evaluation.report, evaluation.diagnostics
    kinds = list_kinds(report)
    plotted = {
        kind.name: Markup(plots.scores_by_group(kind.groups, kind.name))
        for kind in kinds
        if 1 < len(kind.groups) <= MAX_LINES
    }
    return render(
        TEMPLATE,
        evaluation=evaluation,
        info=evaluation.info,
        report=report,
        overall=report.overall,
        kinds=kinds,
        plots=plotted,
        diagnostics=diagnostics,
        shares=list_shares(report),
        share_plot=Markup(plots.share_errors(*_plotted_shares(evaluation))),
        reliability=Markup(plots.reliability(diagnostics.calibration)),
        curves=Markup(plots.thresholds(diagnostics.curves)) if diagnostics.curves else None,
        texts=texts,
        min_gold=MIN_GOLD,
        min_clusters=MIN_CLUSTERS,
        version=__version__,
    )


def _plotted_shares(evaluation: Evaluation) -> tuple[list[Any], tuple[str, ...]]:
    """Choose the lines of the plot of proportions: all groups, or only the first kinds of groups if there are too many."""
    report = evaluation.report
    chosen = [s for s in report.shares if s.kind == "all"]
    for kind in KINDS:
        more = [s for s in report.shares if s.kind == kind]
        if len(chosen) + len(more) <= MAX_LINES * len(report.labels):
            chosen += more
    return chosen, report.labels
