"""Tests that coding in the browser and through the API writes the files of codings first, and follows the codebook."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from app_study import create_study
from helpers import TINY, TINY_MULTICLASS, has_facts, write_rows
from project_helpers import draw
from sqlalchemy import Engine, event
from starlette.testclient import TestClient

import communique.data.codebook
import communique.project.coding
import communique.sampling.design
from communique.app.coding import Given, Progress
from communique.app.context import OpenProject
from communique.app.indexing import rebuild
from communique.app.store import IndexedSentence
from communique.project import Project

PARTIAL = {"HX-Request": "true"}

#: Names with joiners where no script needs them, and with other invisible characters.
INVISIBLE = [
    "a\u200d",
    "\u200canna",
    "1\u200c2",
    "anna+\u200cb",
    "a\u200bb",
    "a\u202eb",
    "\u3164",
    "a\u2066b",
    "a\xadb",
    "a\x00b",
]


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


def test_joiners_are_allowed_between_letters_of_a_name(client: TestClient, project: Project) -> None:
    # Persian and Indic scripts need these characters.
    for name in ("مریم\u200cسادات", "क्\u200dष"):
        body = form(next_of(client, name)["sentence"], labels=[], none=True) | {"coder": name}
        assert client.post("/api/v1/codings", json=body).status_code == 201
        assert name in {line["coder"] for line in lines(project)}
        other = re.sub("[\u200c\u200d]", "", name)
        refused = client.post("/api/v1/codings", json=body | {"coder": other})
        assert refused.status_code == 400
        assert has_facts(refused.json()["error"], repr(name), f"{other!r} would count as another one")


@pytest.mark.parametrize("name", INVISIBLE)
def test_names_with_invisible_characters_are_refused(client: TestClient, name: str) -> None:
    refused = client.get("/api/v1/next", params={"coder": name, "queue": "all"})
    assert refused.status_code == 400
    assert has_facts(refused.json()["error"], "invisible", ascii(name))


def test_another_spelling_of_a_known_name_is_refused(client: TestClient, project: Project) -> None:
    answer = form(next_of(client, "éva")["sentence"], labels=[], none=True)
    # One system writes é as one character, another as two.
    assert client.post("/api/v1/codings", json=answer | {"coder": "e\u0301va"}).status_code == 201
    assert {line["coder"] for line in lines(project)} == {"éva"}
    assert next_of(client, "e\u0301va")["coded"] == 1
    for name in ("Éva", "ÉVA", "é va"):
        refused = client.post("/api/v1/codings", json=answer | {"coder": name})
        assert (refused.status_code, f"{name!r} would count as another one" in refused.json()["error"]) == (400, True)
        assert client.get("/code", params={"coder": name}).status_code == 400
    assert client.post("/api/v1/codings", json=answer | {"coder": "Adjudication"}).status_code == 400
    assert len(lines(project)) == 1


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


def test_undo_stays_in_the_queue(client: TestClient, opened: OpenProject) -> None:
    draw(opened.project, 20, seed=1)
    rebuild(opened.project, opened.store)
    first = next_of(client)["sentence"]
    client.post("/code", data=form(first, labels=["criticism"], action="next"))
    members = {row.id for row in opened.project.designs()["sample-1"].rows}
    other = next_of(client, queue="sample-2")["sentence"]
    while other["id"] in members:
        opened.desk.skip("anna", "sample-2", (other["id"], other["sha256"]))
        other = next_of(client, queue="sample-2")["sentence"]
    client.post("/code", data=form(other, labels=["criticism"], action="next") | {"queue": "sample-2"})
    # A correction of a text that the documents do not contain.
    pasted = IndexedSentence("pasted", "0" * 64, "A text.", "pasted", 0)
    opened.desk.correct(Given("anna", "all", pasted.key, ["criticism"]), pasted)
    for queue, last in (("sample-1", first), ("sample-2", other), ("all", other)):
        here = next_of(client, queue=queue)["sentence"]
        page = client.post("/code", data=form(here, action="undo") | {"queue": queue}, headers=PARTIAL)
        assert page.status_code == 200
        assert last["sha256"] in page.text, queue


def test_sentences_outside_a_queue_are_refused(client: TestClient, opened: OpenProject, project: Project) -> None:
    members = {row.id for row in project.designs()["sample-1"].rows}
    while (outside := next_of(client, queue="all")["sentence"])["id"] in members:
        opened.desk.skip("anna", "all", (outside["id"], outside["sha256"]))
    for action in ("next", "skip"):
        refused = client.post("/code", data=form(outside, labels=["criticism"], action=action), headers=PARTIAL)
        assert refused.status_code == 404
        assert has_facts(refused.text, "sample-1", "does not contain")
    assert client.post("/api/v1/codings", json=form(outside, labels=["criticism"])).status_code == 404
    assert client.get("/code", params=form(outside)).status_code == 404
    assert lines(project) == []


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


def test_a_codebook_of_one_choice_needs_exactly_one_label(
    tmp_path: Path, connect_to: Callable[[Project], TestClient]
) -> None:
    TINY_MULTICLASS.dump(tmp_path / "one.yaml")
    project = create_study(tmp_path / "one", codebook=tmp_path / "one.yaml")
    rebuild(project, OpenProject(project).store)
    client = connect_to(project)
    sentence = next_of(client)["sentence"]
    page = client.get("/code", params={"coder": "anna", "queue": "sample-1"}).text
    assert page.count('type="radio" name="labels"') == 3
    assert "no label applies" not in page
    for labels in ([], ["none"], ["criticism", "policy_claim"]):
        assert client.post("/code", data=form(sentence, labels=labels), headers=PARTIAL).status_code == 400
    assert client.post("/api/v1/codings", json=form(sentence, none=True)).status_code == 400
    assert client.post("/code", data=form(sentence, labels=["criticism"]), headers=PARTIAL).status_code == 200
    assert [line["labels"] for line in lines(project)] == [["criticism"]]


def test_the_labels_of_the_model_stay_hidden_until_they_may_be_seen(client: TestClient, project: Project) -> None:
    sentence = next_of(client)["sentence"]
    for model, coder in (("hidden", "anna"), ("after", "ben")):
        params = {"coder": coder, "queue": "sample-1", "model": model}
        assert "the model" not in client.get("/code", params=params).text.lower()
        data = form(sentence, labels=["criticism"]) | params
        answer = client.post("/code", data=data, headers=PARTIAL).text
        assert ("the model:" in answer) == (model == "after")
        # A second answer follows after the labels of the model were seen, and the coding says so.
        client.post("/code", data=data | {"labels": ["policy_claim"]}, headers=PARTIAL)
    shown = {
        coder: [line["model_shown"] for line in lines(project) if line["coder"] == coder] for coder in ["anna", "ben"]
    }
    assert shown == {"anna": [False, False], "ben": [False, True]}


def test_a_suggestion_is_shown_and_recorded_if_the_design_or_the_coder_wants_it(
    client: TestClient, opened: OpenProject
) -> None:
    everything = {"coder": "anna", "queue": "all", "model": "suggested"}
    assert "The model suggests" in client.get("/code", params=everything).text
    sentence = next_of(client, queue="all")["sentence"]
    client.post("/code", data=form(sentence, labels=["criticism"]) | everything, headers=PARTIAL)
    # The design of this sample hides the labels, so that wishing for them has no effect.
    assert "The model suggests" not in client.get("/code", params=everything | {"queue": "sample-1"}).text
    draw(opened.project, 5, shown=True)
    rebuild(opened.project, opened.store)
    params = {"coder": "ben", "queue": "sample-2", "model": "hidden"}
    assert "The model suggests" in client.get("/code", params=params).text
    other = next_of(client, "ben", "sample-2")["sentence"]
    client.post("/code", data=form(other, labels=["criticism"]) | params, headers=PARTIAL)
    assert [line["model_shown"] for line in lines(opened.project)] == [True, True]


@pytest.mark.parametrize("way", ["hidden", "skipped", "another queue"])
def test_who_saw_a_suggestion_does_not_code_blind_afterwards(
    client: TestClient, opened: OpenProject, project: Project, way: str
) -> None:
    sentence = next_of(client)["sentence"]
    page = {"coder": "anna", "queue": "all", "model": "suggested", "id": sentence["id"], "sha256": sentence["sha256"]}
    assert "The model suggests" in client.get("/code", params=page).text
    if way == "skipped":
        client.post("/code", data=page | {"action": "skip"}, headers=PARTIAL)
    queue = "sample-1" if way == "another queue" else "all"
    for coder in ("anna", "ben"):
        answer = form(sentence, labels=["criticism"]) | {"coder": coder, "queue": queue, "model": "hidden"}
        assert client.post("/code", data=answer, headers=PARTIAL).status_code == 200
    assert {line["coder"]: line["model_shown"] for line in lines(project)} == {"anna": True, "ben": False}
    # One line says so, however often the page is opened.
    client.get("/code", params=page)
    seen = [mark.coder for mark in project.marks.read() if mark.kind == "seen" and mark.id == sentence["id"]]
    assert seen == ["anna"]


@pytest.mark.parametrize("known", [True, False])
def test_a_coding_records_the_index_of_the_design(
    tmp_path: Path, connect_to: Callable[[Project], TestClient], known: bool
) -> None:
    TINY.dump(tmp_path / "tiny.yaml")
    rows = [
        {"id": f"d{number}", "document": f"d{number // 6}", "index": number % 6 if known else 0, "language": "en"}
        | {"text": f"The words of sentence {number}.", "labels": [], "probabilities": dict.fromkeys(TINY.names, 0.1)}
        for number in range(12)
    ]
    table = write_rows(tmp_path / "rows.jsonl", rows)
    project = Project.create(tmp_path / "study", codebook=tmp_path / "tiny.yaml", documents=[table])
    draw(project, 12)
    opened = OpenProject(project)
    rebuild(project, opened.store)
    client = connect_to(project)
    members = {row.id: row.index for row in project.designs()["sample-1"].rows}
    for _ in members:
        sentence = next_of(client)["sentence"]
        assert sentence["position"] == (members[sentence["id"]] if known else None)
        page = client.get("/code", params=form(sentence)).text
        assert (page.count("The words of sentence") > 1) == known
        assert client.post("/api/v1/codings", json=form(sentence, none=True)).status_code == 201
    assert {line["id"]: line["index"] for line in lines(project)} == members


HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "\"'><b>bold</b>&amp;",
    "{{ 7 * 7 }}{% raw %}",
    "\u202eright to left override\u202c",
    "a\u001b[31mb\u0085c",
    '=HYPERLINK("http://example.org")',
    "x" * 1_000_000,
)


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_texts_stay_texts(tmp_path: Path, connect_to: Callable[[Project], TestClient], number: int) -> None:
    TINY.dump(tmp_path / "tiny.yaml")
    text = HOSTILE[number]
    row = {"id": f"<i>{number}</i>", "document": "<u>d</u>", "index": 0, "language": "en", "text": text, "labels": []}
    row |= {"probabilities": dict.fromkeys(TINY.names, 0.1), "truncated": False, "<s>group": "<s>x"}
    table = write_rows(tmp_path / "hostile.jsonl", [row])
    project = Project.create(tmp_path / "study", codebook=tmp_path / "tiny.yaml", documents=[table])
    rebuild(project, OpenProject(project).store)
    client = connect_to(project)
    page = client.get("/code", params={"coder": "<em>anna</em>", "queue": "all"})
    assert page.status_code == 200
    for tag in ("<script>alert", "<img", "<b>bold", "<i>", "<u>", "<s>", "<em>"):
        assert tag not in page.text
    assert ("{{ 7 * 7 }}" in page.text) == ("{{ 7 * 7 }}" in text)
    for character in "\u202e\u001b\u0085":
        assert character not in page.text
    sentence = next_of(client, "<em>anna</em>", "all")["sentence"]
    body = form(sentence, none=True) | {"coder": "<em>anna</em>", "queue": "all"}
    assert client.post("/api/v1/codings", json=body).status_code == 201
    [line] = lines(project)
    assert (line["id"], line["coder"]) == (row["id"], "<em>anna</em>")


def test_the_page_of_the_api_describes_its_routes(client: TestClient) -> None:
    page = client.get("/api/v1/")
    assert page.status_code == 200
    assert "/api/v1/codings" in page.text


def test_an_answer_needs_few_queries_and_reads_no_file_of_the_project_again(
    client: TestClient, opened: OpenProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence = next_of(client)["sentence"]
    found: list[str] = []

    def note(name: str, module: Any) -> None:
        original = getattr(module, name)

        def noted(*given: Any, **named: Any) -> Any:
            found.append(name)
            return original(*given, **named)

        monkeypatch.setattr(module, name, noted)

    note("load_yaml", communique.data.codebook)
    note("load_json", communique.sampling.design)
    note("read_codings", communique.project.coding)
    with counted_queries() as queries:
        client.post("/code", data=form(sentence, labels=["criticism"], action="next"), headers=PARTIAL)
    assert found == []
    assert len(queries) <= 13, queries
    with counted_queries() as queries:
        next_of(client)
    assert len(queries) <= 5, queries


@contextmanager
def counted_queries() -> Iterator[list[str]]:
    """Collect the queries and changes of all indexes."""
    queries: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA")):
            queries.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield queries
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize("queue", ["all", "sample-1"])
def test_the_progress_counts_sentences_that_the_documents_contain(
    client: TestClient, opened: OpenProject, project: Project, queue: str
) -> None:
    for coder, n in (("anna", 4), ("ben", 2)):
        for _ in range(n):
            sentence = next_of(client, coder, "all")["sentence"]
            body = form(sentence, labels=["criticism"]) | {"coder": coder, "queue": "all"}
            assert client.post("/api/v1/codings", json=body).status_code == 201
    skipped = next_of(client, "anna", "all")["sentence"]
    opened.desk.skip("anna", "all", (skipped["id"], skipped["sha256"]))
    [document] = project.documents()
    rows = [json.loads(line) for line in document.read_text(encoding="utf-8").splitlines()]
    inside = (
        {row.id for row in project.designs()["sample-1"].rows} if queue == "sample-1" else {row["id"] for row in rows}
    )
    coded = {line["id"] for line in lines(project) if line["coder"] == "anna"}
    total = len(inside)
    assert opened.desk.progress("anna", queue) == Progress(
        total, len(coded & inside), len(coded & inside), 1 * (skipped["id"] in inside)
    )
    gone = {skipped["id"], lines(project)[0]["id"]}
    write_rows(document, [row for row in rows if row["id"] not in gone])
    rebuild(project, opened.store)
    left = inside - gone
    assert opened.desk.progress("anna", queue) == Progress(len(left), len(coded & left), len(coded & left), 0)
    write_rows(document, rows)
    rebuild(project, opened.store)
    assert opened.desk.progress("anna", queue).own == len(coded & inside)
