"""Fixtures: a project with documents, samples and an index, and clients that know the token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers import TINY, predictions
from project_helpers import draw
from starlette.testclient import TestClient

from communique.app.context import OpenProject
from communique.app.indexing import rebuild
from communique.app.server import create_app
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
