"""Write the methods paragraph and the replication appendix from the analysis that was run."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from .. import __version__
from ..data.codebook import Codebook
from ..models.info import ModelInfo
from ..reporting.render import render
from .analysis import Analysis


@dataclass(frozen=True)
class Provenance:
    """What the appendix reports besides the analysis: the model, the design of the sample, and the agreement of the coders."""

    model: ModelInfo | None = None
    sampling: Sequence[str] = ()
    agreement: str | None = None


def paragraph(analysis: Analysis, codebook: Codebook, provenance: Provenance) -> str:
    """Write the methods paragraph as one line of text."""
    sample = analysis.coded.sample
    low, high = sample.probability.min(), sample.probability.max()
    families = Counter(one.family for one in analysis.contrasts)
    return render(
        "methods_paragraph.md.jinja",
        analysis=analysis,
        coded=analysis.coded,
        codebook=codebook,
        model=provenance.model,
        gold_documents=len(set(sample.gold_documents.tolist())),
        probabilities=f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}",
        rates={(rate.rate, rate.label): rate.estimate for rate in analysis.rates if rate.level == "all"},
        doubtful=[share for share in analysis.shares if share.warnings],
        families={family: n // len(analysis.coded.labels) for family, n in families.items()},
        trends=any(family.startswith("trend") for family in families),
    ).strip()


def methods(analysis: Analysis, codebook: Codebook, provenance: Provenance) -> str:
    """Write the methods paragraph and the appendix as Markdown."""
    sample = analysis.coded.sample
    return render(
        "methods.md.jinja",
        analysis=analysis,
        coded=analysis.coded,
        codebook=codebook,
        model=provenance.model,
        provenance=provenance,
        paragraph=paragraph(analysis, codebook, provenance),
        doubtful=[share for share in analysis.shares if share.warnings],
        files=[(Path(name).name, sha256) for name, sha256 in analysis.coded.files.items()],
        strata=len(set(sample.strata.tolist())),
        software={
            "communique": __version__,
            "Python": platform.python_version(),
            **{name: metadata.version(name) for name in ("numpy", "scipy")},
        },
    )
