"""Similar coded sentences on the page Label."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import uvicorn
from app_study import code_study, create_study
from browser import overflowing, violations
from fakes import RuleModel, bundle_folder, cue_scores
from hands import Hands, Keyboard, Mouse
from helpers import TINY
from numpy.typing import NDArray
from starlette.testclient import TestClient

import communique.app.examples
from communique.app.context import OpenProject
from communique.app.server import create_app
from communique.app.store import APP_FOLDER
from communique.models.folder import read_codebook, read_info
from communique.models.predictor import MODEL_VARIABLE
from communique.project import Project

if TYPE_CHECKING:
    from playwright.sync_api import Page

PARTIAL = {"HX-Request": "true"}
WORDS = ("treaty", "blockade", "engineers", "council", "customs")
LIMITS = {"domain": {"width": 5, "dimensions": 1, "sentences": 9, "calibrated_on": 9, "calibrated_by": "held-out"}}


class Counting(list[str]):
    """The texts whose vectors were computed."""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    TINY.dump(tmp_path / "tiny.yaml")
    return create_study(tmp_path / "study", codebook=tmp_path / "tiny.yaml")


def use_model(folder: Path, monkeypatch: pytest.MonkeyPatch, *, limits: object = LIMITS) -> Counting:
    """Make a model whose vectors count words the shipped model."""
    computed = Counting()

    class WithVectors(RuleModel):
        def predict_vectors(self, texts: Sequence[str], width: int) -> NDArray[np.float32]:
            computed.extend(texts)
            return np.array([[text.count(word) for word in WORDS] for text in texts], np.float32)

    def load(folder: Path, *, threads: int | None = None, info: object = None) -> RuleModel:
        read = read_info(folder)
        return WithVectors(read, read_codebook(folder, read), cue_scores)

    bundle_folder(folder, limits=limits)
    monkeypatch.setenv(MODEL_VARIABLE, str(folder))
    monkeypatch.setattr("communique.load.load_model", load)
    return computed


def examples(client: TestClient, text: str = "Somebody should ratify another treaty.") -> str:
    address = client.post("/label/text", data={"text": text}, follow_redirects=False).headers["location"]
    answer = client.get(f"{address}/0/examples", headers=PARTIAL)
    assert answer.status_code == 200, answer.text
    assert "<html" not in answer.text
    assert f'hx-get="{address}/0/examples"' in client.get(f"{address}/0", headers=PARTIAL).text
    return answer.text


def test_the_most_similar_coded_sentences_are_shown_with_their_final_labels(
    client: TestClient, opened: OpenProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = use_model(tmp_path / "model", monkeypatch)
    code_study(opened.project, "anna")
    code_study(opened.project, "ben", wrong=(0,))
    part = examples(client)
    first = part.split("<li>")[1]
    assert "All states should ratify the treaty" in first
    assert "policy_claim" in first
    assert "similarity 1.00" in first
    assert part.count("<li>") == 5
    # The coders differ on one of 24 sentences, and nobody decided. Vectors are computed once, also after a restart.
    assert len(computed) == 23 + 1
    examples(client)
    assert len(computed) == 23 + 2
    again = OpenProject(opened.project)
    again.examples.find(again.models.default(), "A new text.")
    assert len(computed) == 23 + 3
    assert {path.suffix for path in (opened.project.folder / APP_FOLDER / "vectors").glob("*/*")} == {".npz"}
    again.store.close()


def test_the_sentence_itself_is_no_example_of_itself(
    client: TestClient, opened: OpenProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_model(tmp_path / "model", monkeypatch)
    code_study(opened.project, "anna")
    text = "All states should ratify the treaty on the protection of the river."
    assert text not in examples(client, text)


def test_many_missing_vectors_are_computed_step_by_step(
    client: TestClient, opened: OpenProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_model(tmp_path / "model", monkeypatch)
    monkeypatch.setattr(communique.app.examples, "STEP", 20)
    code_study(opened.project, "anna")
    part = examples(client)
    assert "20 of 24 coded sentences are compared so far" in part
    assert 'hx-trigger="load"' in part
    assert "compared so far" not in examples(client)


def test_a_reason_is_shown_if_there_are_no_examples(
    client: TestClient, opened: OpenProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_model(tmp_path / "model", monkeypatch)
    assert "No other sentence of this project is coded yet" in examples(client)
    code_study(opened.project, "anna")
    use_model(tmp_path / "plain", monkeypatch, limits=None)
    assert "no sentence vectors" in examples(client)
    assert "not in the project any more" in opened.examples.find(None, "text").reason


@contextmanager
def served(project: Project) -> Iterator[str]:
    """Run the app in a thread of this process, whose model a test has replaced. Yield the address that opens it."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    app = create_app(project, token="the-token", port=port, with_pages=True)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}/?token=the-token"
    finally:
        server.should_exit = True
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize(("hands", "size"), [(Mouse(), "narrow"), (Keyboard(), "wide")], ids=["mouse", "keyboard"])
def test_similar_sentences_are_shown_in_a_browser(
    project: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    new_page: Callable[..., Page],
    hands: Hands,
    size: str,
) -> None:
    use_model(tmp_path / "model", monkeypatch)
    monkeypatch.setattr(communique.app.examples, "STEP", 20)
    code_study(project, "anna")
    with served(project) as address:
        page = new_page(size)
        page.goto(address)
        hands.press(page, "nav a:text-is('Label')")
        hands.write(page, "#text", "Somebody should ratify another treaty.")
        hands.press(page, "text=Label this text")
        page.wait_for_selector("li.one")
        hands.press(page, "a:has-text('Details, correct'), button:has-text('Details, correct')")
        # The page asks again until all coded sentences are compared.
        page.wait_for_selector(".examples li >> nth=4")
        page.wait_for_function("() => !document.querySelector('.examples').textContent.includes('compared so far')")
        first = page.inner_text(".examples li")
        assert "All states should ratify the treaty" in first
        assert "policy_claim" in first
        assert "similarity 1.00" in first
        assert page.locator(".examples li").count() == 5
        assert [*violations(page), *overflowing(page)] == []
        page.close()
