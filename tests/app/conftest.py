"""Fixtures: a project with documents, samples and an index, clients that know the token, and a browser."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from app_server import AppServer
from browser import SIZES, TIMEOUT, chromium_arguments, find_chromium
from helpers import TINY, predictions
from project_helpers import draw
from starlette.testclient import TestClient

from communique.app.context import OpenProject
from communique.app.indexing import rebuild
from communique.app.jobs import COMMANDS, JOBS, Jobs
from communique.app.run_job import EXIT, JOB, LOG
from communique.app.server import create_app
from communique.app.store import APP_FOLDER
from communique.project import Project

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

TOKEN, PORT = "the-token-of-the-tests", 8123
BASE = f"http://127.0.0.1:{PORT}"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Create a project whose documents are predictions, with one sample."""
    table = predictions(tmp_path / "labelled.jsonl")
    TINY.dump(tmp_path / "tiny.yaml")
    project = Project.create(tmp_path / "study", codebook=tmp_path / "tiny.yaml", documents=[table])
    draw(project, 20)
    return project


@pytest.fixture
def opened(project: Project) -> Iterator[OpenProject]:
    """Open the project with a complete index."""
    opened = OpenProject(project)
    rebuild(project, opened.store)
    yield opened
    opened.store.close()


@pytest.fixture
def connect(opened: OpenProject) -> Callable[..., TestClient]:
    """Return a function that makes clients. By default, they know the token, and do not run background tasks."""

    def connect(*, with_pages: bool = True, token: str | None = TOKEN, base: str = BASE) -> TestClient:
        app = create_app(opened.project, token=TOKEN, port=PORT, with_pages=with_pages)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return TestClient(app, base_url=base, headers=headers, raise_server_exceptions=False)

    return connect


@pytest.fixture
def client(connect: Callable[..., TestClient]) -> TestClient:
    """Return a client that knows the token."""
    return connect()


class Started(list[tuple[str, list[str]]]):
    """The jobs that pages started: each command with its arguments."""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """Record jobs instead of running them."""
    found = Started()

    def start(jobs: Jobs, command: str, arguments: Sequence[str] = (), **_: object) -> None:
        assert command in COMMANDS
        found.append((command, list(arguments)))

    monkeypatch.setattr(Jobs, "start", start)
    return found


def _add_job(project: Project, command: str, output: str, arguments: Sequence[str], exit_code: int) -> str:
    folder = project.folder / APP_FOLDER / JOBS / "20260102-030405-abcdef"
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "name": command,
        "module": "communique",
        "arguments": [command, *arguments],
        "resume_with": [],
        "begun": "2026-01-02T03:04:05+00:00",
        "kind": command,
    }
    (folder / JOB).write_text(json.dumps(content), encoding="utf-8")
    (folder / LOG).write_text(output, encoding="utf-8")
    (folder / EXIT).write_text(str(exit_code), encoding="ascii")
    return folder.name


@pytest.fixture
def failed_job(project: Project) -> Callable[[str, str], str]:
    """Return a function that adds a job that failed with some output, and returns its id."""
    return lambda command, output: _add_job(project, command, output, (), 1)


@pytest.fixture
def finished_job(project: Project) -> Callable[..., str]:
    """Return a function that adds a job that is done, with some output and arguments, and returns its id."""
    return lambda command, output, *arguments: _add_job(project, command, output, arguments, 0)


@pytest.fixture
def connect_to() -> Iterator[Callable[[Project], TestClient]]:
    """Return a function that makes a client of another project."""
    apps: list[TestClient] = []

    def connect_to(project: Project) -> TestClient:
        app = create_app(project, token=TOKEN, port=PORT, with_pages=True)
        apps.append(TestClient(app, base_url=BASE, headers={"Authorization": f"Bearer {TOKEN}"}))
        return apps[-1]

    yield connect_to
    for app in apps:
        app.close()


@pytest.fixture
def start_app(tmp_path: Path) -> Iterator[Callable[..., AppServer]]:
    """Return a function that starts `communique app` on the folder of a project in a process of its own."""
    started: list[AppServer] = []

    def start(folder: Path, *, port: int = 0) -> AppServer:
        started.append(AppServer(folder, tmp_path / f"app-{len(started)}.log", port=port))
        return started[-1]

    yield start
    for process in started:
        process.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Start Chromium. Without it, or without Playwright, tests of pages are skipped."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="tests of pages in a browser need the package playwright: pip install playwright"
    )
    path = find_chromium()
    if path is None:
        pytest.skip("tests of pages in a browser need the program chromium, for example from apt-get install chromium")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=chromium_arguments())
        yield browser
        browser.close()


@pytest.fixture
def new_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a tab in a browser of its own. Errors that a page logs fail the test, unless it `may_fail`."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def new_page(size: str = "wide", *, dark: bool = False, beside: Page | None = None, may_fail: bool = False) -> Page:
        if beside is None:
            width, height = SIZES[size]
            context = chromium.new_context(
                viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
            )
            context.set_default_timeout(TIMEOUT)
            context.set_default_navigation_timeout(TIMEOUT)
            contexts.append(context)
        else:
            context = beside.context
        page = context.new_page()
        if may_fail:
            return page
        page.on("pageerror", lambda error: errors.append(str(error)))
        # The browser also logs answers with 4xx, which tests cause on purpose.
        page.on("console", lambda line: errors.append(line.text) if _is_error(line) else None)
        return page

    yield new_page
    for context in contexts:
        context.close()
    assert errors == []


def _is_error(line: ConsoleMessage) -> bool:
    return line.type == "error" and "Failed to load resource" not in line.text
