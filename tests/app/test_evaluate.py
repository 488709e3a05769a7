"""Tests of the page on which models are evaluated: the job, the scores, hostile texts, and files that do not exist."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import bundle_folder, open_cue_model
from helpers import CUES, has_facts
from starlette.testclient import TestClient

from communique.app.context import OpenProject
from communique.data.corpus import Corpus
from communique.data.sentence import Sentence
from communique.evaluation.evaluate import evaluate

HOSTILE = "<script>alert(1)</script> we condemn it"


@pytest.fixture
def evaluated(opened: OpenProject, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Add a model and its evaluation, in which one error is a sentence of the project and another one is hostile."""
    folder = bundle_folder(opened.project.folder / "models" / "model-1")
    monkeypatch.setattr("communique.evaluation.evaluate.load_model", open_cue_model)
    names = list(CUES)
    sentences = [
        Sentence(
            f"s{i}", f"We {CUES[names[i % 3]]} the {i} rivers.", f"d{i // 4}", language="en", labels=(names[i % 3],)
        )
        for i in range(60)
    ]
    known = opened.desk.next("anna", "all")
    assert known is not None
    sentences.append(Sentence(known.id, known.text, known.document, language="en", labels=(names[0],)))
    sentences.append(Sentence("x", HOSTILE, "d0", language="en", labels=(), previous="<i>before</i>"))
    result = evaluate(folder, Corpus(tuple(sentences)), data="gold")
    path = folder.with_name("model-1.sample-1.evaluation.json")
    path.write_text(json.dumps(result.to_dict(texts=True)), encoding="utf-8")
    path.with_suffix(".html").write_text("<p>report</p>", encoding="utf-8")
    return path


def test_scores_calibration_and_errors_are_shown(client: TestClient, evaluated: Path) -> None:
    page = client.get("/evaluate").text
    assert has_facts(page, "model-1", "62 sentences from", "macro-F1 (n = 62)", "calibration error", "Worst errors")
    assert page.count('class="ideal"') == 3
    assert HOSTILE not in page
    assert has_facts(page, "&lt;script&gt;alert(1)&lt;/script&gt; we condemn it", "&lt;i&gt;before")
    [link] = [part.split('"')[0] for part in page.split('href="') if part.startswith("/evaluate/sentence")]
    sentence = client.get(link.replace("&amp;", "&"))
    assert sentence.status_code == 200
    assert has_facts(sentence.text, "Nobody has coded this sentence", 'class="sentence"')


@pytest.mark.parametrize("multilabel", [True, False, None])
def test_the_accuracy_of_a_single_choice_is_shown_once(
    client: TestClient, evaluated: Path, multilabel: bool | None
) -> None:
    """Files of earlier versions do not say whether a sentence can have several labels."""
    written = json.loads(evaluated.read_text())
    assert written.pop("multilabel") is True
    evaluated.write_text(json.dumps(written | ({} if multilabel is None else {"multilabel": multilabel})))
    page = client.get("/evaluate").text
    shown = [name in page for name in ("accuracy (n", "micro-F1 (n", "F1 per sentence", "exact match (n")]
    assert shown == ([True, False, False, False] if multilabel is False else [False, True, True, True])


def test_a_coding_of_an_error_can_be_changed(client: TestClient) -> None:
    found = client.get("/api/v1/next", params={"coder": "anna", "queue": "sample-1"}).json()["sentence"]
    body = {"coder": "anna & ben", "queue": "sample-1", "id": found["id"], "sha256": found["sha256"]}
    assert client.post("/api/v1/codings", json=body | {"labels": ["criticism"]}).status_code == 201
    address = {"id": found["id"], "sha256": found["sha256"], "sample": "sample-1"}
    page = client.get("/evaluate/sentence", params=address).text
    assert has_facts(page, "anna &amp; ben", "criticism", "coder=anna%20%26%20ben", "queue=sample-1")
    assert client.get("/evaluate/sentence", params=address | {"id": "nowhere"}).status_code == 404


@pytest.mark.parametrize("address", ["/evaluate", "/code", "/sample"])
@pytest.mark.parametrize("labelled", [True, False])
def test_pages_agree_on_what_a_sample_is_used_for(
    client: TestClient, opened: OpenProject, address: str, labelled: bool
) -> None:
    bundle_folder(opened.project.folder / "models" / "model-1")
    path = opened.project.design_path("sample-1")
    design = opened.project.design("sample-1")
    design.model_copy(update={"predictions": "labelled.jsonl" if labelled else None}).dump(path)
    use = "estimates" if labelled else "training of the first model"
    page = client.get(address).text
    assert f">{use}</td>" in page if address == "/sample" else f"for {use}" in page


def test_an_evaluation_runs_as_a_job_on_the_gold_of_the_sample(
    client: TestClient, opened: OpenProject, started: Any
) -> None:
    bundle_folder(opened.project.folder / "models" / "model-1")
    form = {"model": "model-1", "sample": "sample-1"}
    refused = client.post("/evaluate", data=form)
    assert refused.status_code == 400
    assert has_facts(refused.text, "no codings", "sample-1")
    found = client.get("/api/v1/next", params={"coder": "anna", "queue": "sample-1"}).json()["sentence"]
    body = {"coder": "anna", "queue": "sample-1", "id": found["id"], "sha256": found["sha256"]}
    client.post("/api/v1/codings", json=body | {"labels": ["criticism"]})
    sent = client.post("/evaluate", data=form, headers={"HX-Request": "true"})
    assert sent.headers["HX-Redirect"] == "/evaluate?model=model-1&sample=sample-1"
    [(command, arguments)] = started
    assert command == "evaluate"
    assert arguments == [
        "--drop-shared",
        "--json=models/model-1.sample-1.evaluation.json",
        "--html=models/model-1.sample-1.evaluation.html",
        "--overwrite",
        "--",
        "models/model-1",
        "samples/sample-1.gold.jsonl",
    ]
    assert (opened.project.folder / "samples" / "sample-1.gold.jsonl").is_file()


@pytest.mark.parametrize(
    ("model", "sample", "word"),
    [
        ("", "", "model"),
        ("../../etc", "sample-1", "model-1"),
        ("model-1", "../sample-1", "sample-1"),
        ("model-1", "<b>", "sample-1"),
        ("--html=x", "sample-1", "model-1"),
    ],
)
def test_unknown_models_and_samples_are_refused(
    client: TestClient, opened: OpenProject, started: Any, model: str, sample: str, word: str
) -> None:
    bundle_folder(opened.project.folder / "models" / "model-1")
    form = {"model": model, "sample": sample}
    refused = client.post("/evaluate", data=form, headers={"HX-Request": "true"})
    assert (refused.status_code, started) == (404, [])
    assert has_facts(refused.text, word)
    assert "<b>" not in refused.text
    assert client.get("/evaluate/report", params=form).status_code == 404


def test_the_report_cannot_run_scripts(client: TestClient, evaluated: Path) -> None:
    address = {"model": "model-1", "sample": "sample-1"}
    report = client.get("/evaluate/report", params=address)
    assert report.text == "<p>report</p>"
    assert has_facts(report.headers["Content-Security-Policy"], "sandbox", "default-src 'none'")
    assert "attachment" in client.get("/evaluate/result", params=address).headers["Content-Disposition"]
    evaluated.with_suffix(".html").unlink()
    assert client.get("/evaluate/report", params=address).status_code == 404


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"groups": []}', '{"groups": [{"labels": 3}], "diagnostics": 1}'])
def test_a_damaged_evaluation_is_reported(client: TestClient, evaluated: Path, content: str) -> None:
    evaluated.write_text(content)
    page = client.get("/evaluate")
    assert page.status_code == 200
    assert has_facts(page.text, evaluated.name, "Evaluate the model again")


def test_a_failed_job_is_shown(client: TestClient, failed_job: Callable[[str, str], str]) -> None:
    failed_job("evaluate", "error: no row is left to evaluate\n")
    assert has_facts(client.get("/evaluate").text, "failed", "no row is left to evaluate")
