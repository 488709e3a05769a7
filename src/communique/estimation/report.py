"""The methods paragraph and the replication appendix, from what was actually done."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from .. import __version__
from ..data.codebook import Codebook
from ..models.info import ModelInfo
from ..reporting.format import table
from .analysis import Analysis

_METHODS = {
    "ppi": "prediction-powered inference with power tuning (PPI++; Angelopoulos, Duchi and Zrnic 2023)",
    "dsl": "design-based supervised learning (DSL; Egami, Hinck, Stewart and Wei 2023)",
}
_SAMPLINGS = {
    "simple": "simple random sampling of sentences",
    "stratified": "stratified random sampling of sentences",
    "two-stage": "two-stage sampling (documents, then sentences within them)",
}
_TARGETS = {
    "finite-population": "Shares refer to the sentences of this corpus; the only randomness counted is that of drawing the sample",
    "superpopulation": (
        "Shares refer to the process that produced the corpus: documents count as drawn at random, and standard errors are "
        "clustered by document"
    ),
}


@dataclass(frozen=True)
class Provenance:
    """What the appendix tells beside the analysis: the model, how the sample was drawn, how far the coders agreed."""

    model: ModelInfo | None = None
    sampling: Sequence[str] = ()
    agreement: str | None = None


def methods(analysis: Analysis, codebook: Codebook, provenance: Provenance) -> str:
    """Write the methods paragraph and the appendix as Markdown."""
    return "\n".join(
        [
            "# Methods",
            "",
            _paragraph(analysis, codebook, provenance),
            "",
            "# Replication appendix",
            "",
            *_appendix(analysis, codebook, provenance),
        ]
    )


def _paragraph(analysis: Analysis, codebook: Codebook, provenance: Provenance) -> str:
    coded = analysis.coded
    sample = coded.sample
    n, size = len(sample.gold), len(coded.ids)
    how = " and ".join(f"{_SAMPLINGS[name]} ({count})" for name, count in coded.sampling.items())
    low, high = sample.probability.min(), sample.probability.max()
    chances = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
    info = provenance.model
    model = f"the model {info.name}, version {info.version}," if info else "a model"
    coders = f" by {len(coded.coders)} coders" if len(coded.coders) > 1 else " by one coder" if coded.coders else ""
    corrected = "PPI++" if analysis.corrected == "ppi" else "DSL"
    lambdas = ", ".join(f"{value:.2f} for {label}" for label, value in analysis.lambdas.items())
    sentences = [
        f"We labelled {size} sentences of {sample.n_documents} documents with {model} by the codebook {codebook.name}, version "
        f"{codebook.version} ({', '.join(coded.labels)}).",
        f"Because a model's labels are not free of error, {n} sentences of {len(set(sample.gold_documents.tolist()))} documents "
        f"were drawn by {how} with known inclusion probabilities ({chances}) and coded{coders} by the same codebook.",
        f"Shares and their 95 % intervals were estimated from the model's probabilities and the coded sample by "
        f"{_METHODS[analysis.corrected]}" + (f", with lambda {lambdas}." if analysis.corrected == "ppi" else "."),
        f"{_TARGETS[analysis.target]}; intervals use Student's t with Satterthwaite degrees of freedom.",
    ]
    if analysis.contrasts:
        sentences.append(
            f"Differences between groups and linear trends (least-squares slopes through the groups' shares, each group weighing "
            f"the same) were estimated with {corrected}; p-values were corrected within each family of comparisons by Holm's "
            "method."
        )
    if analysis.regressions:
        errors = (
            "standard errors clustered by document"
            if analysis.target == "superpopulation"
            else "design-based standard errors"
        )
        sentences.append(
            f"Linear and logistic regressions of the labels solve the moment equations of DSL, with {errors}."
        )
    overall = {rate.rate + rate.label: rate for rate in analysis.rates if rate.level == "all"}
    rates = "; ".join(
        f"{label}: sensitivity {overall['sensitivity' + label].estimate.text()}, "
        f"specificity {overall['specificity' + label].estimate.text()}"
        for label in coded.labels
    )
    sentences.append(f"Against the coded sample the model's error rates were, with 95 % intervals: {rates}.")
    if doubtful := sum(bool(share.warnings) for share in analysis.shares):
        sentences.append(f"{doubtful} estimates are doubtful for reasons given in the appendix.")
    return " ".join(sentences)


def _appendix(analysis: Analysis, codebook: Codebook, provenance: Provenance) -> list[str]:
    coded, info = analysis.coded, provenance.model
    lines = [
        f"- Codebook: {codebook.name}, version {codebook.version}, SHA-256 `{codebook.sha256}`",
        f"- Unit (here called sentence): {codebook.unit}",
        f"- Model: {info.name}, version {info.version}, commit `{info.commit}`"
        if info
        else "- Model: not named (`--model`)",
        *(f"- Model file `{name}`: SHA-256 `{value}`" for name, value in (info.files if info else {}).items()),
        *(f"- Data `{Path(name).name}`: SHA-256 `{value}`" for name, value in coded.files.items()),
        f"- Sampling: {', '.join(f'{name} {count}' for name, count in coded.sampling.items())}; "
        f"{len(set(coded.sample.strata.tolist()))} strata",
        *(f"- Design: {line}" for line in provenance.sampling),
        f"- Target: {analysis.target}; estimator of contrasts and figures: {analysis.corrected}; "
        f"seed of DSL's folds: {analysis.seed}",
        f"- Software: communique {__version__}, Python {platform.python_version()}, "
        + ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "scipy")),
        "",
        "## Error rates of the model",
        "",
        *table(
            ("label", "group", "rate", "estimate [95 % interval]", "gold sentences"),
            ((r.label, r.group, r.rate, r.estimate.text(), r.gold) for r in analysis.rates),
        ),
        "",
        "## Agreement of the coders",
        "",
        provenance.agreement.strip() if provenance.agreement else "Not given (`--agreement`).",
        "",
        "## Shares",
        "",
        *table(
            (
                *("label", "group", "naive", "gold alone", "PPI++", "DSL"),
                *("sentences (documents)", "gold (documents, with label)"),
            ),
            (
                (
                    *(s.label, s.group, *(s.methods[m].text() for m in ("naive", "gold", "ppi", "dsl"))),
                    *(f"{s.n} ({s.documents})", f"{s.gold} ({s.gold_documents}, {s.positives})"),
                )
                for s in analysis.shares
            ),
        ),
        "",
        "The naive share takes the model's labels for the truth; it is biased, and its interval does not know of that.",
    ]
    told = [
        *(
            f"- doubtful: {s.label}, {s.group}: {'; '.join(d.text for d in s.warnings)}"
            for s in analysis.shares
            if s.warnings
        ),
        *(f"- left out for want of gold: {name}" for name in analysis.left_out),
        *(f"- {line}" for line in analysis.notes),
    ]
    return [*lines, "", "## Doubts and assumptions", "", *(told or ["None."]), ""]
