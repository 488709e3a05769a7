"""The report: its groups and values, as JSON and as Markdown."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from helpers import TINY

from communique import Report, Sentence
from communique.metrics.report_markdown import render_report


def _sentences() -> list[Sentence]:
    rows = []
    for i in range(60):
        labels = ("criticism",) if i % 3 == 0 else ("policy_claim",) if i % 3 == 1 else ()
        rows.append(
            Sentence(
                id=str(i),
                text=f"text {i}",
                document=f"d{i // 6}",
                language=("en", "zh")[i % 2],
                labels=labels,
                sampling="random" if i < 40 else "enriched",
            )
        )
    return rows


def _predictions(sentences: list[Sentence]) -> np.ndarray:
    gold = np.array([[name in (s.labels or ()) for name in TINY.names] for s in sentences])
    predicted = gold.copy()
    predicted[0] = [False, True, False]
    return predicted


def test_groups_are_all_rows_samplings_languages_and_lengths() -> None:
    sentences = _sentences()
    report = Report.compare(sentences, _predictions(sentences), TINY, data="sixty", resamples=100)
    assert [(g.kind, g.name, g.n) for g in report.groups] == [
        ("all", "all", 60),
        ("sampling", "enriched", 20),
        ("sampling", "random", 40),
        ("language", "en", 30),
        ("language", "zh", 30),
        # "text 0" to "text 9" are shorter than the others, but in both languages the first third includes longer texts.
        ("length", "1 short", 60),
    ]
    assert report.overall.documents == 10
    # The only wrong prediction is for an English sentence that was sampled at random.
    assert report.group("language", "zh").macro_f1.value == 1
    assert report.group("language", "en").macro_f1.value < 1
    with pytest.raises(KeyError, match="no group 'de' of the kind 'language'"):
        report.group("language", "de")


@pytest.mark.parametrize("languages", [(), ("en",)])
def test_rows_without_a_language_are_in_no_group_of_languages(languages: tuple[str, ...]) -> None:
    sentences = [s if s.language in languages else replace(s, language="und") for s in _sentences()]
    report = Report.compare(sentences, _predictions(sentences), TINY, data="sixty", resamples=100)
    assert [(g.name, g.n) for g in report.groups if g.kind == "language"] == [(name, 30) for name in languages]
    text = render_report(report)
    assert ("| language | sentences |" in text) == bool(languages)
    assert ("Without a language: 30 sentences." in text) == bool(languages)
    assert "und" not in {share.name for share in report.shares}


def test_values_match_those_by_hand_and_ignored_labels_are_listed() -> None:
    sentences = _sentences()
    report = Report.compare(sentences, _predictions(sentences), TINY, data="sixty", resamples=200)
    criticism, claim, pledge = report.overall.labels
    assert (criticism.gold, criticism.predicted) == (20, 19)
    assert criticism.precision.value == 1
    assert criticism.recall.value == pytest.approx(19 / 20)
    assert claim.precision.value == pytest.approx(20 / 21)
    assert (pledge.gold, pledge.predicted) == (0, 0)
    assert report.overall.left_out == ("cooperation_pledge",)
    assert report.overall.macro_f1.value == pytest.approx((38 / 39 + 40 / 41) / 2)
    assert criticism.recall.low < 19 / 20 < criticism.recall.high


def test_undefined_values_are_null_in_json() -> None:
    sentences = _sentences()
    content = json.loads(
        json.dumps(
            Report.compare(sentences, _predictions(sentences), TINY, data="x", resamples=20).to_dict(), allow_nan=False
        )
    )
    assert content["groups"][0]["labels"][2]["f1"] == {
        "value": None,
        "low": None,
        "high": None,
        "reason": "no gold row has the label and it is never predicted",
    }
    assert content["groups"][0]["n"] == 60


def test_markdown_contains_counts_intervals_and_ignored_labels() -> None:
    sentences = _sentences()
    text = render_report(Report.compare(sentences, _predictions(sentences), TINY, data="sixty rows", resamples=50))
    assert "60 sentences in 10 documents: sixty rows." in text
    assert "| cooperation_pledge | 0 | 0 | 0.000 [–] | – | – | – | – | – |" in text
    assert "as a prediction: en: cooperation_pledge; zh: cooperation_pledge." in text


def test_scores_do_not_depend_on_the_order_of_labels() -> None:
    sentences = _sentences()
    predicted = _predictions(sentences)
    turned = TINY.model_copy(update={"labels": TINY.labels[::-1]})
    one = Report.compare(sentences, predicted, TINY, data="x", resamples=20)
    other = Report.compare(sentences, predicted[:, ::-1], turned, data="x", resamples=20)
    assert {s.label: s.f1.value for s in one.overall.labels if s.gold} == {
        s.label: s.f1.value for s in other.overall.labels if s.gold
    }
