"""Tests of coding in a browser: by keyboard alone, by mouse, with a reload, two tabs, a killed server and hostile texts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from app_server import AppServer
from app_study import create_study
from browser import SIZES, overflowing, violations
from helpers import CUES, TINY, write_rows
from project_helpers import draw

from communique.app.indexing import rebuild
from communique.app.store import Store
from communique.project import Project

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

#: Fixtures: a function that opens a tab, and one that starts the app.
NewPage = Callable[..., "Page"]
StartApp = Callable[..., AppServer]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Create the study with a complete index. Its tests have different coders."""
    return indexed(create_study(tmp_path_factory.mktemp("study") / "study"))


@pytest.fixture(scope="module")
def app(chromium: object, study: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """Start the app once, because this takes seconds."""
    process = AppServer(study.folder, tmp_path_factory.mktemp("log") / "log.txt")
    yield process
    process.stop()


def indexed(project: Project) -> Project:
    store = Store(project.folder)
    rebuild(project, store)
    store.close()
    return project


def lines(project: Project, coder: str) -> list[dict[str, Any]]:
    """Return the codings of a coder on disk."""
    paths = project.log.folder.glob("*.jsonl")
    found = [json.loads(line) for path in paths for line in path.open(encoding="utf-8")]
    return [line for line in found if line["coder"] == coder]


def open_code(page: Page, app: AppServer, coder: str, queue: str = "sample-1") -> None:
    page.goto(app.opening)
    page.goto(f"{app.base}/code?coder={coder}&queue={queue}")
    page.wait_for_selector("#sentence")


def current(page: Page) -> str:
    """Return the sentence that the page shows."""
    return page.inner_text("#sentence")


def answer(page: Page, do: Callable[[], object]) -> None:
    """Do something that shows another sentence, and wait for it."""
    # While a page is being changed, a form that htmx is sending ignores a second submission.
    page.wait_for_function("!document.querySelector('.htmx-request, .htmx-swapping, .htmx-settling')")
    before = page.input_value("#answer input[name=id]")
    do()
    page.wait_for_function("id => document.querySelector('#answer input[name=id]')?.value !== id", arg=before)


def test_ten_sentences_are_coded_with_the_keyboard_alone(study: Project, app: AppServer, new_page: NewPage) -> None:
    page = new_page()
    page.goto(f"{app.opening}")
    page.wait_for_selector(".next")
    page.goto(f"{app.base}/code")
    page.keyboard.type("anna")  # the field of the name has the focus
    page.keyboard.press("Enter")
    page.wait_for_selector("#sentence")
    page.wait_for_load_state()  # The script for the keys runs after the page is shown.
    for number in range(10):
        if number == 2:
            page.keyboard.press("c")
            page.keyboard.type("is it one? 1 0 u s")
            page.keyboard.press("2")
            page.keyboard.press("Escape")
            page.keyboard.press("3")
            page.keyboard.press("x")
        else:
            page.keyboard.press(("1", "0")[number % 2])
        answer(page, lambda: page.keyboard.press("Enter"))
        assert page.evaluate("document.activeElement.id") == "sentence"
    found = lines(study, "anna")
    assert [line["labels"] for line in found] == [
        ["cooperation_pledge"] if n == 2 else ["criticism"] if n % 2 == 0 else [] for n in range(10)
    ]
    assert found[2]["comment"] == "unsure: is it one? 1 0 u s2"
    assert len({line["id"] for line in found}) == 10
    answer(page, lambda: page.keyboard.press("u"))
    assert page.input_value("#answer input[name=id]") == found[9]["id"]
    page.keyboard.press("2")
    answer(page, lambda: page.keyboard.press("Enter"))
    assert lines(study, "anna")[-1]["labels"] == ["policy_claim"]
    answer(page, lambda: page.keyboard.press("s"))
    assert "1 skipped" in page.inner_text("#task")


def test_keys_of_other_keyboards_work_by_their_place(study: Project, app: AppServer, new_page: NewPage) -> None:
    page = new_page()
    open_code(page, app, "ben")
    press = "([key, code]) => document.body.dispatchEvent(new KeyboardEvent('keydown', {key, code, bubbles: true}))"
    page.evaluate(press, ["&", "Digit1"])  # French
    assert page.is_checked("input[value=criticism]")
    answer(page, lambda: page.evaluate(press, ["س", "KeyS"]))  # Arabic


def test_ten_sentences_are_coded_with_the_mouse_on_a_phone(study: Project, app: AppServer, new_page: NewPage) -> None:
    page = new_page("narrow")
    open_code(page, app, "carla")
    for number in range(10):
        page.click(f"label:has-text('{list(CUES)[number % 3]}')")
        answer(page, lambda: page.click("text=Save and next"))
    assert [line["labels"] for line in lines(study, "carla")] == [[list(CUES)[n % 3]] for n in range(10)]
    page.click("text=change it")
    page.wait_for_selector("input[value=criticism]:checked")
    page.click("label:has-text('no label applies')")
    assert not page.is_checked("input[value=criticism]")
    answer(page, lambda: page.click("text=Save and next"))
    assert lines(study, "carla")[-1]["labels"] == []


def test_a_missing_answer_is_explained_and_keeps_what_was_typed(
    study: Project, app: AppServer, new_page: NewPage
) -> None:
    page = new_page()
    open_code(page, app, "dora")
    page.fill("#comment", "a thought")
    page.click("text=Save and next")
    page.wait_for_selector("#messages .problem")
    assert "No label is chosen" in page.inner_text("#messages")
    assert page.input_value("#comment") == "a thought"
    page.keyboard.press("Escape")
    page.locator("#sentence").focus()
    page.keyboard.press("0")
    answer(page, lambda: page.keyboard.press("Enter"))
    assert page.inner_text("#messages") == ""


def test_a_reload_and_a_second_tab_lose_nothing(study: Project, app: AppServer, new_page: NewPage) -> None:
    page = new_page()
    open_code(page, app, "emil")
    page.keyboard.press("1")
    answer(page, lambda: page.keyboard.press("Enter"))
    sentence = current(page)
    page.reload()
    assert current(page) == sentence
    second = new_page(beside=page)
    second.goto(f"{app.base}/code?coder=emil&queue=sample-1")
    assert current(second) == sentence
    for tab, key in ((page, "1"), (second, "2")):
        tab.bring_to_front()
        tab.keyboard.press(key)
        answer(tab, lambda tab=tab: tab.keyboard.press("Enter"))  # type: ignore[misc]
    assert [line["labels"] for line in lines(study, "emil")] == [["criticism"], ["criticism"], ["policy_claim"]]
    assert "2 of 24 coded by you" in second.inner_text("#task")
    page.reload()
    assert current(page) == current(second)


def test_enter_pressed_twice_records_one_answer(study: Project, app: AppServer, new_page: NewPage) -> None:
    page = new_page()
    open_code(page, app, "fay")
    page.keyboard.press("1")

    def twice() -> None:
        page.evaluate("() => { const save = document.querySelector('button.primary'); save.click(); save.click(); }")

    answer(page, twice)
    page.wait_for_timeout(500)
    assert len(lines(study, "fay")) == 1
    assert page.inner_text("#messages") == ""


def test_a_killed_server_loses_no_answer(tmp_path: Path, start_app: StartApp, new_page: NewPage) -> None:
    study = indexed(create_study(tmp_path / "study"))
    app, page = start_app(study.folder), new_page(may_fail=True)
    open_code(page, app, "anna")
    for _ in range(3):
        page.keyboard.press("1")
        answer(page, lambda: page.keyboard.press("Enter"))
    app.kill()
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    page.wait_for_selector("#messages .problem")
    assert "nothing was saved" in page.inner_text("#messages")
    assert page.is_checked("input[value=policy_claim]")
    again = start_app(study.folder, port=app.port)
    page.keyboard.press("Enter")
    page.wait_for_selector("#messages:has-text('another start')")
    unsaved = current(page)
    open_code(page, again, "anna")
    assert current(page) == unsaved
    assert "3 of 24 coded by you" in page.inner_text("#task")
    assert [line["labels"] for line in lines(study, "anna")] == [["criticism"]] * 3


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_pages_have_no_barriers_and_fit_the_window(
    study: Project, app: AppServer, new_page: NewPage, size: str, dark: bool
) -> None:
    page = new_page(size, dark=dark)
    page.goto(app.opening)
    page.wait_for_selector(".next")
    check(page)
    for path in ("/code", "/jobs", "/api/v1/", "/nothing"):
        page.goto(app.base + path)
        check(page)
    open_code(page, app, f"{size} {dark}")
    page.click("summary")
    check(page)
    page.keyboard.press("1")
    answer(page, lambda: page.click("text=Save and next"))
    page.click("text=Save and next")
    page.wait_for_selector("#messages .problem")
    check(page)


def check(page: Page) -> None:
    assert violations(page) == []
    assert overflowing(page) == []


HOSTILE = (
    "<script>document.title = 'stolen'</script><img src=x onerror=\"document.title = 'stolen'\"> & </p></main>",
    "{{ 7 * 7 }} {% raw %} ${7*7} javascript:alert(1)",
    "‮This text ends from right to left.‬ ⁦ open isolate",
    "a\u0000b\u001b[31mc\u0085d\ufffe",
    '=HYPERLINK("http://example.org")',
    "x" * 5000,
    "word " * 40_000,
    "هذا نص عربي مع <b>English</b> وأرقام 123.",
)


def test_hostile_texts_stay_texts(tmp_path: Path, start_app: StartApp, new_page: NewPage) -> None:
    rows = [
        {"id": f"h<{i}>&\"'", "document": f"<b>doc</b>{i}", "index": 0, "language": "en", "text": text}
        | {"labels": [], "probabilities": dict.fromkeys(CUES, 0.2), "truncated": False, "group <i>": "<u>x</u>"}
        for i, text in enumerate(HOSTILE)
    ]
    table = write_rows(tmp_path / "hostile.jsonl", rows)
    TINY.dump(tmp_path / "tiny.yaml")
    project = Project.create(
        tmp_path / "study", name="<script>x</script>", codebook=tmp_path / "tiny.yaml", documents=[table]
    )
    draw(project, len(rows))
    app, page = start_app(indexed(project).folder), new_page("narrow")
    page.goto(app.opening)
    page.wait_for_selector(".next")
    open_code(page, app, coder="<i>anna</i>")
    for number in range(len(rows)):
        assert page.title() == "Code: sample-1"
        assert page.locator("#task :is(script, img, b:not(.sign), i, u)").count() == 0
        assert overflowing(page) == []
        page.keyboard.press("0")
        if number < len(rows) - 1:
            answer(page, lambda: page.keyboard.press("Enter"))
        else:
            page.keyboard.press("Enter")
            page.wait_for_selector("text=You have coded everything here")
    assert len(lines(project, "<i>anna</i>")) == len(rows)
