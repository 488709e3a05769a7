"""Tests of the page Agreement: differences, decisions, scores and gold."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from app_study import code_study, create_study
from helpers import ROOT, TINY, TINY_MULTICLASS, has_facts
from starlette.testclient import TestClient

from communique.annotation.tasks import ADJUDICATION
from communique.app.adjudication import compare
from communique.app.context import OpenProject
from communique.app.indexing import rebuild
from communique.project import Project
from communique.project.coding import now

PARTIAL = {"HX-Request": "true"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Create a study that two coders have coded. They differ on three sentences."""
    TINY.dump(tmp_path / "tiny.yaml")
    project = create_study(tmp_path / "study", codebook=tmp_path / "tiny.yaml")
    code_study(project, "anna")
    code_study(project, "ben", wrong=(2, 5, 7))
    return project


def decisions(project: Project) -> list[dict[str, Any]]:
    """Return the decisions on disk."""
    paths = project.log.folder.glob(f"{ADJUDICATION}-*.jsonl")
    return [json.loads(line) for path in paths for line in path.open(encoding="utf-8")]


def decide(client: TestClient, opened: OpenProject, **values: Any) -> Any:
    key = compare(opened.desk, "sample-1").open[0].key
    form = {"sample": "sample-1", "id": key[0], "sha256": key[1], "action": "next"} | values
    return client.post("/agreement/decide", data=form, headers=PARTIAL)


def test_the_page_lists_the_sentences_on_which_coders_differ(client: TestClient, opened: OpenProject) -> None:
    page = client.get("/agreement").text
    assert "Coders differ on 3 sentences" in page
    differences = compare(opened.desk, "sample-1").differences
    assert len(differences) == 3
    for one in differences:
        assert one.text in page
        assert set(one.given) == {"anna", "ben"}


def test_scores_have_intervals_and_numbers_of_sentences(client: TestClient) -> None:
    page = client.get("/agreement/scores?sample=sample-1", headers=PARTIAL).text
    assert has_facts(page, "Krippendorff", "kappa", "criticism", "24", "0.", "[")
    assert "<html" not in page
    assert "<html" in client.get("/agreement/scores?sample=sample-1").text


def test_a_decision_is_recorded_as_a_coding_of_the_adjudicator(client: TestClient, opened: OpenProject) -> None:
    first, second, _ = compare(opened.desk, "sample-1").differences
    answer = decide(client, opened, labels=["policy_claim"], comment="a demand")
    assert answer.status_code == 200
    assert second.text in answer.text
    assert "1 of 3 decided" in answer.text
    [line] = decisions(opened.project)
    assert (line["id"], line["sha256"], line["coder"]) == (*first.key, ADJUDICATION)
    assert (line["labels"], line["comment"], line["sample"]) == (["policy_claim"], "a demand", "sample-1")
    assert line["model_shown"] is False
    assert opened.project.codings("sample-1").adjudicated == {first.key[0]: ("policy_claim",)}
    assert "Sentences on which coders differ</dt><dd>2</dd>" in client.get("/status").text


def test_the_same_decision_is_recorded_once_and_another_one_counts(client: TestClient, opened: OpenProject) -> None:
    key = compare(opened.desk, "sample-1").differences[0].key
    for labels in (["criticism"], ["criticism"], ["none"]):
        form = {"sample": "sample-1", "id": key[0], "sha256": key[1], "labels": labels}
        assert client.post("/agreement/decide", data=form, headers=PARTIAL).status_code == 200
    assert [line["labels"] for line in decisions(opened.project)] == [["criticism"], []]
    assert opened.project.codings("sample-1").adjudicated[key[0]] == ()


def test_skipped_sentences_come_again_after_the_others(client: TestClient, opened: OpenProject) -> None:
    first, second, third = (one.key for one in compare(opened.desk, "sample-1").differences)
    shown = []
    for key in (first, second, third):
        form = {"sample": "sample-1", "id": key[0], "sha256": key[1], "action": "skip"}
        answer = client.post("/agreement/decide", data=form, headers=PARTIAL)
        shown.append(parse_qs(urlsplit(answer.headers["HX-Replace-Url"]).query)["id"][0])
    assert shown == [second[0], third[0], first[0]]
    assert decisions(opened.project) == []


def test_gold_needs_all_decisions(client: TestClient, opened: OpenProject) -> None:
    refused = client.post("/agreement/gold", data={"sample": "sample-1"}, headers=PARTIAL)
    assert refused.status_code == 400
    assert has_facts(refused.text, "3 sentences", "hard")
    assert "Write gold" not in client.get("/agreement").text
    for _ in range(3):
        decide(client, opened, labels=["none"])
    assert "All of them are decided" in client.get("/agreement").text
    written = client.post("/agreement/gold", data={"sample": "sample-1"}, headers=PARTIAL)
    assert "samples/sample-1.gold.jsonl" in written.text
    gold = [json.loads(line) for line in (opened.project.folder / "samples" / "sample-1.gold.jsonl").open()]
    assert len(gold) == 24
    assert [row["coder"] for row in gold].count(ADJUDICATION) == 3


def test_gold_and_the_page_compare_the_same_codings(client: TestClient, opened: OpenProject) -> None:
    project = opened.project
    [key, *_] = [one.key for one in compare(opened.desk, "sample-1").differences]
    anna, ben = (
        next(one for one in project.log.read().codings if one.sentence == key and one.coder == coder)
        for coder in ("anna", "ben")
    )
    # Ben agrees with Anna after he saw the labels of the model.
    project.log.append([ben.model_copy(update={"labels": anna.labels, "model_shown": True, "time": now()})])
    page = client.get("/agreement").text
    assert has_facts(page, "Coders differ on 3 sentences", "left out 1 coding")
    assert "Write gold" not in page
    for _ in range(3):
        assert decide(client, opened, labels=["none"]).status_code == 200
    assert client.post("/agreement/gold", data={"sample": "sample-1"}, headers=PARTIAL).status_code == 200


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"labels": []}, 400, "No label is chosen"),
        ({"labels": ["nonsense"]}, 400, "nonsense"),
        ({"labels": ["none", "criticism"]}, 400, "Choose one"),
        ({"labels": ["none"], "id": "unknown"}, 404, "no longer differ"),
        ({"labels": ["none"], "sample": "../x"}, 404, "no sample"),
        ({"labels": ["none"], "action": "burn"}, 404, "burn"),
        ({"labels": ["none"], "comment": "x" * 20_000}, 400, "comment"),
    ],
)
def test_invalid_decisions_are_refused_with_a_reason(
    client: TestClient, opened: OpenProject, change: dict[str, Any], status: int, words: str
) -> None:
    answer = decide(client, opened, **change)
    assert answer.status_code == status
    assert words in answer.text
    assert decisions(opened.project) == []


def test_a_project_without_codings_says_what_to_do(tmp_path: Path, connect_to: Callable[[Project], TestClient]) -> None:
    project = create_study(tmp_path / "empty", codebook=ROOT / "data" / "codebook.yaml")
    page = connect_to(project).get("/agreement")
    assert page.status_code == 200
    assert has_facts(page.text, "no codings", "/code")


def test_all_codings_can_be_compared_with_a_codebook_of_one_choice(
    tmp_path: Path, connect_to: Callable[[Project], TestClient]
) -> None:
    TINY_MULTICLASS.dump(tmp_path / "one.yaml")
    project = create_study(tmp_path / "one", codebook=tmp_path / "one.yaml")
    opened = OpenProject(project)
    rebuild(project, opened.store)
    client = connect_to(project)
    sentence = client.get("/api/v1/next", params={"coder": "anna", "queue": "all"}).json()["sentence"]
    for coder, label in (("anna", "criticism"), ("ben", "policy_claim")):
        body = {"coder": coder, "queue": "all", "id": sentence["id"], "sha256": sentence["sha256"], "labels": [label]}
        assert client.post("/api/v1/codings", json=body).status_code == 201
    page = client.get("/agreement/decide?sample=all").text
    assert 'type="radio"' in page
    assert "no label applies" not in page
    form = {"sample": "all", "id": sentence["id"], "sha256": sentence["sha256"]}
    assert client.post("/agreement/decide", data=form, headers=PARTIAL).status_code == 400
    assert client.post("/agreement/decide", data=form | {"labels": "criticism"}, headers=PARTIAL).status_code == 200
    assert [(line["labels"], line["sample"]) for line in decisions(project)] == [(["criticism"], None)]
