"""Tests of the page on which samples are drawn: the arguments of the command, values out of range, and hostile names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from helpers import TINY, has_facts, predictions, write_rows
from starlette.testclient import TestClient

from communique.app.context import OpenProject
from communique.app.groups import group_columns
from communique.app.indexing import rebuild
from communique.app.pages.sample import address_of
from communique.app.server import create_app
from communique.project import Project
from communique.project.advice import ESTIMATE_SAMPLE, FIRST_SAMPLE, SampleRequest
from communique.project.documents import read_documents
from communique.project.rows import use_of
from communique.sampling.design import draw_sample

HOSTILE = '<script>alert("x")</script>'


def send(client: TestClient, path: str = "/sample", **values: Any) -> tuple[int, str]:
    """Send the form as htmx does. Return the status code, and the address that the page goes to or the message."""
    answer = client.post(path, data=values, headers={"HX-Request": "true"})
    return answer.status_code, answer.headers.get("hx-redirect", answer.text)


@pytest.mark.parametrize(
    ("values", "arguments"),
    [
        ({"n": "50"}, ["--for=estimate", "-n50"]),
        ({"n": "50", "purpose": "training", "width": "0.1"}, ["--for=training", "-n50"]),
        ({"n": "", "width": "5%"}, ["--for=estimate", "--width=5%", "--out=samples/sample-2.xlsx"]),
        (
            {"n": "50", "by": ["country", "year"], "missing_group": "drop", "design": "two-stage", "split": "yes"},
            ["--for=estimate", "-n50", "--by=country,year", "--missing-group=drop", "--design=two-stage", "--split"],
        ),
        (
            {"n": "9", "purpose": "training", "trained_documents": "true", "show_model": "true", "split": "no"},
            ["--for=training", "-n9", "--no-split", "--trained-documents", "--show-model"],
        ),
    ],
)
def test_the_form_becomes_the_arguments_of_the_command(
    client: TestClient, started: Any, values: dict[str, Any], arguments: list[str]
) -> None:
    code, address = send(client, **values)
    assert (code, started) == (200, [("sample", arguments)])
    assert address.startswith("/sample?")
    assert client.get(address).status_code == 200


@pytest.mark.parametrize(
    ("advised", "marks", "arguments"),
    [
        (FIRST_SAMPLE, ['value="200"', '"two-stage" selected'], ["--for=estimate", "-n200", "--design=two-stage"]),
        (ESTIMATE_SAMPLE, ['value="300"', '"" selected'], ["--for=estimate", "-n300"]),
        (
            SampleRequest(150, "training", trained_documents=True),
            ['value="150"', '"training" checked', 'name="trained_documents" value="true" checked'],
            ["--for=training", "-n150", "--trained-documents"],
        ),
    ],
)
def test_the_form_is_filled_with_the_sample_that_is_advised(
    client: TestClient, started: Any, advised: SampleRequest, marks: list[str], arguments: list[str]
) -> None:
    address = address_of(advised)
    assert has_facts(client.get(address).text, *marks)
    assert send(client, **dict(parse_qsl(urlsplit(address).query)))[0] == 200
    assert started == [("sample", arguments)]


def test_the_form_of_a_new_project_is_the_first_sample(
    project: Project, connect_to: Callable[[Project], TestClient]
) -> None:
    for path in project.design_paths().values():
        path.unlink()
    client = connect_to(project)
    assert has_facts(client.get("/sample").text, f'value="{FIRST_SAMPLE.n}"', '"two-stage" selected')
    assert address_of(FIRST_SAMPLE).replace("&", "&amp;") in client.get("/status").text


def test_a_plan_draws_nothing(client: TestClient, started: Any) -> None:
    assert send(client, "/sample/plan", n="50", width="0.1")[0] == 200
    assert started == [("sample", ["--for=estimate", "--width=0.1"])]
    for values in ({"n": "50"}, {"n": "50", "width": "0.1", "purpose": "training"}):
        assert send(client, "/sample/plan", **values)[0] == 400
    assert len(started) == 1


@pytest.mark.parametrize(
    ("values", "code", "word"),
    [
        ({}, 400, "number of sentences"),
        ({"n": ""}, 400, "number of sentences"),
        ({"width": "0.1", "purpose": "training"}, 400, "training"),
        ({"n": "0"}, 422, "n:"),
        ({"n": "-5"}, 422, "n:"),
        ({"n": "1e9"}, 422, "n:"),
        ({"n": "999999999"}, 422, "n:"),
        ({"n": "--out=x"}, 422, "n:"),
        ({"n": "5", "width": "2"}, 422, "width"),
        ({"n": "5", "width": "nan"}, 422, "width"),
        ({"n": "5", "width": "0.1 --out=x"}, 422, "width"),
        ({"n": "5", "by": "nowhere"}, 400, "country"),
        ({"n": "5", "by": "country,year"}, 400, "country"),
        ({"n": "5", "by": "--out=/tmp/x"}, 400, "country"),
        ({"n": "5", "design": "census"}, 422, "design"),
        ({"n": "5", "purpose": HOSTILE}, 422, "purpose"),
    ],
)
def test_values_that_are_not_allowed_are_refused(
    client: TestClient, started: Any, values: dict[str, Any], code: int, word: str
) -> None:
    found, message = send(client, **values)
    assert (found, started) == (code, [])
    assert has_facts(message, word)
    assert HOSTILE not in message


def test_the_page_lists_columns_and_samples_and_is_escaped(tmp_path: Path) -> None:
    rows = [
        {
            "id": f"s{i}",
            "document": f"d{i % 5}",
            "text": f"Sentence {i}.",
            HOSTILE: "x<y",
            "a,b": "1",
            "url": f"u{i}",
            "language": "en",
        }
        for i in range(300)
    ]
    TINY.dump(tmp_path / "tiny.yaml")
    table = write_rows(tmp_path / "texts.jsonl", rows)
    project = Project.create(tmp_path / "study", codebook=tmp_path / "tiny.yaml", documents=[table])
    opened = OpenProject(project)
    rebuild(project, opened.store)
    assert group_columns(opened.store) == {HOSTILE: 1}, "a comma separates columns, and url has too many values"
    opened.store.close()
    app = create_app(project, token="t", port=1, with_pages=True)
    client = TestClient(app, base_url="http://127.0.0.1:1", headers={"Authorization": "Bearer t"})
    page = client.get("/sample", params={"by": HOSTILE, "width": "0.1"}).text
    assert HOSTILE not in page
    assert 'value="&lt;script&gt;' in page


def test_an_empty_project_has_a_page_but_no_button(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "study")
    app = create_app(project, token="t", port=1, with_pages=True)
    client = TestClient(app, base_url="http://127.0.0.1:1", headers={"Authorization": "Bearer t"})
    page = client.get("/sample")
    assert page.status_code == 200
    assert has_facts(page.text, "no documents", '<button class="primary" disabled')
    for path in ("/train", "/train/state", "/evaluate", "/estimate"):
        assert client.get(path).status_code == 200


def test_a_failed_job_is_shown_with_its_reason(client: TestClient, failed_job: Callable[[str, str], str]) -> None:
    id = failed_job("sample", f"error: {HOSTILE} has no values\n")
    page = client.get("/sample").text
    assert has_facts(page, "failed", "&lt;script&gt;", "has no values", f"/jobs/{id}/watch?was=failed")
    assert HOSTILE not in page
    assert "HX-Refresh" not in client.get(f"/jobs/{id}/watch?was=failed").headers
    assert client.get(f"/jobs/{id}/watch?was=running").headers["HX-Refresh"] == "true"
    assert client.get("/jobs/../watch").status_code == 404


def test_warnings_of_a_sample_are_shown_without_a_click(client: TestClient, finished_job: Any) -> None:
    finished_job(
        "sample", f"warning: few documents {HOSTILE}\nWARNING: all rows repeat.\nwritten: samples/sample-2.xlsx\n"
    )
    page = client.get("/sample").text
    shown = page[page.index("job-") : page.index("<details")]
    assert "Few documents" in shown
    assert "All rows repeat" in shown
    assert HOSTILE not in page


def test_the_result_of_a_plan_is_shown_without_a_click(client: TestClient, finished_job: Any) -> None:
    finished_job("sample", "300 sentences\n", "--for=estimate", "-n50")
    assert "<details open><summary>Output" not in client.get("/sample").text
    finished_job("sample", "300 sentences\n", "--for=estimate", "--width=0.1")
    assert "<details open><summary>Output" in client.get("/sample").text


@pytest.mark.parametrize("labels", [True, False])
def test_a_sample_that_trains_models_does_not_lead_to_estimates(tmp_path: Path, labels: bool) -> None:
    TINY.dump(tmp_path / "tiny.yaml")
    rows = [
        {"id": f"s{i}", "document": f"d{i}", "text": f"We condemn it, number {i}.", "language": "en"} for i in range(9)
    ]
    table = predictions(tmp_path / "labelled.jsonl") if labels else write_rows(tmp_path / "texts.jsonl", rows)
    project = Project.create(tmp_path / "study", codebook=tmp_path / "tiny.yaml", documents=[table])
    draw_sample(read_documents(project)[0], 5, project.codebook).dump(project.design_path("sample-1"))
    design = next(iter(project.designs().values()))
    assert use_of(design) == ("estimates" if labels else "training of the first model")
