"""Tests of the page on which models are trained: what will be used, what is missing, and what was compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fakes import bundle_folder
from helpers import TINY, has_facts
from starlette.testclient import TestClient

from communique.app.context import OpenProject
from communique.app.jobs import JOBS
from communique.app.pages.train import curve_figure
from communique.app.run_job import PROGRESS
from communique.app.store import APP_FOLDER
from communique.metrics.report import ScoreCI
from communique.project.curve import Curve, Point, Projection
from communique.project.status import CURVE
from communique.project.training import training_rows
from communique.reporting.progress_file import change_state
from communique.selection.results import Compared, Selection


def answer(client: TestClient, n: int) -> None:
    """Code some sentences, in turn with each label."""
    for i in range(n):
        found = client.get("/api/v1/next", params={"coder": "anna", "queue": "all"}).json()["sentence"]
        body = {"coder": "anna", "queue": "all", "id": found["id"], "sha256": found["sha256"]}
        labels = [TINY.names[i % 3]] if i % 4 else []
        assert client.post("/api/v1/codings", json=body | {"labels": labels, "none": not labels}).status_code == 201


def test_without_coded_rows_nothing_is_started(client: TestClient, started: Any) -> None:
    page = client.get("/train/state", headers={"HX-Request": "true"}).text
    assert has_facts(page, "no coded rows", "Train a model", "disabled", "/sample")
    refused = client.post("/train", headers={"HX-Request": "true"})
    assert refused.status_code == 400
    assert has_facts(refused.text, "no coded rows")
    assert client.post("/train/curve").status_code == 400
    assert started == []


def test_rows_warnings_and_the_button(client: TestClient, opened: OpenProject, started: Any) -> None:
    answer(client, 12)
    found = training_rows(opened.project)
    assert (found.rows, sum(found.labels.values())) == (12, 12)
    assert found.labels["none"] == 3
    assert has_facts(found.warnings[0], "30", "criticism")
    page = client.get("/train/state", headers={"HX-Request": "true"}).text
    assert has_facts(page, "12 coded rows", "Labels with fewer than 30", "learning curve")
    assert "<html" not in page
    assert "<html" in client.get("/train/state").text
    sent = client.post("/train", headers={"HX-Request": "true"})
    assert sent.headers["HX-Redirect"] == "/train"
    client.post("/train", data={"kind": "tfidf"})
    client.post("/train/curve")
    assert started == [("train", []), ("train", ["--kind=tfidf"]), ("status", ["--curve"])]
    assert client.post("/train", data={"kind": "--overwrite"}).status_code == 422


def test_the_duration_is_the_one_that_the_command_estimated(
    client: TestClient, opened: OpenProject, failed_job: Callable[[str, str], str]
) -> None:
    assert has_facts(client.get("/train/duration").text, "being measured")
    id = failed_job("train", "any words\n")
    assert has_facts(client.get("/train/duration").text, "being measured")
    change_state(opened.project.folder / APP_FOLDER / JOBS / id / PROGRESS, expected=162.0)
    assert has_facts(client.get("/train/duration").text, "about 2.7 minutes")


def test_what_was_compared_is_shown_and_escaped(client: TestClient, opened: OpenProject) -> None:
    models = opened.project.folder / "models"
    folder = bundle_folder(models / "model-<b>1", warnings=["predicts <i>one</i> label only"])
    score = ScoreCI(0.5, 0.4, 0.6)
    undefined = ScoreCI(float("nan"), float("nan"), float("nan"), "none")
    candidates = tuple(
        Compared(name, name, score, score, dict.fromkeys(TINY.names, 0.5), behind, error, 5, 2.0)
        for name, behind, error in (("tfidf", score, 0.1), ("<b>encoder", undefined, float("nan")))
    )
    selection = Selection(
        chosen="tfidf",
        best="<b>encoder",
        requested="auto",
        candidates=candidates,
        rows=60,
        documents=12,
        compared_rows=60,
        compared_documents=12,
        folds=5,
        tuning_rows=60,
        positives=dict.fromkeys(TINY.names, 20),
        thresholds={},
    )
    selection.dump(models / "model-<b>1.selection.json")
    page = client.get("/train/state").text
    assert has_facts(page, "model-&lt;b&gt;1", "0.500 [0.400, 0.600]", "(kept)", "60 of 60 rows", "one standard error")
    assert has_facts(page, "predicts &lt;i&gt;one&lt;/i&gt; label only", "Do not use this model")
    assert "<b>encoder" not in page
    folder.with_name("model-<b>1.selection.json").write_text("{")
    assert has_facts(client.get("/train/state").text, "no comparison of classifiers")


@pytest.mark.parametrize("path", ["/train/state", "/label", "/evaluate", "/status"])
def test_a_damaged_model_folder_is_reported_and_the_others_can_be_used(
    client: TestClient, opened: OpenProject, path: str
) -> None:
    models = opened.project.folder / "models"
    bundle_folder(models / "model-1")
    (models / "model-2").mkdir()
    (models / "model-2" / "bundle.json").write_text("{")
    page = client.get(path)
    assert page.status_code == 200
    assert has_facts(page.text, "model-2/bundle.json")
    assert "model-1" in page.text or path == "/status"


def test_the_learning_curve_is_drawn_with_its_numbers(client: TestClient, opened: OpenProject) -> None:
    points = (Point(10, 0.2, 0.1, 0.3), Point(20, 0.4, 0.3, 0.5), Point(40, 0.5, None, None))
    curve = Curve("tfidf", points, Projection(80, 0.6, 0.5, 0.7, 0.1, 0.0, 0.2), None, 40)
    curve.dump(opened.project.folder / "models" / CURVE)
    page = client.get("/train/state").text
    assert has_facts(page, "0.400 [0.300, 0.500]", "0.500 [–]", "80 (extrapolated)", "<svg", "With 80 coded rows")
    figure = curve_figure(curve)
    assert (figure.count('class="point"'), figure.count('class="hollow"'), figure.count('class="range"')) == (3, 1, 3)


@pytest.mark.parametrize("points", [(), (Point(10, None, None, None),)])
def test_a_curve_without_scores_can_be_drawn(points: tuple[Point, ...]) -> None:
    assert "<svg" in curve_figure(Curve("tfidf", points, None, "too few", 10))
