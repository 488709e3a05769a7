"""Make the screenshots of docs/app.md. With COMMUNIQUE_SCREENSHOTS=FOLDER, they are kept in this folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from app_server import AppServer
from app_study import STUDY, code_study, create_study
from browser import overflowing, violations
from helpers import PATIENCE

from communique.app.indexing import rebuild
from communique.app.store import Store
from communique.project import Project

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

#: Environment variable with the folder of the screenshots.
FOLDER = "COMMUNIQUE_SCREENSHOTS"

#: Maximum size of a screenshot in bytes.
MAX_SIZE = 150_000


def prepared(folder: Path) -> Project:
    """Create the study, coded by two people who differ on a few sentences."""
    project = create_study(folder)
    store = Store(project.folder)
    rebuild(project, store)
    store.close()
    code_study(project, "Anna", n=18)
    code_study(project, "Ben", n=18, wrong=(1, 4, 8, 11))
    return project


def start(page: Page) -> None:
    page.wait_for_selector(".next")
    # The folder of a test is of no interest to readers.
    page.evaluate("document.querySelector('h1 + p bdi').textContent = '/home/anna/strait'")


def code(page: Page) -> None:
    page.wait_for_selector("#sentence")
    page.keyboard.press("1")


def agreement(page: Page) -> None:
    page.wait_for_selector("#measured table")


def review(page: Page) -> None:
    page.fill("#definition", "The holder judges an actor negatively and says so openly.")
    page.click("text=Review the change")
    page.wait_for_selector("#consequences")
    page.evaluate("document.querySelector('.review').scrollIntoView()")


#: The screenshots: name, size of the window, dark colours, path, and what happens before.
SHOTS: tuple[tuple[str, str, bool, str, Callable[[Page], object]], ...] = (
    ("app-start", "wide", False, "/", start),
    ("app-code", "wide", False, "/code?coder=Carla", code),
    ("app-code-phone", "narrow", True, "/code?coder=Dora", code),
    ("app-agreement", "wide", False, "/agreement?sample=sample-1", agreement),
    ("app-agreement-phone", "narrow", True, "/agreement?sample=sample-1", agreement),
    (
        "app-decide",
        "wide",
        False,
        "/agreement/decide?sample=sample-1",
        lambda page: page.wait_for_selector("#sentence"),
    ),
    ("app-codebook", "wide", False, "/codebook", lambda page: page.wait_for_selector("h2")),
    ("app-codebook-phone", "narrow", True, "/codebook", lambda page: page.wait_for_selector("h2")),
    ("app-codebook-change", "wide", False, "/codebook/label?name=criticism", review),
    ("app-codebook-change-phone", "narrow", False, "/codebook/label?name=criticism", review),
    ("app-versions", "wide", True, "/codebook/versions", lambda page: page.wait_for_selector("h2")),
)


@pytest.mark.parametrize(("name", "size", "dark"), [("documents", "wide", False), ("documents-phone", "narrow", True)])
def test_screenshots_of_added_documents(
    tmp_path: Path,
    start_app: Callable[[Path], AppServer],
    new_page: Callable[..., Page],
    name: str,
    size: str,
    dark: bool,
) -> None:
    folder = Path(os.environ.get(FOLDER, tmp_path / "shots"))
    folder.mkdir(parents=True, exist_ok=True)
    articles = tmp_path / "speeches"
    articles.mkdir()
    for document, (_, _, sentences) in STUDY.items():
        (articles / f"{document}.txt").write_text(" ".join(text for text, _ in sentences), encoding="utf-8")
    (articles / "list of speakers.ods").write_bytes(b"")
    page = new_page(size, dark=dark)
    app = start_app(tmp_path / "strait")
    page.goto(app.opening)
    page.goto(f"{app.base}/corpus/documents")
    page.set_input_files("#folder", articles)
    page.click("main button.primary")
    page.wait_for_selector("#added p.done")
    page.wait_for_selector("#documents-state [role=status]:has-text('sentences')", timeout=1000 * PATIENCE)
    target = folder / f"app-{name}.png"
    page.screenshot(path=target)
    assert [*overflowing(page), *violations(page)] == []
    assert target.stat().st_size <= MAX_SIZE


def test_screenshots(tmp_path: Path, start_app: Callable[[Path], AppServer], new_page: Callable[..., Page]) -> None:
    folder = Path(os.environ.get(FOLDER, tmp_path / "shots"))
    folder.mkdir(parents=True, exist_ok=True)
    app = start_app(prepared(tmp_path / "strait").folder)
    found = []
    for name, size, dark, path, act in SHOTS:
        page = new_page(size, dark=dark)
        page.goto(app.opening)
        page.goto(app.base + path)
        act(page)
        target = folder / f"{name}.png"
        page.screenshot(path=target)
        found += [f"{name}: {line}" for line in [*overflowing(page), *violations(page)]]
        found += [f"{name}: too large"] if target.stat().st_size > MAX_SIZE else []
        page.close()
    assert found == []
