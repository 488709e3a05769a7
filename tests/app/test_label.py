"""Tests of the page that labels texts: pasting, dropping files, thresholds, filters, corrections and exports."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import openpyxl
import pytest
from fakes import bundle_folder, open_cue_model, until
from helpers import ROOT
from starlette.testclient import TestClient

import communique.app.tables
import communique.app.texts
import communique.models.folder
from communique.app.context import OpenProject
from communique.app.jobs import Job, Jobs
from communique.app.pages.label import MAX_UPLOAD
from communique.app.security import MAX_BODY
from communique.app.texts import MAX_PASTED, Texts
from communique.data.acts import Act
from communique.load import load_model
from communique.models.predictor import MODEL_VARIABLE
from communique.project import Project

TEXT = "We condemn the blockade. The port should open. We pledge help and condemn delay. The river is long."
PARTIAL = {"HX-Request": "true"}
RESULT = PARTIAL | {"HX-Target": "div#result"}


@pytest.fixture(autouse=True)
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a model that looks for cue words the shipped model."""
    folder = bundle_folder(tmp_path / "cues")
    monkeypatch.setenv(MODEL_VARIABLE, str(folder))
    monkeypatch.setattr(
        "communique.load.load_model", lambda folder, *, threads=None, info=None: open_cue_model(Path(folder))
    )
    return folder


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, opened: OpenProject) -> list[tuple[str, ...]]:
    """Record the jobs that are started instead of running them."""
    found: list[tuple[str, ...]] = []

    def start(self: Any, name: str, module: str, arguments: Any, resume_with: Any, kind: str | None) -> Job:
        found.append(tuple(arguments))
        job = self._folder / f"20260101-000000-{len(found):06x}"
        job.mkdir(parents=True)
        content = {"name": name, "module": module, "arguments": list(arguments), "kind": kind}
        content["resume_with"] = list(resume_with)
        (job / "job.json").write_text(json.dumps(content | {"begun": "2026-01-01T00:00:00+00:00"}), encoding="utf-8")
        (job / "exit.txt").write_text("1", encoding="ascii")
        made: Job = self.get(job.name)
        return made

    monkeypatch.setattr("communique.app.jobs.Jobs._start", start)
    return found


def paste(client: TestClient, text: str = TEXT, **values: str) -> str:
    """Paste a text, and return the address of its page."""
    answer = client.post("/label/text", data={"text": text, **values}, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def names_of_marks(page: str) -> list[list[str]]:
    """Return the names of the marks of each sentence on a page."""
    items = re.findall(r'<li id="s\d+" class="one">(.*?)</li>', page, re.DOTALL)
    return [re.findall(r'<span class="mark \w+ k\d+">.*?<bdi>(\w+)</bdi>', item, re.DOTALL) for item in items]


def codings(project: Project) -> list[dict[str, Any]]:
    paths = (project.folder / "codings").glob("*.jsonl")
    return [json.loads(line) for path in paths for line in path.open(encoding="utf-8")]


def test_a_pasted_text_is_labelled_at_once_and_shown_in_reading_order(client: TestClient) -> None:
    page = client.get(paste(client)).text
    assert names_of_marks(page) == [
        ["criticism"],
        ["policy_claim"],
        ["criticism", "cooperation_pledge"],
        [],
    ]
    assert page.index("the blockade") < page.index("The port") < page.index("The river")
    assert "0.90" in page
    assert client.get("/label").text.count("We condemn the blockade. The port") >= 1


def test_htmx_is_sent_to_the_page_of_the_text(client: TestClient) -> None:
    answer = client.post("/label/text", data={"text": TEXT}, headers=PARTIAL)
    assert answer.headers["HX-Redirect"].startswith("/label/texts/")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"text": "   "}, "empty"),
        ({"text": "x" * (MAX_PASTED + 1)}, "character"),
        ({"text": TEXT, "model": "../other"}, "no model"),
        ({"text": TEXT, "language": "not a language"}, "anguage"),
    ],
)
def test_an_unusable_text_is_refused_with_a_reason_and_leaves_nothing(
    client: TestClient, project: Project, values: dict[str, str], words: str
) -> None:
    answer = client.post("/label/text", data=values, headers=PARTIAL)
    assert 400 <= answer.status_code < 500
    assert answer.headers["HX-Retarget"] == "#messages"
    assert words in answer.text
    assert not list((project.folder / ".app" / "texts").glob("*"))


HOSTILE = (
    "<script>alert(1)</script> we condemn <img src=x onerror=alert(2)>",
    "We condemn this.\x00\x1b[31m \x07 More \ud83d text should follow.",
    "\u202eWe condemn the reversed\u202c \u2066text\u2069.",
    "{{ 7 * 7 }} {% raw %} should stay.",
    "نحن ندين هذا الحصار condemn.",
    "'; DROP TABLE coding; -- condemn",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_shown_as_text(client: TestClient, text: str) -> None:
    body = f"text={quote(text.encode('utf-8', 'surrogatepass'))}"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = client.post("/label/text", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    page = answer.text
    assert "<script>alert" not in page
    assert "<img" not in page
    assert not re.search("[\x00-\x08\x1b\x7f\u202a-\u202e\u2066-\u2069]", page)
    # The address of the text contains the time and a random number.
    without_address = re.sub(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}", "", page)
    assert ("49" in without_address) is False or "7 * 7" in without_address


def test_an_arabic_sentence_runs_from_right_to_left(client: TestClient) -> None:
    page = client.get(paste(client, HOSTILE[4])).text
    assert re.search(r'class="text" dir="rtl"', page)


def test_a_very_long_paragraph_is_shown_in_part(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, opened: OpenProject
) -> None:
    monkeypatch.setattr(communique.app.texts, "MAX_PASTED", 2_000_000)
    choice = opened.models.default()
    assert choice is not None
    made = opened.texts.paste("word " * 200_000 + "condemn", choice)
    answer = client.get(f"/label/texts/{made.id}")
    assert answer.status_code == 200
    assert len(answer.text) < 500_000


def test_thresholds_change_what_is_shown_and_say_so(client: TestClient) -> None:
    address = paste(client)
    moved = client.get(address, params={"t": ["0.95", "0.05", "0.50"]}, headers=RESULT).text
    assert "<html" not in moved
    assert "not at those of the model" in moved
    assert "3 sentences have" in moved
    assert 'class="mark added' in moved
    assert 'class="mark removed' in moved
    only = client.get(address, params={"t": ["0.95", "0.50", "0.50"], "label": ";changed"}, headers=RESULT).text
    assert len(names_of_marks(only)) == 2
    own = client.get(address, params={"t": ["0.50", "0.50", "0.50"]}, headers=RESULT).text
    assert "not at those of the model" not in own


@pytest.mark.parametrize("values", [["0.5"], ["x", "0.5", "0.5"], ["0.5", "0.5", "2"], ["nan", "0.5", "0.5"]])
def test_invalid_thresholds_are_refused(client: TestClient, values: list[str]) -> None:
    assert client.get(paste(client), params={"t": values}).status_code == 400


def test_labels_and_words_filter_the_sentences(client: TestClient) -> None:
    address = paste(client)

    def shown(**values: str) -> list[list[str]]:
        return names_of_marks(client.get(address, params=values, headers=RESULT).text)

    assert shown(label="criticism") == [["criticism"], ["criticism", "cooperation_pledge"]]
    assert shown(label=";none") == [[]]
    assert shown(q="PORT") == [["policy_claim"]]
    assert shown(q=".*") == []
    assert shown(label="criticism", q="delay") == [["criticism", "cooperation_pledge"]]
    assert client.get(address, params={"label": "unknown"}).status_code == 404
    assert client.get(address, params={"document": "99"}).status_code == 404
    assert client.get(address, params={"page": "9999"}).status_code == 200


def test_a_correction_becomes_a_coding_that_records_that_the_model_was_shown(
    client: TestClient, project: Project
) -> None:
    address = paste(client)
    form = client.get(f"{address}/0", params={"coder": "anna"}, headers=PARTIAL).text
    assert re.search(r'value="criticism"[^>]* checked', form)
    saved = client.post(
        f"{address}/0", data={"coder": "anna", "labels": ["policy_claim"], "comment": "a claim"}, headers=PARTIAL
    )
    assert saved.status_code == 200, saved.text
    assert "coded by" in saved.text
    [line] = codings(project)
    assert (line["coder"], line["labels"], line["model_shown"], line["sample"]) == (
        "anna",
        ["policy_claim"],
        True,
        None,
    )
    assert line["text"] == "We condemn the blockade."
    client.post(f"{address}/1", data={"coder": "anna", "labels": ["none"]})
    assert codings(project)[1]["labels"] == []
    assert codings(project)[1]["previous"] == "We condemn the blockade."
    assert client.get(address).text.count("coded by") == 2


def test_a_correction_of_a_document_counts_when_it_is_coded_later(client: TestClient, opened: OpenProject) -> None:
    page = client.get("/label/tables/labelled.jsonl").text
    number = re.findall(r'<li id="s(\d+)"', page)[3]
    client.post(f"/label/tables/labelled.jsonl/{number}", data={"coder": "ben", "labels": ["criticism"]})
    [line] = codings(opened.project)
    assert opened.store.sentence((line["id"], line["sha256"])) is not None
    body = {key: line[key] for key in ("id", "sha256")} | {"coder": "ben", "queue": "all", "labels": ["policy_claim"]}
    assert client.post("/api/v1/codings", json=body).json()["model_shown"] is True


@pytest.mark.parametrize(
    ("row", "data", "status"),
    [
        ("0", {"labels": ["criticism"]}, 400),
        ("0", {"coder": "anna"}, 400),
        ("0", {"coder": "anna", "labels": ["unknown"]}, 400),
        ("0", {"coder": "anna", "labels": ["none", "criticism"]}, 400),
        ("0", {"coder": "adjudication", "labels": ["criticism"]}, 400),
        ("99", {"coder": "anna", "labels": ["criticism"]}, 404),
        ("-1", {"coder": "anna", "labels": ["criticism"]}, 404),
        ("x", {"coder": "anna", "labels": ["criticism"]}, 422),
    ],
)
def test_invalid_corrections_are_refused(
    client: TestClient, project: Project, row: str, data: dict[str, Any], status: int
) -> None:
    assert client.post(f"{paste(client)}/{row}", data=data).status_code == status
    assert codings(project) == []


def test_exports_contain_every_sentence_and_run_no_formula(client: TestClient) -> None:
    address = paste(client, "=HYPERLINK(1) we condemn it.\n\n@SUM(A1) <b>should</b> stay.")
    html = client.get(f"{address}/export/html")
    assert "attachment" in html.headers["content-disposition"]
    assert "&lt;b&gt;should" in html.text
    lines = [json.loads(line) for line in client.get(f"{address}/export/jsonl").text.splitlines()]
    assert [line["labels"] for line in lines] == [["criticism"], ["policy_claim"]]
    assert lines[0]["probabilities"] == {"criticism": 0.9, "policy_claim": 0.1, "cooperation_pledge": 0.1}
    book = openpyxl.load_workbook(io.BytesIO(client.get(f"{address}/export/xlsx").content))
    cells = [cell for row in book["labelled"].iter_rows() for cell in row]
    assert any(cell.value == "=HYPERLINK(1) we condemn it." for cell in cells)
    assert all(cell.data_type != "f" for cell in cells)
    assert client.get(f"{address}/export/exe").status_code == 422


def test_dropped_files_are_labelled_by_a_job(
    client: TestClient, project: Project, started: list[tuple[str, ...]], model: Path
) -> None:
    files = [
        ("files", ("../../speech.txt", b"We condemn it. We pledge help.")),
        ("files", ("-rows.csv", b"text\n=1+1\nWe should.\n")),
    ]
    answer = client.post("/label/files", files=files, data={"language": "en"}, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    [command] = started
    assert command[0] == "label"
    assert [Path(one).name for one in command[1:3]] == ["speech.txt", "-rows.csv"]
    assert all((project.folder / one).is_file() and one.startswith(".app") for one in command[1:3])
    assert command[3:5] == ("--model", str(model))
    assert "--split" not in command
    assert command[-1] == "--language=en"
    page = client.get(answer.headers["location"])
    assert page.status_code == 200
    assert "speech.txt" in page.text
    assert "Resume" in page.text


def test_rows_that_are_whole_texts_are_split(client: TestClient, started: list[tuple[str, ...]]) -> None:
    row = "We condemn the long blockade of the northern port again today. " * 30
    assert client.post("/label/files", files={"files": ("a.csv", f"text\n{row}\n".encode())}).status_code == 200
    assert "--split" in started[0]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("program.exe", b"MZ", "format"),
        ("table.csv", b"a,b\n1,2\n", "text"),
        (".txt", b"x", "format"),
    ],
)
def test_unusable_files_are_refused_and_leave_nothing(
    client: TestClient, project: Project, started: list[tuple[str, ...]], name: str, content: bytes, words: str
) -> None:
    answer = client.post("/label/files", files={"files": (name, content)}, headers=PARTIAL)
    assert answer.status_code == 400
    assert words in answer.text
    assert str(project.folder) not in answer.text
    assert not list((project.folder / ".app" / "texts").glob("*"))
    assert started == []


def test_files_may_be_larger_than_other_requests_up_to_a_limit(
    client: TestClient, started: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    large = b"We condemn it. " * (MAX_BODY // 10)
    assert len(large) > MAX_BODY
    assert client.post("/label/files", files={"files": ("large.txt", large)}).status_code == 200
    assert len(started) == 1
    assert client.post("/label/text", content=large).status_code == 413
    headers = {"Content-Length": str(MAX_UPLOAD + 1), "Content-Type": "multipart/form-data; boundary=x"}
    refused = client.post("/label/files", content=b"--x", headers=headers | PARTIAL)
    assert refused.status_code == 413
    assert "too large" in refused.text


@pytest.mark.parametrize(
    "path",
    [
        "/label/texts/..%2f..%2fproject.yaml",
        "/label/texts/20260101-000000-abcdef",
        "/label/tables/..%2fproject.yaml",
        "/label/tables/project.yaml",
        "/label/tables/unknown.parquet/0",
        "/label/tables/unknown.parquet/export/html",
    ],
)
def test_only_tables_of_the_project_are_shown(client: TestClient, path: str) -> None:
    assert client.get(path).status_code in (404, 422)


def test_the_documents_are_labelled_by_one_job(
    client: TestClient, started: list[tuple[str, ...]], tmp_path: Path, project: Project
) -> None:
    assert client.post("/label/documents", data={"model": "shipped"}).status_code == 200
    assert started[0][:2] == ("label", "--model")
    client.post("/label/files", files=[("files", ("a.txt", TEXT.encode()))])
    assert [job.kind for job in Jobs(project.folder).all()] == [None, "label"], "files may be labelled at the same time"
    other = bundle_folder(project.folder / "models" / "other", labels=("a", "b", "c"))
    assert other.is_dir()
    refused = client.post("/label/documents", data={"model": "other"})
    assert refused.status_code == 400
    assert "other labels" in refused.text


def test_texts_can_be_deleted_and_corrections_stay(client: TestClient, project: Project) -> None:
    address = paste(client)
    client.post(f"{address}/0", data={"coder": "anna", "labels": ["criticism"]})
    assert client.post(f"{address}/delete").status_code == 200
    assert client.get(address).status_code == 404
    assert len(codings(project)) == 1


def test_a_project_without_documents_and_model_explains_what_to_do(
    tmp_path: Path, connect: Callable[..., TestClient], opened: OpenProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODEL_VARIABLE, str(tmp_path / "nothing"))
    page = connect().get("/label")
    assert page.status_code == 200
    assert "no model yet" in page.text
    assert connect().post("/label/text", data={"text": TEXT}).status_code == 400


def test_holders_and_targets_are_shown_if_the_model_predicts_them(
    client: TestClient, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = model / "bundle.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | {"acts": {"kinds": {}, "width": 4}}), encoding="utf-8")

    class Acts:
        def given(self, decisions: Any) -> list[dict[str, Act]]:
            return [{"criticism": Act(None, (0, 2), (11, 23))} for _ in decisions]

    def open_model(folder: Any, *, threads: Any = None, info: Any = None) -> Any:
        made = open_cue_model(Path(folder))
        plain = made.predict

        def predict(texts: Any, *, languages: Any = None, acts: bool = False) -> Any:
            return replace(plain(texts), acts=cast(Any, Acts() if acts else None))

        made.predict = predict  # type: ignore[method-assign]
        return made

    monkeypatch.setattr("communique.load.load_model", open_model)
    page = client.get(paste(client)).text
    first = re.findall(r'<li id="s0" class="one">.*?</li>', page, re.DOTALL)[0]
    assert "holder: <bdi>We</bdi>" in first
    assert "target: <bdi>the blockade</bdi>" in first


@pytest.mark.slow
def test_a_file_is_labelled_in_the_background_and_then_shown(
    client: TestClient, opened: OpenProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODEL_VARIABLE, str(ROOT / "models" / "communique-small"))
    monkeypatch.setattr("communique.load.load_model", load_model)
    text = b"The minister condemns the attack on the port. We will send grain."
    answer = client.post("/label/files", files={"files": ("-a speech.txt", text)}, follow_redirects=False)
    address = answer.headers["location"]
    [texts] = opened.texts.all()
    job = opened.texts.job_of(texts)
    assert job is not None
    assert "being labelled" in client.get(address, headers=PARTIAL).text
    until(lambda: opened.jobs.get(job.id).state != "running", "the job has not ended")
    assert opened.jobs.get(job.id).state == "done", opened.jobs.get(job.id).output
    assert client.get(address, headers=PARTIAL).headers["HX-Redirect"] == address
    assert "We will send grain." in client.get(address).text


def test_paragraphs_of_a_text_are_kept(client: TestClient) -> None:
    text = "We condemn the blockade. The port should open.\n\nWe pledge help. The river is long.\n\nThe talks go on."
    page = client.get(paste(client, text)).text
    breaks = [item.split("</p>")[0] for item in page.split('<hr aria-label="New paragraph">')[1:]]
    assert len(breaks) == 2
    assert "We pledge help" in breaks[0]
    assert "The talks go on" in breaks[1]
    assert "New paragraph" not in client.get(paste(client)).text


def test_tables_texts_and_models_are_read_again_only_if_they_changed(
    client: TestClient, project: Project, opened: OpenProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle_folder(project.folder / "models" / "model-1", project.codebook)
    address = paste(client)
    paste(client)
    read: list[str] = []

    def count(place: Any, name: str) -> None:
        function = getattr(place, name)

        def counted(*given: Any, **named: Any) -> Any:
            read.append(name)
            return function(*given, **named)

        monkeypatch.setattr(place, name, counted)

    count(communique.app.tables, "content_of")
    count(communique.models.folder, "load_json")
    for path in ("/label", "/label/tables/labelled.jsonl?q=a", f"{address}?q=a"):
        assert client.get(path).status_code == 200
    read.clear()
    for path in ("/label", "/label/tables/labelled.jsonl?q=b", f"{address}?q=b"):
        assert client.get(path).status_code == 200
    assert read == []
    with project.documents()[0].open("a", encoding="utf-8") as handle:
        handle.write("\n")
    client.get("/label")
    assert read == ["content_of"]
    described: list[str] = []
    monkeypatch.setattr(Texts, "get", lambda texts, id: described.append(id))
    assert len(opened.texts.all(limit=1)) == len(described) == 1
