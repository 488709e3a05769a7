"""The model card, made from `bundle.json` alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from ..reporting.format import table

if TYPE_CHECKING:
    from .info import ModelInfo, ParityReport, Score


def render(info: ModelInfo) -> str:
    """Write the card of a model as Markdown with the front matter that model hubs read."""
    front = {
        "license": info.license,
        "language": sorted(language for language in info.training.by_language if language != "und"),
        "library_name": "transformers" if info.kind == "checkpoint" else "communique",
        "pipeline_tag": "text-classification",
        "tags": ["stance-detection", "political-science", "multilingual"],
    }
    sections = [
        f"---\n{yaml.safe_dump(front, sort_keys=False).rstrip()}\n---",
        f"# {info.name} {info.version}",
        info.description.strip(),
        _use(info),
        _labels(info),
        _training(info),
        _scores(info.scores),
        _proof(info.parity),
        "## Limits\n\nLabels of training data are described in the project's `data/README.md`: who gave them, how far they agree, "
        "and what is missing. Scores by language mix language and kind of text. Shares of labels counted from a model's "
        "output are biased by its errors; do not print them as estimates.",
        _provenance(info),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _use(info: ModelInfo) -> str:
    if info.kind == "bundle":
        return (
            "An OpenVINO model with 8-bit weights and activations for CPUs; torch is not needed.\n\n```python\n"
            'from communique import Predictor\n\nPredictor.load("path/to/this/folder").predict(["..."]).labels\n```'
        )
    if info.kind == "baseline":
        return (
            f"The baseline `{info.recipe['baseline']}`: arrays and JSON.\n\n"
            "```python\nfrom communique.load import load_model\n\n"
            'load_model("path/to/this/folder").predict(["..."]).labels\n```'
        )
    function = "sigmoid" if info.multilabel else "softmax"
    return (
        "A stock transformers checkpoint. Temperature is part of the weights, so that probabilities "
        f"({function}) are calibrated as they come.\n\n```python\nfrom transformers import pipeline\n\n"
        'pipeline("text-classification", "path/to/this/folder", top_k=None)(["..."])\n```'
    )


def _labels(info: ModelInfo) -> str:
    lines = [
        "## Labels",
        "",
        f"Codebook {info.codebook_name} {info.codebook_version} (`codebook.yaml`): "
        + ("none, one or several labels a sentence." if info.multilabel else "exactly one label a sentence."),
        "",
    ]
    if info.thresholds is None:
        return "\n".join([*lines, ", ".join(info.labels) + "; the most probable one is given."])
    rows = ((name, f"{threshold:.2f}") for name, threshold in zip(info.labels, info.thresholds, strict=True))
    temperature = "" if info.kind == "checkpoint" else f" Logits are divided by the temperature {info.temperature:.3f}."
    cut = f" Input is cut at {info.max_tokens} tokens." if info.max_tokens else ""
    return "\n".join(
        [
            *lines,
            *table(("label", "given from probability"), rows),
            "",
            f"Thresholds and temperature were tuned on {info.tuned_on} validation sentences.{temperature}{cut}",
        ]
    )


def _training(info: ModelInfo) -> str:
    data = info.training

    def counts(by: dict[str, int]) -> str:
        return ", ".join(f"{name} {n}" for name, n in by.items())

    return "\n".join(
        [
            "## Training data",
            "",
            f"{data.sentences} sentences of {data.documents} documents.",
            "",
            f"- by language: {counts(data.by_language)}",
            f"- by source: {counts(data.by_source)}",
            f"- by label: {counts(data.by_label)}",
            "",
            f"{_method(info)}, seed {info.recipe.get('seed')}, {info.precision}, {info.training_seconds / 60:.0f} minutes. All "
            "settings and hashes of the training texts are in `bundle.json`; an evaluation on any of them is refused.",
        ]
    )


def _method(info: ModelInfo) -> str:
    if info.kind == "baseline":
        return f"Baseline {info.recipe['baseline']}"
    return f"Backbone {info.recipe.get('backbone', 'unknown')}; {info.recipe.get('epochs')} epochs"


def _scores(scores: tuple[Score, ...]) -> str:
    if not scores:
        return ""
    rows = (
        (
            *(s.metric, f"{_number(s.value)} [{_number(s.low)}, {_number(s.high)}]", s.n, s.documents, s.data),
            f"`{s.command}`",
        )
        for s in scores
    )
    return "\n".join(
        [
            "## Scores",
            "",
            "95 % intervals, bootstrap over documents.",
            "",
            *table(("metric", "value", "sentences", "documents", "data", "command"), rows),
        ]
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _proof(parity: ParityReport | None) -> str:
    return "" if parity is None else "## The export held against its checkpoint\n\n" + parity.to_markdown()


def _provenance(info: ModelInfo) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in info.versions.items())
    return f"## Provenance\n\nMade {info.created} at commit {info.commit or 'unknown'} with {versions}. License: {info.license}."
