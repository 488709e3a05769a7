"""Tests that coding in the browser and through the API writes the files of codings first, and follows the codebook."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from communique.app.context import OpenProject
from communique.project import Project


def lines(project: Project) -> list[dict[str, Any]]:
    """Return the lines of all files of codings."""
    return [
        json.loads(line)
        for path in (project.folder / "codings").glob("*.jsonl")
        for line in path.open(encoding="utf-8")
    ]


def next_of(client: TestClient, coder: str = "anna", queue: str = "sample-1") -> dict[str, Any]:
    answer = client.get("/api/v1/next", params={"coder": coder, "queue": queue})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def form(sentence: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {"coder": "anna", "queue": "sample-1", "id": sentence["id"], "sha256": sentence["sha256"], **values}


def test_the_api_records_codings_and_returns_the_next_sentence(client: TestClient, project: Project) -> None:
    first = next_of(client)
    assert (first["total"], first["coded"]) == (20, 0)
    body = form(first["sentence"], labels=["policy_claim"], comment="both?", unsure=True)
    made = client.post("/api/v1/codings", json=body)
    assert made.status_code == 201, made.text
    [line] = lines(project)
    assert line["labels"] == ["policy_claim"]
    assert line["comment"] == "unsure: both?"
    assert (line["coder"], line["sample"], line["model_shown"]) == ("anna", "sample-1", False)
    second = next_of(client)
    assert second["coded"] == 1
    assert second["sentence"]["id"] != first["sentence"]["id"]


def test_the_page_records_an_answer_and_shows_the_next_sentence(client: TestClient, project: Project) -> None:
    sentence = next_of(client)["sentence"]
    page = client.get("/code", params={"coder": "anna", "queue": "sample-1"})
    assert sentence["text"] in page.text
    answer = client.post(
        "/code",
        data=form(sentence, labels=["criticism", "cooperation_pledge"], action="next"),
        headers={"HX-Request": "true"},
    )
    assert answer.status_code == 200
    assert 'id="task"' in answer.text
    assert "<html" not in answer.text
    assert lines(project)[0]["labels"] == ["criticism", "cooperation_pledge"]


def test_none_is_an_explicit_answer(client: TestClient, project: Project) -> None:
    sentence = next_of(client)["sentence"]
    refused = client.post("/code", data=form(sentence, action="next"), headers={"HX-Request": "true"})
    assert refused.status_code == 400
    assert refused.headers["HX-Retarget"] == "#messages"
    assert lines(project) == []
    assert client.post("/api/v1/codings", json=form(sentence, labels=["criticism"], none=True)).status_code == 400
    page = client.get("/code", params={"coder": "anna", "queue": "sample-1"}).text
    assert 'name="labels" value="none"' in page
    assert client.post("/code", data=form(sentence, labels=["none"], action="next")).status_code == 200
    assert lines(project)[0]["labels"] == []


def test_undo_returns_to_the_last_answer_and_the_correction_counts(client: TestClient, opened: OpenProject) -> None:
    first = next_of(client)["sentence"]
    client.post("/code", data=form(first, labels=["criticism"], action="next"))
    second = next_of(client)["sentence"]
    page = client.post("/code", data=form(second, action="undo"), headers={"HX-Request": "true"})
    assert first["sha256"] in page.text
    assert re.search(r'value="criticism"[^>]* checked', page.text)
    client.post("/code", data=form(first, labels=["policy_claim"], action="next"))
    found = opened.project.codings("sample-1")
    assert found.labels["anna"][first["id"]] == ("policy_claim",)
    assert len(lines(opened.project)) == 2


def test_a_skipped_sentence_comes_again_at_the_end(client: TestClient) -> None:
    first = next_of(client)["sentence"]
    client.post("/code", data=form(first, action="skip"))
    seen = []
    while (sentence := next_of(client)["sentence"]) is not None:
        seen.append(sentence["id"])
        client.post("/api/v1/codings", json=form(sentence, none=True))
    assert len(seen) == 20
    assert seen[-1] == first["id"]


def test_two_clients_lose_nothing(connect: Callable[..., TestClient], project: Project) -> None:
    one, other = connect(), connect()
    sentence = next_of(one)["sentence"]
    assert one.post("/api/v1/codings", json=form(sentence, labels=["criticism"])).status_code == 201
    assert other.post("/api/v1/codings", json=form(sentence, labels=["policy_claim"])).status_code == 201
    assert (
        other.post("/api/v1/codings", json=form(sentence, labels=["policy_claim"]) | {"coder": "ben"}).status_code
        == 201
    )
    assert [line["labels"] for line in lines(project) if line["coder"] == "anna"] == [["criticism"], ["policy_claim"]]
    assert next_of(one)["coded"] == next_of(other, "ben")["coded"] == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": ["nonsense"]}, "nonsense"),
        ({"coder": "  "}, "coder"),
        ({"coder": "adjudication"}, "reserved"),
        ({"queue": "../sample-1"}, "sample"),
        ({"id": "unknown"}, "sentence"),
        ({"sha256": "short"}, "sha256"),
        ({"comment": "x" * 20_000}, "comment"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_invalid_answers_are_refused_with_a_reason(
    client: TestClient, project: Project, change: dict[str, Any], words: str
) -> None:
    sentence = next_of(client)["sentence"]
    answer = client.post("/api/v1/codings", json=form(sentence, labels=["criticism"]) | change)
    assert 400 <= answer.status_code < 500
    assert words in answer.json()["error"]
    assert lines(project) == []
