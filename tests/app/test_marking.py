"""Kind, holder and target on the pages Code and Agreement, and in the API."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from app_study import create_study
from helpers import CUES, ROOT, write_rows
from project_helpers import draw
from starlette.testclient import TestClient

from communique.annotation.tasks import ADJUDICATION
from communique.app.coding import ALL, Given
from communique.app.context import OpenProject
from communique.app.indexing import rebuild
from communique.app.marking import Marked, act_fields, read_marked
from communique.data.acts import Act
from communique.data.codebook import Codebook
from communique.errors import DataError
from communique.project import Project

PARTIAL = {"HX-Request": "true"}
BOOK = Codebook.load(ROOT / "data" / "codebook.yaml")
CLAIM = "🇫🇷🙂 Orée says that Velmark must open the strait."

#: Sentences with emoji, in Arabic, and with characters that the page escapes.
TEXTS = (CLAIM, "قالت صفارى إن كارسوند أغلقت المضيق.", "\u202eA\u202c\u0085b says that Orée\r\nmust act.")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    rows = [
        {"id": f"s{i}", "document": f"d{i}", "index": 0, "language": "en", "text": text, "labels": [_label(i)]}
        | {"probabilities": dict.fromkeys(CUES, 0.2), "truncated": False}
        for i, text in enumerate(TEXTS)
    ]
    table = write_rows(tmp_path / "rows.jsonl", rows)
    project = Project.create(tmp_path / "study", codebook=ROOT / "data" / "codebook.yaml", documents=[table])
    draw(project, len(rows))
    return project


def _label(number: int) -> str:
    return list(CUES)[number % len(CUES)]


def lines(project: Project, coder: str) -> list[dict[str, Any]]:
    paths = project.log.folder.glob("*.jsonl")
    found = [json.loads(line) for path in paths for line in path.open(encoding="utf-8")]
    return [line for line in found if line["coder"] == coder]


def place(text: str, words: str) -> list[int]:
    return [text.index(words), text.index(words) + len(words)]


def answer(client: TestClient, opened: OpenProject, text: str, **fields: Any) -> Any:
    design = opened.project.designs()["sample-1"]
    row = next(row for row in design.rows if row.id == f"s{TEXTS.index(text)}")
    form = {"coder": "anna", "queue": "sample-1", "id": row.id, "sha256": row.display_sha256 or row.sha256}
    return client.post("/code", data=form | {"action": "next"} | fields, headers=PARTIAL)


def test_marked_words_and_kinds_are_recorded_and_shown_again(client: TestClient, opened: OpenProject) -> None:
    fields = {"labels": ["policy_claim"], "kinds": ["policy_claim|demand"]}
    fields |= {"marks": ["policy_claim|holder|4|8|Orée", "policy_claim|target|19|26|Velmark"]}
    saved = answer(client, opened, CLAIM, **fields)
    assert saved.status_code == 200, saved.text
    [line] = lines(opened.project, "anna")
    assert line["acts"] == {
        "policy_claim": {"holder_span": place(CLAIM, "Orée"), "target_span": place(CLAIM, "Velmark"), "kind": "demand"}
    }
    again = client.post("/code", data={"coder": "anna", "queue": "sample-1", "action": "undo"}, headers=PARTIAL).text
    assert 'value="policy_claim|holder|4|8|Orée"' in again
    assert 'value="policy_claim|demand" title=' in again
    # The same answer again is not recorded; without the words, it is another answer.
    answer(client, opened, CLAIM, **fields)
    assert len(lines(opened.project, "anna")) == 1
    answer(client, opened, CLAIM, labels=["policy_claim"])
    assert [line["acts"] for line in lines(opened.project, "anna")][1:] == [{}]


def test_marks_are_optional_and_those_of_labels_that_were_not_chosen_are_ignored(
    client: TestClient, opened: OpenProject
) -> None:
    fields: dict[str, Any] = {"labels": ["criticism"], "unnamed": ["criticism"], "kinds": ["", "policy_claim|demand"]}
    answer(client, opened, CLAIM, **fields, marks=["cooperation_pledge|holder|4|8|Orée"])
    assert lines(opened.project, "anna")[-1]["acts"] == {"criticism": {"holder_span": None, "target_span": None}}
    answer(client, opened, CLAIM, labels=["policy_claim"], kinds=["policy_claim|norm"])
    assert lines(opened.project, "anna")[-1]["acts"] == {"policy_claim": {"kind": "norm"}}
    answer(client, opened, CLAIM, labels=["none"])
    assert lines(opened.project, "anna")[-1]["acts"] == {}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"marks": ["policy_claim|holder|5|9|Orée"]}, "not at this place"),
        ({"marks": ["policy_claim|holder|4|900|Orée"]}, "not at this place"),
        ({"marks": ["policy_claim|speaker|4|8|Orée"]}, "holder, target"),
        ({"marks": ["policy_claim|holder"]}, "cannot be recorded"),
        ({"kinds": ["policy_claim|wish"]}, "wish"),
    ],
)
def test_marks_that_do_not_fit_are_refused(
    client: TestClient, opened: OpenProject, fields: dict[str, Any], words: str
) -> None:
    refused = answer(client, opened, CLAIM, labels=["policy_claim"], **fields)
    assert refused.status_code == 400
    assert words in refused.text
    assert lines(opened.project, "anna") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TEXTS[0], "Orée"),
        (TEXTS[1], "صفارى"),
        (TEXTS[2], "Orée"),
        (TEXTS[2], "\u202eA\u202c"),
        (TEXTS[2], "Orée\r\nmust"),
    ],
)
def test_positions_on_the_page_become_positions_in_the_text_and_back(text: str, words: str) -> None:
    start, end = place(text, words)
    acts = {"criticism": Act(None, (start, end), None)}
    [field, *_] = act_fields(BOOK, text, acts)
    value = field.words["holder"].value
    assert field.words["holder"].words == words
    for sent in (value, value.replace("\r", "\n")):
        found = read_marked(Marked(marks=[sent]), BOOK, text, ["criticism"])
        assert found == {"criticism": {"holder_span": [start, end], "target_span": None}}


def test_an_empty_place_is_refused() -> None:
    with pytest.raises(DataError, match="holder"):
        read_marked(Marked(marks=["criticism|holder|3|3|"]), BOOK, CLAIM, ["criticism"])


def test_codebooks_without_acts_have_no_fields_and_record_none(
    tmp_path: Path, connect_to: Callable[[Project], TestClient]
) -> None:
    content = BOOK.model_dump(mode="json") | {"acts": False}
    for label in content["labels"]:
        label |= {"kinds": [], "examples": []}
    Codebook.model_validate(content).dump(tmp_path / "plain.yaml")
    project = create_study(tmp_path / "study", codebook=tmp_path / "plain.yaml")
    rebuild(project, OpenProject(project).store)
    client = connect_to(project)
    assert 'id="acts"' not in client.get("/code?coder=anna&queue=sample-1").text
    found = client.get("/api/v1/next", params={"coder": "anna", "queue": "sample-1"}).json()["sentence"]
    form = {"coder": "anna", "queue": "sample-1", "id": found["id"], "sha256": found["sha256"], "labels": "criticism"}
    client.post("/code", data=form | {"marks": "criticism|holder|0|3|The"}, headers=PARTIAL)
    assert "acts" not in lines(project, "anna")[0]


def test_the_api_takes_and_returns_acts(client: TestClient, opened: OpenProject) -> None:
    found = client.get("/api/v1/next", params={"coder": "anna", "queue": "sample-1"}).json()["sentence"]
    body = {"coder": "anna", "queue": "sample-1", "id": found["id"], "sha256": found["sha256"]}
    body |= {"labels": ["policy_claim", "criticism"]}
    acts = {"policy_claim": {"kind": "norm"}, "criticism": {"holder_span": None, "target_span": [0, 2]}}
    made = client.post("/api/v1/codings", json=body | {"acts": acts})
    assert made.status_code == 201, made.text
    assert made.json()["acts"] == acts
    assert lines(opened.project, "anna")[0]["acts"] == acts
    # A program that does not know acts changes a label, and keeps those of the other.
    client.post("/api/v1/codings", json=body | {"labels": ["policy_claim"]})
    assert lines(opened.project, "anna")[1]["acts"] == {"policy_claim": {"kind": "norm"}}
    refused = client.post("/api/v1/codings", json=body | {"acts": {"criticism": {"holder_span": [0, 9000]}}})
    assert refused.status_code == 400
    assert "holder_span" in refused.text


def test_an_adjudicator_sees_what_coders_marked_and_decides(client: TestClient, opened: OpenProject) -> None:
    marked = {"marks": ["criticism|holder|5|10|صفارى"], "labels": ["criticism"]}
    answer(client, opened, TEXTS[1], **marked)
    answer(client, opened, TEXTS[1], coder="ben", labels=["none"])
    page = client.get("/agreement/decide?sample=sample-1").text
    assert "holder <bdi>صفارى</bdi>" in page
    assert 'value="criticism|holder|5|10|صفارى"' in page  # proposed, because nobody marked anything else
    [key] = [row for row in opened.project.designs()["sample-1"].rows if row.id == "s1"]
    form = {"sample": "sample-1", "id": key.id, "sha256": key.display_sha256 or key.sha256, "action": "next"}
    client.post("/agreement/decide", data=form | marked, headers=PARTIAL)
    [line] = lines(opened.project, ADJUDICATION)
    assert line["acts"] == {"criticism": {"holder_span": [5, 10], "target_span": None}}
    [row] = [row for row in opened.project.gold("sample-1")[0] if row["id"] == "s1"]
    assert row["acts"] == line["acts"]
    client.post("/agreement/decide", data=form | {"labels": "criticism"}, headers=PARTIAL)
    [row] = [row for row in opened.project.gold("sample-1")[0] if row["id"] == "s1"]
    assert "acts" not in row


def test_a_correction_on_the_page_label_keeps_what_was_marked(client: TestClient, opened: OpenProject) -> None:
    answer(client, opened, CLAIM, labels=["policy_claim"], kinds=["policy_claim|demand"])
    key = lines(opened.project, "anna")[0]["id"], lines(opened.project, "anna")[0]["sha256"]
    sentence = opened.desk.find(key)
    opened.desk.correct(Given("anna", ALL, key, ["policy_claim", "criticism"]), sentence)
    assert lines(opened.project, "anna")[-1]["labels"] == ["criticism", "policy_claim"]
    assert lines(opened.project, "anna")[-1]["acts"] == {"policy_claim": {"kind": "demand"}}


def test_the_form_of_the_codebook_says_whether_words_are_marked(client: TestClient, project: Project) -> None:
    page = client.get("/codebook/general").text
    assert 'name="acts" value="true" checked' in page
    codebook = project.codebook
    form = {name: getattr(codebook, name) for name in ("name", "version", "task", "unit")}
    form |= {"rules": "\n".join(" ".join(rule.split()) for rule in codebook.rules), "sha256": codebook.sha256}
    unchanged = client.post("/codebook/general", data=form | {"acts": "true"}, headers=PARTIAL)
    assert "Nothing was changed" in unchanged.text
    review = client.post("/codebook/general", data=form, headers=PARTIAL).text
    assert "no longer mark" in review
    client.post("/codebook/general", data=form | {"action": "save"}, headers=PARTIAL)
    assert project.codebook.acts is False
