"""Tests of adding documents: on the page, and through the API."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from app_jobs import launch_here
from app_server import AppServer
from browser import overflowing, violations
from helpers import PATIENCE, TINY
from starlette.testclient import TestClient

from communique.app import adding
from communique.app.jobs import Jobs
from communique.app.pages.documents import MAX_UPLOAD
from communique.app.run_job import JOB, STARTING
from communique.app.security import MAX_BODY
from communique.project import Project
from communique.project.documents import MAX_FILES

if TYPE_CHECKING:
    from playwright.sync_api import Page

PAGE, API = "/corpus/documents", "/api/v1/documents"
PARTIAL = {"HX-Request": "true"}


@pytest.fixture
def jobs_run(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run jobs that add files in this process, and let other jobs end at once. Return the names of all jobs."""
    found: list[str] = []

    def launch(jobs: Jobs, folder: Path, content: dict[str, Any]) -> None:
        found.append(content["name"])
        launch_here(jobs, folder, content)

    monkeypatch.setattr(Jobs, "_launch", launch)
    return found


@pytest.fixture
def empty(tmp_path: Path) -> Project:
    """Create a project without documents."""
    TINY.dump(tmp_path / "tiny.yaml")
    return Project.create(tmp_path / "empty", codebook=tmp_path / "tiny.yaml")


@pytest.fixture
def page_of(empty: Project, jobs_run: list[str], connect_to: Callable[[Project], TestClient]) -> TestClient:
    """Return a client of the project without documents."""
    return connect_to(empty)


def test_the_page_shows_what_was_read_and_the_index_is_built(
    page_of: TestClient, empty: Project, jobs_run: list[str]
) -> None:
    assert "no documents yet" in page_of.get(PAGE).text
    files = [
        ("files", ("a.txt", b"We condemn it. The river is <long>.")),
        ("files", ("<b>.zip", b"x")),
        ("folder", ("articles/c.txt", b"A third text.")),
    ]
    started = page_of.post(PAGE, files=files, headers=PARTIAL)
    assert started.status_code == 200
    answer = page_of.get(started.headers["hx-redirect"])
    assert "Added 2 files with 3 sentences" in answer.text
    assert "1 file was refused" in answer.text
    assert "articles/c.txt" in answer.text
    assert "unpack it" in answer.text
    assert "<b>" not in answer.text
    assert jobs_run == ["add documents", "index"]
    again = page_of.post(PAGE, files=files[:1]).text
    assert "<html" in again
    assert "1 file is in the project already" in again
    assert "articles/c.txt" in again
    assert jobs_run.count("add documents") == 2
    assert not list(empty.folder.glob(".app/adding/*/files"))
    assert (empty.folder / "documents" / "articles" / "c.txt").read_text() == "A third text."


def test_the_pages_lead_to_the_form(page_of: TestClient, client: TestClient) -> None:
    for path in ("/corpus", "/sample", "/label", "/status"):
        assert f'href="{PAGE}"' in page_of.get(path).text, path
    assert "Open the page Documents" in page_of.get("/status").text
    assert f'href="{PAGE}"' in client.get("/corpus").text


def test_a_form_with_nothing_to_add_is_refused_with_reasons(page_of: TestClient) -> None:
    # Browsers send a field without a chosen file like this.
    blank = b'--x\r\nContent-Disposition: form-data; name="%s"; filename=""\r\nContent-Type: text/plain\r\n\r\n\r\n'
    form = blank % b"files" + blank % b"folder" + b"--x--\r\n"
    nothing = page_of.post(PAGE, content=form, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert (nothing.status_code, "No file is chosen" in nothing.text) == (400, True)
    refused = page_of.post(PAGE, files=[("files", ("a.exe", b"x")), ("files", ("../b", b"x"))], headers=PARTIAL)
    reasons = page_of.get(refused.headers["hx-redirect"]).text
    assert reasons.count('<p class="remark" dir') == 2
    assert "files of this format cannot be read" in reasons
    many = page_of.post(PAGE, files=[("files", (f"{i}.txt", b"x")) for i in range(MAX_FILES + 1)])
    assert (many.status_code, "Too many files" in many.text) == (400, True)


def test_uploads_are_limited(page_of: TestClient) -> None:
    large = b"We condemn it.\n" + b"\n" * MAX_BODY
    assert page_of.post(PAGE, files=[("files", ("large.txt", large))]).status_code == 200
    headers = {"Content-Length": str(MAX_UPLOAD + 1), "Content-Type": "multipart/form-data; boundary=x"}
    refused = page_of.post(PAGE, content=b"--x", headers=headers | PARTIAL)
    assert (refused.status_code, "too large" in refused.text) == (413, True)


def test_files_are_added_through_the_api(page_of: TestClient, empty: Project) -> None:
    packed = base64.b64encode("Wir verurteilen es. Der Fluss ist lang.".encode("utf-16")).decode()
    body = {
        "files": [
            {"name": "a.txt", "content": "We condemn it."},
            {"name": "b.txt", "content": packed, "encoding": "base64"},
            {"name": "c.txt", "content": ""},
        ]
    }
    answer = page_of.post(API, json=body)
    assert answer.status_code == 201
    found = [(one["name"], one["state"], one["sentences"]) for one in answer.json()["files"]]
    assert found == [("a.txt", "added", 1), ("b.txt", "added", 2), ("c.txt", "refused", 0)]
    assert page_of.get(API).json() == [
        {"name": "documents/a.txt", "bytes": 14},
        {"name": "documents/b.txt", "bytes": len(base64.b64decode(packed))},
    ]
    wrong = {"files": [{"name": "d.txt", "content": "?", "encoding": "base64"}]}
    assert "not base64" in page_of.post(API, json=wrong).json()["error"]
    assert page_of.post(API, json=wrong).status_code == 400
    assert page_of.post(API, json={"files": []}).status_code == 422


def test_a_job_that_was_stopped_adds_the_files_when_it_is_resumed(
    page_of: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(adding, "main", lambda arguments: 137)
        answer = page_of.post(API, json={"files": [{"name": "a.txt", "content": "We condemn it."}]})
    assert (answer.status_code, "was stopped" in answer.text) == (400, True)
    assert page_of.get(API).json() == []
    [job] = page_of.get("/api/v1/jobs").json()
    assert job["id"] in answer.text
    assert "Resume" in page_of.get(f"{PAGE}?job={job['id']}").text
    page_of.post(f"/api/v1/jobs/{job['id']}/resume")
    assert [one["name"] for one in page_of.get(API).json()] == ["documents/a.txt"]
    assert "Added 1 file with 1 sentence" in page_of.get(f"{PAGE}?job={job['id']}").text


def test_the_page_leads_to_a_job_that_is_running(page_of: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def launch(jobs: Jobs, folder: Path, content: dict[str, Any]) -> None:
        folder.mkdir()
        (folder / JOB).write_text(json.dumps(content))
        (folder / STARTING).touch()

    monkeypatch.setattr(Jobs, "_launch", launch)
    started = page_of.post(PAGE, files=[("files", ("a.txt", b"We condemn it."))], follow_redirects=False)
    address = started.headers["location"]
    assert page_of.get(PAGE, follow_redirects=False).headers["location"] == address
    assert "<progress" in page_of.get(address).text


@pytest.mark.slow
def test_a_folder_is_added_in_a_browser(
    tmp_path: Path, start_app: Callable[..., AppServer], new_page: Callable[..., Page]
) -> None:
    texts = tmp_path / "articles"
    texts.mkdir()
    for number in range(3):
        (texts / f"{number}.txt").write_text(f"Article {number} says something. The river is long.")
    app = start_app(tmp_path / "new-study")
    assert Project.open(tmp_path / "new-study").documents() == []
    page = new_page("narrow")
    page.goto(app.opening)
    page.click(".facts a")
    page.set_input_files("#folder", texts)
    page.click("main button.primary")
    # The state of the job is a span of the same class, which is shown until the page is loaded again.
    page.wait_for_selector("#added p.done")
    assert "Added 3 files with 6 sentences" in page.inner_text("#added")
    assert "articles/0.txt" in page.inner_text("#added")
    page.wait_for_selector("#documents-state [role=status]:has-text('3 files, 6 sentences')", timeout=1000 * PATIENCE)
    assert [*violations(page), *overflowing(page)] == []
    assert page.evaluate("document.getElementById('folder').files.length") == 0, "added files are not chosen any more"
    page.set_input_files("#folder", texts)
    page.click("main button.primary")
    page.wait_for_selector("#added p.done:has-text('in the project already')")


def test_columns_are_read_from_file_names_on_the_page(page_of: TestClient, empty: Project, jobs_run: list[str]) -> None:
    refused = page_of.post(f"{PAGE}/columns", data={"pattern": "{country}_{year}"}, headers=PARTIAL)
    assert (refused.status_code, empty.file.columns_from_filename) == (400, None)
    names = ("USA_1962.txt", "CHN_2020.txt", "<b>.txt", "x.txt")
    page_of.post(PAGE, files=[("files", (name, f"Text of {name[:3]}.".encode())) for name in names])
    saved = page_of.post(f"{PAGE}/columns", data={"pattern": "{country}_{year}"}, headers=PARTIAL).text
    assert "2 file names match" in saved
    assert "not match" in saved
    assert "1962" in saved
    assert "<b>" not in saved
    assert empty.file.columns_from_filename == "{country}_{year}"
    assert jobs_run == ["add documents", "index", "index"]
    assert 'value="{country}_{year}"' in page_of.get(PAGE).text
    removed = page_of.post(f"{PAGE}/columns", data={"pattern": ""})
    assert "No columns are read" in removed.text
    assert empty.file.columns_from_filename is None


def test_files_are_listed_by_name(page_of: TestClient) -> None:
    sent = [("files", (f"{name}.txt", name.encode() * 9)) for name in "cab"]
    added = page_of.get(page_of.post(PAGE, files=sent, headers=PARTIAL).headers["hx-redirect"]).text
    assert added.index("a.txt") < added.index("b.txt") < added.index("c.txt")
