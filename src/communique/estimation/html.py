"""Write the results as one HTML page that needs no other file and no connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from .. import __version__
from ..data.codebook import Codebook
from ..reporting.render import render
from . import figures
from .analysis import METHODS, Analysis, Share
from .contrasts import Contrast
from .report import Provenance, paragraph

#: Largest number of rows that a table shows without a click.
UNFOLDED = 40


@dataclass(frozen=True)
class Table:
    """A table of proportions: its heading, its rows with their figures, and whether it is shown without a click."""

    heading: str
    rows: list[tuple[Share, Markup]]
    unfolded: bool


def render_html(analysis: Analysis, codebook: Codebook, provenance: Provenance) -> str:
    """Write the report as an HTML page: warnings, proportions with figures, comparisons, and the methods paragraph.

    The page shows one estimate per group: the corrected one. It loads nothing from outside.
    """
    coded = analysis.coded
    families: dict[str, list[Contrast]] = {}
    for one in analysis.contrasts:
        families.setdefault(one.family, []).append(one)
    numeric = [c for c in analysis.columns if coded.columns[c].numbers is not None and len(coded.columns[c].levels) > 2]
    return render(
        "estimates.html",
        analysis=analysis,
        coded=coded,
        codebook=codebook,
        method=METHODS[analysis.corrected],
        sections=[
            (label, _tables(analysis, label), [(c, figures.over(analysis, label, c)) for c in numeric])
            for label in coded.labels
        ],
        families=families,
        unfolded=UNFOLDED,
        rates=[rate for rate in analysis.rates if rate.level == "all"],
        paragraph=paragraph(analysis, codebook, provenance),
        version=__version__,
    )


def _tables(analysis: Analysis, label: str) -> list[Table]:
    shares = [share for share in analysis.shares if share.label == label]
    end = figures.upper_end([share.methods[analysis.corrected] for share in shares])
    levels = dict.fromkeys(share.level for share in shares if share.level != "all")
    if not levels:
        return [_table("All sentences", shares, analysis.corrected, end)]
    headings = {level: "By " + (", ".join(analysis.columns) if level == "cell" else level) for level in levels}
    everything = [share for share in shares if share.level == "all"]
    return [
        _table(heading, [*everything, *(share for share in shares if share.level == level)], analysis.corrected, end)
        for level, heading in headings.items()
    ]


def _table(heading: str, shares: Sequence[Share], method: str, end: float) -> Table:
    rows = [(share, figures.bar(share.methods[method], end, hollow=bool(share.warnings))) for share in shares]
    return Table(heading, rows, len(rows) <= UNFOLDED)
