"""Tests of `communique evaluate` on the command line: outputs, leaks, and corpora that are invalid or too small."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
from fakes import bundle_folder, open_cue_model
from helpers import CUES, ROOT, TINY_MULTICLASS, Run, has_facts, write_rows

from communique import MissingExtraError, Sentence
from communique.data import near_duplicates
from communique.evaluation.html import render_html

TRAINED = (
    Sentence(
        "t1", "The delegation regrets that the ferry line across the strait has been closed.", "speech-1", source="un"
    ),
    Sentence("t2", "Our ministers will meet again in the autumn to review the road map.", "speech-2", source="un"),
)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("communique.evaluation.evaluate.load_model", open_cue_model)
    return bundle_folder(tmp_path / "model", trained_on=TRAINED, signed=True)


def rows(n: int = 120, **fields: Any) -> list[dict[str, Any]]:
    """Make sentences, of which every sixth leads the model to a wrong prediction."""
    made = []
    names = list(CUES)
    for i in range(n):
        label = names[i % 4] if i % 4 < 3 else None
        cue = CUES[names[(i + 1) % 3]] if i % 6 == 0 else CUES[label] if label else "note"
        row = {
            "id": f"r{i}",
            "document": f"d{i // 6}",
            "index": i % 6,
            "language": ("en", "zh")[i // 6 % 2],
            "text": f"Speaker {i} <b>said</b>: we {cue} the {i * 7919 % 1000} measures of year {i * 104729 % 997}.",
            "labels": [label] if label else [],
        }
        made.append(row | {k: v(i) if callable(v) else v for k, v in fields.items()})
    return made


def run(*arguments: object) -> Run:
    return helpers.run("evaluate", *arguments)


def content(path: Path) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} in JSON")

    loaded: dict[str, Any] = json.loads(path.read_text(), parse_constant=refuse)
    return loaded


class Links(HTMLParser):
    """A parser that collects everything that a browser would load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: Sequence[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("src", "href", "xlink:href", "data") and not (value or "").startswith("#"):
                self.found.append(f"{tag} {name}={value}")
        if tag in ("script", "iframe", "link"):
            self.found.append(tag)


def test_all_outputs_are_written_and_agree(model: Path, tmp_path: Path) -> None:
    given = rows(
        source=lambda i: f"s{i // 30}",
        genre=lambda i: ("speech", "post")[i // 12 % 2],
        date=lambda i: f"{2020 + i // 40}-05-01",
        sampling=lambda i: ("random", "enriched")[i % 2],
        weight=lambda i: 1 + i % 3,
        previous=lambda i: "What came before & more." if i == 0 else None,
    )
    corpus = write_rows(tmp_path / "corpus.jsonl", given)
    html, plain, markdown = tmp_path / "r.html", tmp_path / "r.json", tmp_path / "r.md"
    code, out, err = run(model, corpus, "--html", html, "--json", plain, "--markdown", markdown)
    assert code == 0, err
    assert markdown.read_text().strip() == out.strip()
    report = content(plain)
    groups = {(g["kind"], g["name"]): g for g in report["groups"]}
    assert groups["all", "all"]["n"] == 120
    assert groups["all", "all"]["documents"] == 20
    for key in (("language", "zh"), ("source", "s1"), ("genre", "post"), ("year", "2021"), ("sampling", "random")):
        assert 0 < groups[key]["n"] < 120
    assert {name for kind, name in groups if kind == "length"} <= {"1 short", "2 middle", "3 long"}
    assert len(report["weighted"]) == len(report["groups"])
    assert report["weighted"][0]["macro_f1"]["value"] != report["groups"][0]["macro_f1"]["value"]
    assert report["effective_n"] == pytest.approx(240**2 / (40 * (1 + 4 + 9)))
    calibration = report["diagnostics"]["calibration"]
    assert (calibration["n"], calibration["rows"]) == (60, "rows drawn at random")
    assert calibration["before"][0]["skill"]["value"] != calibration["after"][0]["skill"]["value"]
    first = next(e for e in report["diagnostics"]["errors"] if e["id"] == "r0")
    assert first["text"] == given[0]["text"]
    assert first["previous"] == "What came before & more."
    # There is no sentence before the first one of a document.
    other = next(e for e in report["diagnostics"]["errors"] if e["id"] == "r18")
    assert other["previous"] is None
    page = html.read_text()
    assert "Speaker 0 &lt;b&gt;said&lt;/b&gt;" in page
    assert "What came before &amp; more." in page
    assert page.count("<svg") >= 7
    for heading in ("Labels that occur together", "Most costly errors"):
        assert f"{heading}</a>" in page
        assert f"<h2>{heading}</h2>" in page
    assert "Exact match is the proportion" in page
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    links = Links()
    links.feed(page)
    assert links.found == []
    assert not re.findall(r"#0[0-9a-f]{5}\b", page.split("</style>")[1].replace("#0b5cad", ""))
    # The Markdown report contains no sentences, so that it can be published.
    assert "Speaker" not in out


def test_texts_can_be_left_out(model: Path, tmp_path: Path) -> None:
    corpus = write_rows(tmp_path / "corpus.jsonl", rows())
    html, plain = tmp_path / "r.html", tmp_path / "r.json"
    assert run(model, corpus, "--html", html, "--json", plain, "--no-texts", "--errors", 3)[0] == 0
    errors = content(plain)["diagnostics"]["errors"]
    assert len(errors) == 3
    assert not {"text", "previous"} & set(errors[0])
    assert "Speaker" not in html.read_text() + plain.read_text()


def test_published_results_contain_no_texts() -> None:
    for path in (ROOT / "benchmarks/results").glob("*.json"):
        found = json.loads(path.read_text(encoding="utf-8"))
        for error in found.get("diagnostics", {}).get("errors", []) if isinstance(found, dict) else []:
            assert "text" not in error, path


def leaking() -> list[dict[str, Any]]:
    return [
        {"id": "a", "document": "speech-1", "source": "un", "language": "fr", "text": "La délégation regrette.", "labels": []},
        {"id": "b", "document": "x", "source": "press", "language": "en", "text": f" {TRAINED[0].text} ", "labels": []},
        {
            "id": "c", "document": "y", "source": "press", "language": "en", "labels": [],
            "text": "Our MINISTERS will meet again in the autumn, to review the road-map!",
        },
    ]  # fmt: skip


def test_a_leak_is_refused_dropped_or_reported(model: Path, tmp_path: Path) -> None:
    corpus = write_rows(tmp_path / "corpus.jsonl", rows(source="press") + leaking())
    code, _, err = run(model, corpus)
    assert code == 1
    assert (
        "3 of 123 rows are shared with the training data (same document: 1 from 1 document, same text: 1, near-duplicate text: 1)"
        in err
    )
    assert "first: id 'a', same document" in err
    code, out, _ = run(model, corpus, "--allow-leak", "--json", tmp_path / "r.json")
    assert code == 0
    assert "LEAK: 3 of 123 rows are shared" in out
    assert content(tmp_path / "r.json")["leak"] == {
        "rows": 3,
        "documents": 1,
        "by_kind": {"document": 1, "parallel": 0, "text": 1, "near-duplicate": 1},
        "near_duplicates_unchecked": None,
    }
    code, out, _ = run(model, corpus, "--drop-shared", "--json", tmp_path / "r.json", "--overwrite")
    assert code == 0
    assert "These rows were left out" in out
    report = content(tmp_path / "r.json")
    assert (report["groups"][0]["n"], report["dropped"]) == (120, 3)
    assert run(model, corpus, "--drop-shared", "--allow-leak")[0] == 2
    code, _, err = run(model, write_rows(tmp_path / "all.jsonl", leaking()), "--drop-shared")
    assert code == 1
    assert "no row is left to evaluate, because all 3 are shared" in err


def test_the_report_says_if_near_duplicates_were_not_searched_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("communique.evaluation.evaluate.load_model", open_cue_model)
    corpus = write_rows(tmp_path / "corpus.jsonl", rows())
    unsigned = bundle_folder(tmp_path / "unsigned", trained_on=TRAINED)
    assert "not searched for: the model has no near_duplicates.npz" in run(unsigned, corpus)[1]
    signed = bundle_folder(tmp_path / "signed", trained_on=TRAINED, signed=True)
    monkeypatch.setattr(near_duplicates, "available", lambda: False)
    assert "not searched for: they need the package 'datasketch'" in run(signed, corpus)[1]


def test_only_the_html_report_requires_the_extra(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("matplotlib", "scipy", "datasketch"):
        monkeypatch.setitem(sys.modules, package, None)
    corpus = write_rows(tmp_path / "corpus.jsonl", rows())
    code, out, err = run(model, corpus, "--json", tmp_path / "r.json")
    assert (code, "macro-F1" in out) == (0, True), err
    code, _, err = run(model, corpus, "--html", tmp_path / "r.html")
    assert code == 1
    assert "pip install -c constraints.txt '.[analysis]'" in err
    assert not (tmp_path / "r.html").exists()


def test_a_multiclass_model_has_a_confusion_matrix_and_no_thresholds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("communique.evaluation.evaluate.load_model", open_cue_model)
    single = bundle_folder(tmp_path / "multiclass", TINY_MULTICLASS, TRAINED)
    corpus = write_rows(tmp_path / "corpus.jsonl", [r for r in rows(160) if r["labels"]])
    code, out, err = run(single, corpus, "--json", tmp_path / "r.json", "--html", tmp_path / "r.html")
    assert code == 0, err
    report = content(tmp_path / "r.json")
    overall = report["groups"][0]
    assert overall["micro_f1"]["value"] == overall["exact_match"]["value"]
    assert report["diagnostics"]["curves"] == []
    confusion = np.array(report["diagnostics"]["co_occurrence"]["confusion"])
    assert confusion.sum() == 120
    assert confusion.trace() / 120 == pytest.approx(overall["exact_match"]["value"])
    page = (tmp_path / "r.html").read_text()
    assert "Scores by threshold" not in page
    # Micro-F1, F1 per sentence and exact match would be the same number.
    for written in (out, page):
        assert "accuracy" in written
        assert not any(name in written for name in ("micro-F1", "F1 per sentence", "exact match"))
    assert "Accuracy is the proportion" in page
    assert "<h2>Confusion matrix</h2>" in page
    assert "Labels that occur together" not in page


def test_a_table_without_languages_is_noted(model: Path, tmp_path: Path) -> None:
    corpus = rows()
    assert "--language-column" not in run(model, write_rows(tmp_path / "a.jsonl", corpus))[2]
    without = [{key: value for key, value in row.items() if key != "language"} for row in corpus]
    assert has_facts(run(model, write_rows(tmp_path / "b.jsonl", without))[2], "'language'", "--language-column")


@pytest.mark.parametrize("label", [[], ["criticism"]])
def test_a_corpus_with_a_single_class_is_evaluated_without_nan(model: Path, tmp_path: Path, label: list[str]) -> None:
    corpus = write_rows(tmp_path / "corpus.jsonl", rows(labels=label))
    code, out, err = run(model, corpus, "--json", tmp_path / "r.json", "--html", tmp_path / "r.html")
    assert code == 0, err
    assert "nan" not in out.lower().replace("finance", "")
    scores = content(tmp_path / "r.json")["groups"][0]["labels"][0]
    assert scores["mcc"] == {
        "value": None,
        "low": None,
        "high": None,
        "reason": "either all rows or no rows have the label, in gold or among the predictions",
    }
    assert ("all gold rows have this label" if label else "no gold row has this label") in err
    assert re.search(r"\bnan\b", (tmp_path / "r.html").read_text()) is None


def test_undefined_scores_and_missing_intervals_state_the_reason(model: Path, tmp_path: Path) -> None:
    given = [r for r in rows() if r["labels"] != ["cooperation_pledge"]]
    for i, label in enumerate((["criticism"], ["criticism"], [])):
        given.append({"id": f"sv{i}", "document": "sv", "language": "sv", "text": f"Vi condemn {i}", "labels": label})
    code, out, err = run(model, write_rows(tmp_path / "c.jsonl", given), "--json", tmp_path / "r.json")
    assert code == 0
    assert "cooperation_pledge: no gold row has this label, so its recall and average precision are not defined" in err
    groups = {(g["kind"], g["name"]): g for g in content(tmp_path / "r.json")["groups"]}
    pledge = groups["all", "all"]["labels"][2]
    assert pledge["recall"]["reason"] == pledge["average_precision"]["reason"] == "no gold row has the label"
    swedish = groups["language", "sv"]
    assert (swedish["n"], swedish["documents"]) == (3, 1)
    assert swedish["labels"][0]["f1"]["value"] == pytest.approx(0.8)
    assert swedish["labels"][0]["f1"]["low"] is None
    assert swedish["labels"][0]["f1"]["reason"] == "an interval requires at least 5 documents, but there is only 1"
    assert (swedish["labels"][0]["few"], swedish["labels"][0]["rank"]) == (True, None)
    assert {groups["language", name]["labels"][0]["rank"] for name in ("en", "zh")} == {1, 2}
    assert "| sv | 3 | 1 | 0.800 [–] | 0.800 [–]† (2) | – (0) | – (0) | 0.667 [–] |" in out


def test_swapped_and_inverted_label_columns_lead_to_warnings(model: Path, tmp_path: Path) -> None:
    table = [
        {
            "id": r["id"], "document": r["document"], "text": r["text"],
            "criticism": "should" in r["text"], "policy_claim": "condemn" in r["text"],
            "cooperation_pledge": "pledge" not in r["text"],
        }
        for r in rows()
    ]  # fmt: skip
    code, _, err = run(model, write_rows(tmp_path / "c.jsonl", table))
    assert code == 0
    assert "criticism and policy_claim: the gold labels of each agree with the predictions of the other" in err
    assert "cooperation_pledge: the gold labels contradict the predictions" in err


def test_a_column_with_unknown_labels_or_another_name_is_refused(model: Path, tmp_path: Path) -> None:
    code, _, err = run(model, write_rows(tmp_path / "c.jsonl", rows(labels=lambda i: f"The year {i}")))
    assert code == 1
    assert "c.jsonl, 120 rows (1, 2, 3, 4, 5, …): for example: column 'labels': unknown label 'The year 0'" in err
    assert "Allowed: criticism, policy_claim, cooperation_pledge, none" in err
    unnamed = [{k: v for k, v in r.items() if k != "labels"} | {"stance": r["labels"]} for r in rows(6)]
    code, _, err = run(model, write_rows(tmp_path / "d.jsonl", unnamed))
    assert (code, err.count("\n")) == (1, 1)
    assert "there are no labels. Add a column 'labels'" in err


def test_an_empty_corpus_is_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("id,document,text,labels\n")
    code, _, err = run(model, tmp_path / "c.csv")
    assert code == 1
    assert "c.csv: there is no row to evaluate" in err
    corpus = write_rows(tmp_path / "c.jsonl", rows(6))
    code, _, err = run(model, corpus, "--exclude", "language=en")
    assert code == 1
    assert "c.jsonl, without language=en: there is no row to evaluate" in err
    (tmp_path / "e.csv").write_text("")
    assert run(model, tmp_path / "e.csv")[0] == 1


def test_missing_and_invalid_weights_are_refused(model: Path, tmp_path: Path) -> None:
    code, _, err = run(model, write_rows(tmp_path / "c.jsonl", rows(weight=lambda i: None if i == 7 else 2)))
    assert code == 1
    assert "id 'r7': the weight is missing, although 119 of 120 rows have one" in err
    code, _, err = run(model, write_rows(tmp_path / "d.jsonl", rows(weight=lambda i: "heavy" if i == 7 else 2)))
    assert code == 1
    assert "d.jsonl, row 8: column 'weight': 'heavy' is not a number above 0" in err


def test_the_error_for_html_without_matplotlib_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    unused: Any = None
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"matplotlib.*\.\[analysis\]"):
        render_html(unused)


def test_the_report_begins_with_a_warning_if_the_model_predicts_a_single_label(model: Path, tmp_path: Path) -> None:
    # Every text contains the cue of the same label.
    made = [row | {"text": f"{CUES['criticism']} {row['index']} {row['id']}"} for row in rows()]
    result = run(model, write_rows(tmp_path / "corpus.jsonl", made))
    assert helpers.has_facts(result.stderr, "WARNING", "only the label criticism", "120 rows", "3 different")
    assert result.stdout.index("WARNING") < result.stdout.index("macro")
    assert "WARNING" not in run(model, write_rows(tmp_path / "usual.jsonl", rows())).output
