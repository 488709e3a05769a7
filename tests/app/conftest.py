"""Fixtures: a project with documents, samples and an index, and clients that know the token."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
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


@pytest.fixture
def failed_job(project: Project) -> Callable[[str, str], str]:
    """Return a function that adds a job that failed with some output, and returns its id."""

    def add(command: str, output: str) -> str:
        folder = project.folder / APP_FOLDER / JOBS / "20260102-030405-abcdef"
        folder.mkdir(parents=True)
        content = {
            "name": command,
            "module": "communique",
            "arguments": [command],
            "resume_with": [],
            "begun": "2026-01-02T03:04:05+00:00",
        }
        (folder / JOB).write_text(json.dumps(content), encoding="utf-8")
        (folder / LOG).write_text(output, encoding="utf-8")
        (folder / EXIT).write_text("1", encoding="ascii")
        return folder.name

    return add
