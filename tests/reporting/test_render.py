"""Tests of templates: a missing value is an error, HTML is escaped, and names in the data cannot break a table."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from helpers import CODEBOOK, ROOT, has_facts
from jinja2 import UndefinedError

from communique.annotation.agreement_report import AgreementReport, AlphaScore, PairScore
from communique.benchmark.rendering import render_summary
from communique.data.codebook import Codebook
from communique.data.sentence import Sentence
from communique.metrics.report import Report, ScoreCI
from communique.metrics.report_markdown import render_report
from communique.models.card import render_card, render_parity
from communique.models.info import ModelInfo
from communique.models.limits import DomainInfo, GroupLoss, Limits, UsualLength
from communique.reporting.render import environment, render
from communique.robustness.report import ActorErrors, NameEffect, Robustness, Stability

#: A name that would break a table if it were not escaped.
NASTY = "a|b\\|c\nd"

VALUE = ScoreCI(0.5, 0.4, 0.6)
INFO = ModelInfo.model_validate_json((ROOT / "models/communique-small/bundle.json").read_text(encoding="utf-8"))


def assert_tables_are_whole(text: str) -> None:
    """Check that all lines of each table have as many cells as its header, and that some cell contains the nasty name."""
    tables = re.findall(r"(?:^\|.*\n)+", text + "\n", flags=re.MULTILINE)
    assert tables
    for table in tables:
        counts = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(counts) == 1, table
        assert set(table.splitlines()[1]) <= set("| -"), table
    assert "a\\|b\\\\|c d" in text


def test_every_template_compiles() -> None:
    names = environment().list_templates()
    assert {"card.md.jinja", "report.html", "report.md.jinja"} <= set(names)
    for name in names:
        environment().get_template(name)


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="parity"):
        render("parity.md.jinja")


def test_html_is_escaped_and_markdown_is_not() -> None:
    escaped = environment().select_template(["report.html"]).environment.autoescape
    assert callable(escaped)
    assert escaped("report.html")
    assert not escaped("report.md.jinja")


def test_the_card_says_what_is_usual_and_how_much_is_lost_on_the_rest() -> None:
    loss = GroupLoss(group="far", n=60, documents=9, macro_f1=0.5, others=0.6, loss=0.1, low=None, high=None)
    domain = DomainInfo(width=8, dimensions=2, sentences=500, calibrated_on=120, calibrated_by="training")
    limits = Limits(length=UsualLength(low=3, high=40), domain=domain)
    card = render_card(INFO.model_copy(update={"limits": limits}))
    assert has_facts(card, "98 % have 3 to 40 tokens", "120 training sentences, each compared", "was not measured")
    rare = loss.model_copy(update={"group": "rare language", "low": 0.02, "high": 0.2})
    card = render_card(INFO.model_copy(update={"limits": limits.model_copy(update={"losses": (loss, rare)})}))
    assert has_facts(card, "training sentences | 60 | 9 | 0.500 | 0.600 | 0.100 [–] |", "| 0.100 [0.020, 0.200] |")
    assert "Of the training sentences" not in render_card(INFO.model_copy(update={"limits": None}))


@pytest.mark.parametrize(
    ("kind", "tuned_by", "in_weights"),
    [
        ("checkpoint", "validation", True),
        ("checkpoint", "out-of-fold", True),
        ("bundle", "out-of-fold", True),
        ("bundle", "validation", False),
        ("baseline", "out-of-fold", False),
    ],
)
def test_the_card_says_where_the_calibration_is(kind: str, tuned_by: str, in_weights: bool) -> None:
    recipe = INFO.recipe | {"baseline": "tfidf-logreg"}
    card = render_card(INFO.model_copy(update={"kind": kind, "tuned_by": tuned_by, "recipe": recipe, "bias": None}))
    assert ("The temperature and the biases are part of the weights." in card) == in_weights
    assert ("The logits are divided by the temperature 1.000." in card) != in_weights
    assert ("thresholds, the temperature and the biases were tuned" in card) == in_weights


def test_names_cannot_break_the_tables_of_a_model_card() -> None:
    assert INFO.parity is not None
    row = INFO.parity.rows[0].model_copy(update={"group": NASTY, "label": NASTY})
    parity = INFO.parity.model_copy(update={"rows": (row,)})
    score = INFO.scores[0].model_copy(update={"data": NASTY, "command": f"communique export {NASTY}"})
    labels = (NASTY, *INFO.labels[1:])
    assert_tables_are_whole(render_card(INFO.model_copy(update={"scores": (score,), "parity": None, "labels": labels})))
    assert_tables_are_whole(render_parity(parity))
    assert "too high to say how good it is" in render_parity(parity)


def test_names_cannot_break_the_tables_of_a_report() -> None:
    book = Codebook.model_validate(CODEBOOK)
    sentences = [
        Sentence(f"s{i}", "text " * (i % 7 + 1), f"d{i // 3}", language="en", labels=book.names[: i % 3], source=NASTY,
                 genre=("speech", NASTY)[i % 2], weight=1.0 + i % 2)
        for i in range(60)
    ]  # fmt: skip
    predicted = np.random.default_rng(0).random((60, len(book.names))) < 0.5
    report = Report.compare(sentences, predicted, book, data="rows", resamples=20)
    assert_tables_are_whole(render_report(replace(report, labels=(NASTY, *report.labels[1:]))))


def test_names_cannot_break_the_tables_of_an_agreement_report() -> None:
    alpha = AlphaScore(NASTY, 60, 12, 20, VALUE)
    pair = PairScore(NASTY, "ben", NASTY, 60, 12, 20, 21, 0.9, VALUE, VALUE)
    report = AgreementReport(
        {NASTY: 60, "ben": 60}, 60, 12, (alpha,), alpha, (pair,), (pair,), 9, 6, 2, 1, ("few",), 0, 100
    )
    text = report.to_markdown()
    assert_tables_are_whole(text)
    assert text.startswith("- **few**\n\n60 sentences in 12 documents. Coders: ")


def test_names_cannot_break_the_tables_of_a_robustness_report() -> None:
    cell = Stability("upper case", NASTY, NASTY, 9, 9, 3, VALUE, 4, VALUE, VALUE)
    name = NameEffect("FR", NASTY, 20, 20, 10, 3, VALUE, {NASTY: 3})
    error = ActorErrors("FR", NASTY, NASTY, 20, 10, 9, 11, VALUE, VALUE)
    result = Robustness(
        "rows", (NASTY,), 0, 10, 100, {NASTY: {"swapped": 3, NASTY: 2}}, (cell,), 0.1, (name,), 0, (error,), 0
    )
    assert_tables_are_whole(result.to_markdown())


@pytest.mark.parametrize("kind", ["documents", "leave-one-source-out", "cross-lingual"])
def test_names_cannot_break_the_tables_of_a_benchmark(kind: str) -> None:
    value = [0.5, 0.4, 0.6]
    group = {"n": 20, "macro_f1": value}
    classifier = {
        "seeds": [0], "macro_f1": value, "f1": {NASTY: value}, "language_average": {"macro_f1": value},
        "groups": {"language": {"fr": group, NASTY: group}, "sampling": {"random": group}}, "training_rows": 100,
        "training_seconds": 1.0, "resumed": False, "sentences_per_second": 1.0, "training_bytes": 1, "inference_bytes": 1,
    }  # fmt: skip
    table = {
        "split": kind, "kind": kind, "part": NASTY, "n": 40, "documents": 12, "gold": {NASTY: 18}, "best": NASTY,
        "classifiers": {NASTY: classifier}, "against_best": [],
    }  # fmt: skip
    published = [{"name": NASTY, "average": 0.5, "by_language": {"fr": 0.5}}]
    summary = {
        "benchmark": "b",
        "labels": [NASTY],
        "cached": [],
        "left_out": [],
        "published": published,
        "tables": [table],
    }
    assert_tables_are_whole(render_summary(summary))


def test_a_card_names_the_backbone_without_folders_of_this_machine() -> None:
    for backbone, shown in (("/home/ana/models/mine", "backbone mine "), ("org/encoder", "backbone org/encoder ")):
        assert shown in render_card(INFO.model_copy(update={"recipe": INFO.recipe | {"backbone": backbone}}))
