"""Holder and target are marked in a browser, by keyboard and by mouse, in texts with emoji and from right to left."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from app_server import AppServer
from browser import overflowing, violations
from hands import Hands, Keyboard, Mouse
from helpers import CUES, ROOT, write_rows
from project_helpers import draw

from communique.annotation.tasks import ADJUDICATION
from communique.app.indexing import rebuild
from communique.app.store import Store
from communique.project import Project

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

EMOJI = "🇫🇷🙂 Orée says that Velmark must open the strait."
ARABIC = "قالت صفارى إن كارسوند أغلقت المضيق."
CHINESE = "蓝河谴责关闭海峡的鲁莽行为。"
TEXTS = {"en": EMOJI, "ar": ARABIC, "zh": CHINESE}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return make_study(tmp_path_factory.mktemp("study"))


def make_study(folder: Path) -> Project:
    """Create a project with one sentence per language, all in one sample."""
    rows = [
        {"id": language, "document": language, "index": 0, "language": language, "text": text, "labels": ["criticism"]}
        | {"probabilities": dict.fromkeys(CUES, 0.2), "truncated": False}
        for language, text in TEXTS.items()
    ]
    table = write_rows(folder / "rows.jsonl", rows)
    project = Project.create(folder / "study", codebook=ROOT / "data" / "codebook.yaml", documents=[table])
    draw(project, len(rows))
    store = Store(project.folder)
    rebuild(project, store)
    store.close()
    return project


@pytest.fixture(scope="module")
def app(chromium: object, study: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    process = AppServer(study.folder, tmp_path_factory.mktemp("log") / "log.txt")
    yield process
    process.stop()


def open_text(page: Page, app: AppServer, study: Project, language: str, coder: str) -> None:
    row = next(row for row in study.designs()["sample-1"].rows if row.id == language)
    page.goto(app.opening)
    address = f"coder={coder}&queue=sample-1&id={row.id}&sha256={row.display_sha256 or row.sha256}"
    page.goto(f"{app.base}/code?{address}")
    page.wait_for_selector("#sentence")


def save(page: Page, study: Project, coder: str) -> dict[str, Any]:
    """Save the answer, and return the last coding of the coder on disk."""
    before = page.input_value("#answer input[name=id]")
    page.keyboard.press("Enter")
    page.wait_for_function("id => document.querySelector('#answer input[name=id]')?.value !== id", arg=before)
    paths = study.log.folder.glob("*.jsonl")
    found = [json.loads(line) for path in paths for line in path.open(encoding="utf-8")]
    last: dict[str, Any] = [line for line in found if line["coder"] == coder][-1]
    return last


def words_of(line: dict[str, Any], label: str) -> dict[str, str | None]:
    act = line["acts"][label]
    spans = {role: act[f"{role}_span"] for role in ("holder", "target")}
    return {role: None if span is None else line["text"][slice(*span)] for role, span in spans.items()}


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_words_are_marked_with_the_keyboard_alone(
    study: Project, app: AppServer, new_page: Callable[..., Page]
) -> None:
    page = new_page()
    open_text(page, app, study, "en", "anna")
    # Flag, smile, Orée, says, that, Velmark
    press(page, "1", "2", *["ArrowRight"] * 3, "h")
    assert page.inner_text(".act[data-active] legend").strip().endswith("policy_claim")
    press(page, *["ArrowRight"] * 6, "Shift+ArrowRight", "t", "l")
    assert page.inner_text(".act[data-active] legend").strip().endswith("criticism")
    press(page, "n", "k")
    assert page.input_value(".act[data-label=policy_claim] select") == ""
    assert violations(page) == []
    page.select_option(".act[data-label=policy_claim] select", label="demand")
    page.locator("#sentence").focus()
    line = save(page, study, "anna")
    assert words_of(line, "policy_claim") == {"holder": "Orée", "target": "Velmark must"}
    assert line["acts"]["policy_claim"]["kind"] == "demand"
    assert words_of(line, "criticism") == {"holder": None, "target": None}


def test_arrow_keys_follow_the_direction_of_the_text(
    study: Project, app: AppServer, new_page: Callable[..., Page]
) -> None:
    page = new_page("narrow")
    open_text(page, app, study, "ar", "ben")
    press(page, "1", "ArrowLeft", "ArrowLeft", "h", *["ArrowLeft"] * 5, "ArrowRight", "t")
    assert overflowing(page) == []
    assert violations(page) == []
    assert words_of(save(page, study, "ben"), "criticism") == {"holder": "صفارى", "target": "كارسوند"}


def test_words_are_marked_with_the_mouse_and_removed(
    study: Project, app: AppServer, new_page: Callable[..., Page]
) -> None:
    page = new_page()
    open_text(page, app, study, "zh", "carla")
    page.click("label:has-text('criticism')")
    # Select as a user drags, from the first to after the second character.
    page.evaluate(
        """() => { const node = document.getElementById("sentence").firstChild;
                   getSelection().setBaseAndExtent(node, 0, node, 2); }"""
    )
    page.click(".act:not([hidden]) [data-role=holder] [data-mark]")
    assert page.inner_text(".act:not([hidden]) [data-role=holder] .words") == "蓝河"
    page.click(".act:not([hidden]) [data-role=target] [data-mark]")  # nothing is selected
    assert "Select words" in page.inner_text("[data-said]")
    page.dblclick("#sentence", position={"x": 30, "y": 20})
    press(page, "t")
    page.click(".act:not([hidden]) [data-role=target] [data-clear]")
    page.locator("#sentence").focus()
    assert words_of(save(page, study, "carla"), "criticism") == {"holder": "蓝河", "target": None}


@pytest.mark.parametrize("hands", [Mouse(), Keyboard()], ids=["mouse", "keyboard"])
def test_the_adjudicator_decides_between_marks(
    tmp_path: Path, start_app: Callable[..., AppServer], new_page: Callable[..., Page], hands: Hands
) -> None:
    """Two coders agree on the label, and differ only in what they marked."""
    project = make_study(tmp_path)
    app = start_app(project.folder)
    connection = app.connect()
    row = next(row for row in project.designs()["sample-1"].rows if row.id == "en")
    given = {"queue": "sample-1", "id": row.id, "sha256": row.display_sha256 or row.sha256, "labels": ["criticism"]}
    holder = [EMOJI.index("Orée"), EMOJI.index("Orée") + 4]
    for coder, span in (("anna", holder), ("ben", None)):
        acts = {"criticism": {"holder_span": span, "target_span": None}}
        connection.json("POST", "/codings", given | {"coder": coder, "acts": acts})
    connection.close()
    page = new_page()
    page.goto(app.opening)
    page.goto(f"{app.base}/agreement?sample=sample-1")
    overview = page.inner_text("[aria-labelledby=differences]")
    assert "differ on 1 sentence, on all of them only in kind, holder or target" in overview
    assert "holder Orée" in overview
    assert "names neither" in overview
    hands.press(page, "a:has-text('Decide: 1 sentence')")
    page.wait_for_selector("#sentence")
    assert page.is_checked("input[value=criticism]")
    assert "differ only in kind, holder or target" in page.inner_text("#task")
    assert [*violations(page), *overflowing(page)] == []
    if isinstance(hands, Keyboard):
        page.locator("#sentence").focus()
        press(page, *["ArrowRight"] * 6, "t")
    else:
        page.evaluate(
            """() => { const node = document.getElementById("sentence").firstChild, start = node.data.indexOf("Velmark");
                       getSelection().setBaseAndExtent(node, start, node, start + 7); }"""
        )
        page.click(".act:not([hidden]) [data-role=target] [data-mark]")
        page.locator("#sentence").focus()
    line = save(page, project, ADJUDICATION)
    assert (line["labels"], words_of(line, "criticism")) == (["criticism"], {"holder": None, "target": "Velmark"})
    assert "All differences are decided" in page.inner_text("#task")
    hands.press(page, "text=Back to the overview")
    page.wait_for_selector("text=All of them are decided")
    assert "target Velmark" in page.inner_text("[aria-labelledby=differences]")
