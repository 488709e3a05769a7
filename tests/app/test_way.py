"""Tests of the whole way in a browser, from an empty project to a figure of an estimate: by mouse, and by keyboard alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from app_server import AppServer
from browser import overflowing, violations
from hands import Hands, Keyboard, Mouse
from helpers import CUES, PATIENCE, ROOT

from communique.project import Project

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

#: Sentences of the documents. A simulated coder recognises their labels by these words.
SENTENCES = (
    ("The delegates of {place} met on Monday.", ()),
    ("We condemn the closure of the port of {place}.", ("criticism",)),
    ("All states should ratify the treaty of {place}.", ("policy_claim",)),
    ("Our government will send engineers to {place}.", ("cooperation_pledge",)),
)
PLACES = ("Velm", "Harrow Bay", "Karsund", "Lanhe", "Safara", "Norland", "Ost", "Tamar")

#: A text that is labelled before the project has documents.
TEXT = "Our government will send grain. The river is long."

#: Milliseconds that a job may take.
JOB = 1000 * PATIENCE

#: Number of sentences of the sample.
N = 24


def write_documents(path: Path) -> Path:
    """Write a table of texts."""
    rows = [
        {"text": text.format(place=place), "document": place, "country": ("N", "V")[number % 2]}
        for number, place in enumerate(PLACES)
        for text, _ in SENTENCES
    ]
    content = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(content, encoding="utf-8")
    return path


def labels_of(text: str) -> list[str]:
    """Return the labels that the simulated coder gives to a sentence."""
    return next(list(labels) for start, labels in SENTENCES if text.startswith(start.partition("{")[0]))


class Walk:
    """A walk through the app.

    Args:
        app: The app.
        page: A tab.
        hands: Whether the mouse or the keyboard is used.
    """

    def __init__(self, app: AppServer, page: Page, hands: Hands) -> None:
        self.app, self.page, self.hands = app, page, hands
        self.found: list[str] = []

    def open(self, title: str) -> None:
        """Open a page by its link in the navigation."""
        self.hands.press(self.page, f"nav[aria-label=Pages] a:text-is('{title}')")
        self.page.wait_for_selector(f"nav a[aria-current=page]:text-is('{title}')")
        self.check(title)

    def check(self, name: str) -> None:
        """Look for barriers, and for parts that are wider than the window."""
        self.found += [f"{name}: {line}" for line in [*violations(self.page), *overflowing(self.page)]]

    def press(self, selector: str) -> None:
        self.hands.press(self.page, selector)

    def ask(self, path: str, **values: Any) -> dict[str, Any]:
        """Send a request to the API with the cookie of the page, and return the answer."""
        if values:
            answer = self.page.request.post(self.app.base + path, data=values, headers={"Origin": self.app.base})
        else:
            answer = self.page.request.get(self.app.base + path)
        assert answer.ok, answer.text()
        found: dict[str, Any] = answer.json()
        return found

    def code(self, page: Page) -> None:
        """Code the sentence that a tab shows."""
        before = page.input_value("#answer input[name=id]")
        page.bring_to_front()
        for name in labels_of(page.inner_text("#sentence")) or ["none"]:
            if isinstance(self.hands, Keyboard):
                page.keyboard.press("0" if name == "none" else str([*CUES].index(name) + 1))
            else:
                page.click(f"label:has(input[value={name}])")
        if isinstance(self.hands, Keyboard):
            page.keyboard.press("Enter")
        else:
            page.click("text=Save and next")
        page.wait_for_function("id => document.querySelector('#answer input[name=id]')?.value !== id", arg=before)

    def code_rest(self, coder: str, *, sentences: int, wrong: int = 0) -> None:
        """Code sentences through the API, some of them wrongly."""
        for number in range(sentences):
            found = self.ask(f"/api/v1/next?coder={coder}&queue=sample-1")["sentence"]
            labels = labels_of(found["text"])
            if number < wrong:
                labels = [] if labels else ["criticism"]
            given = {"coder": coder, "queue": "sample-1", "id": found["id"], "sha256": found["sha256"]}
            self.ask("/api/v1/codings", **given, labels=labels, none=not labels)


@pytest.mark.parametrize("hands", [Mouse(), Keyboard()], ids=["mouse", "keyboard"])
def test_from_an_empty_project_to_a_figure(
    tmp_path: Path, start_app: Callable[[Path], AppServer], new_page: Callable[..., Page], hands: Hands
) -> None:
    project = Project.create(tmp_path / "study", codebook=ROOT / "data" / "codebook.yaml")
    walk = Walk(start_app(project.folder), new_page(), hands)
    page = walk.page
    page.goto(walk.app.opening)
    page.wait_for_selector(".next")

    walk.open("Codebook")
    walk.press("a.edit:has-text('criticism')")
    hands.write(page, "#definition", "Somebody judges an actor negatively.")
    walk.press("text=Review the change")
    page.wait_for_selector("#consequences")
    walk.check("review")
    walk.press("text=Save the change")
    page.wait_for_selector(".done:has-text('Saved')")
    assert project.codebook.labels[0].definition == "Somebody judges an actor negatively."

    walk.open("Label")
    if isinstance(hands, Keyboard):
        hands.write(page, "#text", TEXT)
        walk.press("text=Label this text")
    else:
        speech = tmp_path / "speech.txt"
        speech.write_text(TEXT, encoding="utf-8")
        hands.drop(page, "#files", speech)
        walk.press("text=Label these files")
    page.wait_for_selector("li.one >> nth=1", timeout=JOB)
    assert "Our government will send grain." in page.inner_text("#result")
    walk.check("labels")

    walk.open("Corpus")
    walk.press("a:text-is('Add documents')")
    hands.drop(page, "#files", write_documents(tmp_path / "speeches.jsonl"))
    walk.press("text=Add to the documents")
    page.wait_for_selector("#added .done:has-text('1 file with 32 sentences')", timeout=JOB)
    walk.check("documents")

    walk.open("Label")
    walk.press("text=Label the documents")
    page.wait_for_selector(".job .state.done", timeout=JOB)

    walk.open("Sample")
    hands.write(page, "#n", str(N))
    walk.press("text=Draw the sample")
    page.wait_for_selector("a:text-is('Code it')", timeout=JOB)
    walk.check("sample")
    walk.press("a:text-is('Code it')")
    hands.write(page, "#coder", "anna")
    walk.press("text=Start")
    page.wait_for_selector("#sentence", timeout=JOB)
    for _ in range(3):
        walk.code(page)
    page.reload()
    walk.code(page)
    second = new_page(beside=page)
    second.goto(page.url)
    second.wait_for_selector("#sentence")
    walk.code(second)
    walk.code(page)  # the same sentence again: both tabs may code it
    page.reload()
    assert f"5 of {N} coded by you" in page.inner_text("#task")
    walk.code_rest("anna", sentences=N - 6)
    page.reload()
    walk.code(page)
    assert "You have coded everything here" in page.inner_text("#task")
    walk.code_rest("ben", sentences=8, wrong=2)

    walk.open("Agreement")
    walk.press("a:has-text('Decide: 2 sentences')")
    for _ in range(2):
        page.wait_for_selector("#sentence")
        walk.check("decide")
        before = page.input_value("#answer input[name=id]")
        name = (labels_of(page.inner_text("#sentence")) or ["none"])[0]
        if isinstance(hands, Keyboard):
            page.keyboard.press("0" if name == "none" else str([*CUES].index(name) + 1))
            page.keyboard.press("Enter")
        else:
            page.click(f"label:has(input[value={name}])")
            page.click("text=Save the decision")
        page.wait_for_function("id => document.querySelector('#answer input[name=id]')?.value !== id", arg=before)
    walk.press("text=Back to the overview")
    walk.press("text=Write gold")
    page.wait_for_selector("#written .done")

    walk.open("Estimate")
    hands.pick(page, "input[value=finite-population]")
    walk.press("input[name=by][value=country]")
    walk.press("main button.primary:text-is('Estimate')")
    page.wait_for_selector("#results", timeout=JOB)
    page.wait_for_selector("svg .point, svg .hollow")
    walk.check("estimates")
    with page.expect_download() as download:
        walk.press("a[download]:has-text('estimates.csv')")
    table = Path(download.value.path()).read_text(encoding="utf-8")
    assert "criticism" in table
    assert walk.found == []


#: The labels of a codebook that is made in the app, and what a simulated coder looks for.
OWN = {"blame": "condemn", "demand": "should", "offer": "will send"}


def test_from_a_new_folder_and_an_own_codebook_to_an_estimate(
    tmp_path: Path, start_app: Callable[[Path], AppServer], new_page: Callable[..., Page]
) -> None:
    """Only the app is used: the folder does not exist, the codebook is made from the example, and a model is trained."""
    hands = Mouse()
    walk = Walk(start_app(tmp_path / "new-study"), new_page(), hands)
    page = walk.page
    page.goto(walk.app.opening)
    walk.press("text=Open the page Codebook")
    for old, (new, words) in zip(("shortage", "measure", "objection"), OWN.items(), strict=True):
        walk.press(f"a.edit:has-text('{old}')")
        page.wait_for_selector("#definition")
        for field, value in (
            ("label_name", new),
            ("definition", f"Somebody says {words}."),
            ("includes", ""),
            ("excludes", ""),
        ):
            hands.write(page, f"#{field}", value)
        for text in page.locator("[name=example_text]").all():
            text.fill("")
        walk.press("text=Review the change")
        walk.press("text=Save the change")
        page.wait_for_selector(".done:has-text('Saved')")
    project = Project.open(tmp_path / "new-study")
    assert project.codebook.names == tuple(OWN)

    page.goto(walk.app.base)
    walk.press("text=Open the page Documents")
    texts = tmp_path / "speeches"
    texts.mkdir()
    for number in range(60):
        place = f"{PLACES[number % len(PLACES)]} {number}"
        (texts / f"speech-{number}.txt").write_text(" ".join(text.format(place=place) for text, _ in SENTENCES))
    hands.drop(page, "#folder", texts)
    walk.press("text=Add to the documents")
    page.wait_for_selector("#added .done:has-text('60 files with 240 sentences')", timeout=JOB)
    page.wait_for_selector("#documents-state [role=status]:has-text('240 sentences')", timeout=JOB)

    def draw_and_code(n: int, design: str) -> None:
        before = len(project.designs())
        walk.open("Sample")
        hands.write(page, "#n", str(n))
        # The choices are open if the advised sample has another design than the default.
        if not page.is_visible("#design"):
            walk.press("summary:has-text('More choices')")
        page.select_option("#design", design)
        walk.press("text=Draw the sample")
        page.wait_for_selector("a:text-is('Code it')", timeout=JOB)
        assert len(project.designs()) == before + 1
        queue = [*project.designs()][-1]
        walk.press("a:text-is('Code it')")
        hands.write(page, "#coder", "anna")
        walk.press("text=Start")
        page.wait_for_selector("#sentence", timeout=JOB)  # the sample is in the index
        while (found := walk.ask(f"/api/v1/next?coder=anna&queue={queue}"))["sentence"]:
            one = found["sentence"]
            labels = [name for name, words in OWN.items() if words in one["text"]]
            given = {"coder": "anna", "queue": queue, "id": one["id"], "sha256": one["sha256"]}
            walk.ask("/api/v1/codings", **given, labels=labels, none=not labels)

    draw_and_code(60, "two-stage")
    page.goto(walk.app.base)
    walk.press("text=Open the page Train")
    walk.press("summary:has-text('More choices')")
    page.select_option("#kind", "tfidf")
    walk.press("main button.primary")
    page.wait_for_selector("#chosen", timeout=JOB)

    page.goto(walk.app.base)
    walk.press("text=Open the page Label")
    walk.press("text=Label the documents")
    page.wait_for_selector(".job .state.done", timeout=JOB)

    draw_and_code(30, "simple")
    page.goto(walk.app.base)
    walk.press("text=Open the page Estimate")
    walk.press("main button.primary:text-is('Estimate')")
    page.wait_for_selector("#results", timeout=JOB)
    walk.check("estimates")
    assert all(name in page.inner_text("main") for name in OWN)
    walk.open("Corpus")
    assert all(name in page.inner_text("main") for name in OWN)
    assert walk.found == []
