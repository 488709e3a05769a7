"""Tests that no page has barriers or is wider than the window, in a project in which everything has results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from app_project import create
from app_server import AppServer
from browser import overflowing, violations
from helpers import CODEBOOK, succeed, write_rows

from communique.data.codebook import Codebook
from communique.project import Project

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

#: The pages, and an element that each shows once everything is loaded.
PAGES = {
    "/": ".next",
    "/label": "h2#tables",
    "/label/tables/model-1.parquet": "li.one",
    "/codebook": "#label-3",
    "/codebook/general": "#rules",
    "/codebook/label?name=criticism": "#definition",
    "/codebook/versions": "h2",
    "/sample": "table",
    "/code": "#queue",
    "/code?coder=Anna&queue=sample-1": "#task h2",
    "/agreement?sample=sample-1": "#measured table",
    "/agreement/decide?sample=sample-1": "#task",
    "/train": "#chosen",
    "/evaluate": "main table",
    "/estimate": "#results",
    "/corpus": "main table",
    "/corpus/documents": "#documents-state",
    "/jobs": "h1",
}


@pytest.fixture(scope="module")
def study(chromium: object, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Create a project with estimates, a model, its labels, its evaluation and a learning curve."""
    project = create(tmp_path_factory.mktemp("study") / "study", 600, sample=120, coded=120, outside=200, wrong=0.0)
    evaluation = "models/model-1.sample-1.evaluation"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.folder)
        succeed("estimate", "--by", "country")
        succeed("train", "--kind=tfidf")
        succeed("label")
        gold = "samples/sample-1.gold.jsonl"
        succeed(
            "evaluate",
            "--drop-shared",
            f"--json={evaluation}.json",
            f"--html={evaluation}.html",
            "models/model-1",
            gold,
        )
        succeed("status", "--curve")
    return project


@pytest.fixture(scope="module")
def app(study: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """Start the app."""
    server = AppServer(study.folder, tmp_path_factory.mktemp("log") / "log.txt")
    yield server
    server.stop()


@pytest.mark.parametrize(("size", "dark"), [("wide", False), ("narrow", True)])
def test_pages_with_results_have_no_barriers_and_fit_the_window(
    app: AppServer, new_page: Callable[..., Page], size: str, dark: bool
) -> None:
    page = new_page(size, dark=dark)
    page.goto(app.opening)
    found = []
    for path, shown in PAGES.items():
        page.goto(app.base + path)
        page.wait_for_selector(shown)
        found += [f"{path}: {line}" for line in [*violations(page), *overflowing(page)]]
    page.goto(f"{app.base}/label/tables/model-1.parquet")
    page.click("text=Details, correct")
    page.wait_for_selector(".detail")
    found += [f"details: {line}" for line in [*violations(page), *overflowing(page)]]
    assert found == []


def test_every_page_of_the_navigation_is_checked(app: AppServer, new_page: Callable[..., Page]) -> None:
    page = new_page()
    page.goto(app.opening)
    links = page.locator("nav[aria-label=Pages] a").evaluate_all(
        "links => links.map((one) => one.getAttribute('href'))"
    )
    assert set(links) <= {path.partition("?")[0] for path in PAGES}


def test_long_names_do_not_make_the_page_corpus_wider_than_a_phone(
    tmp_path: Path, start_app: Callable[..., AppServer], new_page: Callable[..., Page]
) -> None:
    names = [f"{'name_without_a_space_' * 2}{i:018}" for i in range(8)]
    codebook = CODEBOOK | {"labels": [{"name": name, "definition": "A definition."} for name in names]}
    Codebook.model_validate(codebook).dump(tmp_path / "codebook.yaml")
    fields = {"language": "en", "truncated": False, "probabilities": dict.fromkeys(names, 0.5)}
    rows = [
        {
            "id": f"d{i}:0",
            "document": f"d{i}",
            "index": 0,
            "text": f"Text {i}.",
            "labels": names[:1],
            "x": f"{i % 2}" * 80,
        }
        for i in range(12)
    ]
    table = write_rows(tmp_path / "labelled.jsonl", [row | fields for row in rows])
    app = start_app(Project.create(tmp_path / "study", codebook=tmp_path / "codebook.yaml", documents=[table]).folder)
    page = new_page("narrow")
    page.goto(app.opening)
    page.goto(f"{app.base}/corpus")
    page.wait_for_selector("main table")
    assert overflowing(page) == []
    # The table is wider than the window, so it scrolls within its own frame.
    assert page.evaluate("[...document.querySelectorAll('.scroll')].some((one) => one.scrollWidth > one.clientWidth)")
