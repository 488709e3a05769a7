"""Tests of the page of estimates: the arguments of the command, figures and tables, downloads, and hostile names."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from estimate_rows import estimate_row
from helpers import CUES, PATIENCE, TINY, has_facts, write_rows
from starlette.testclient import TestClient

from communique.app.context import OpenProject
from communique.app.indexing import rebuild
from communique.io.write import write_parquet
from communique.project import Project
from communique.project.documents import read_documents
from communique.sampling.design import draw_sample

HOSTILE = "<img src=x onerror=alert(1)>"


def send(client: TestClient, **values: Any) -> tuple[int, str]:
    """Send the form as htmx does. Return the status code, and the address that the page goes to or the message."""
    answer = client.post("/estimate", data=values, headers={"HX-Request": "true"})
    return answer.status_code, answer.headers.get("hx-redirect", answer.text)


def estimates(folder: Path, **fields: Any) -> None:
    """Write a small table of estimates, in which the only group has a hostile name."""
    folder.mkdir(parents=True)
    rows = [
        estimate_row(
            level,
            method,
            value,
            **{HOSTILE: "all" if level == "all" else f"{HOSTILE}2"},
            n=1000,
            warnings="fewer than 30 documents" if level == HOSTILE else "",
        )
        | fields
        for level in ("all", HOSTILE)
        for method, value in (("naive", 0.5), ("ppi", 0.3))
    ]
    write_parquet(folder / "estimates.parquet", rows)
    for name in ("report.html", "methods.md", "estimates.csv", f"shares_by_{HOSTILE}.svg", "private.txt"):
        (folder / name).write_text(f"content {HOSTILE}", encoding="utf-8")


@pytest.mark.parametrize(
    ("values", "arguments"),
    [
        ({}, "--target=superpopulation --missing=refuse"),
        (
            {"by": ["country", "year"], "target": "finite-population", "missing": "random", "skip_unsupported": "true"},
            "--target=finite-population --missing=random --by=country,year --skip-unsupported",
        ),
        (
            {"by": ["country"], "compare": ["reference", "rest"], "reference": "country=FR\n \nyear=2021"},
            "--target=superpopulation --missing=refuse --by=country --compare=reference --compare=rest "
            "--reference=country=FR --reference=year=2021",
        ),
    ],
)
def test_the_form_becomes_the_arguments_of_the_command(
    client: TestClient, started: Any, values: dict[str, Any], arguments: str
) -> None:
    code, address = send(client, sample="sample-1", **values)
    assert code == 200, address
    assert started == [("estimate", ["--design=samples/sample-1.design.json", *arguments.split()])]
    assert client.get(address).status_code == 200


@pytest.mark.parametrize(
    ("values", "code", "word"),
    [
        ({}, 400, "Choose a sample"),
        ({"sample": "sample-9"}, 404, "sample-1"),
        ({"sample": "../../etc/passwd"}, 404, "sample-1"),
        ({"sample": HOSTILE}, 404, "sample-1"),
        ({"sample": "sample-1", "by": HOSTILE}, 400, "country"),
        ({"sample": "sample-1", "target": "everything"}, 422, "target"),
        ({"sample": "sample-1", "compare": "--out=x"}, 422, "compare"),
        ({"sample": "sample-1", "compare": ["none", "pairs"]}, 400, "comparisons"),
        ({"sample": "sample-1", "reference": "x" * 2000}, 422, "reference"),
    ],
)
def test_values_that_are_not_allowed_are_refused(
    client: TestClient, started: Any, values: dict[str, Any], code: int, word: str
) -> None:
    found, message = send(client, **values)
    assert (found, started) == (code, [])
    assert has_facts(message, word)
    assert HOSTILE not in message


def test_naive_and_corrected_proportions_are_shown_with_warnings_in_words(
    client: TestClient, opened: OpenProject
) -> None:
    estimates(opened.project.folder / "estimates" / "estimates-1")
    page = client.get("/estimate").text
    assert has_facts(page, "0.300 [0.260, 0.340]", "0.500 [0.460, 0.540]", "1,000", "30 (7)", "PPI++")
    assert has_facts(page, "1 of 2 proportions is doubtful", "doubtful: fewer than 30 documents", "do not generalise")
    assert page.count('aria-label="corrected 0.300 [0.260, 0.340], naive 0.500 [0.460, 0.540]"') == 2
    assert HOSTILE not in page
    assert "&lt;img src=x onerror=alert(1)&gt;=&lt;img" in page
    assert client.get("/estimate/estimates-1").status_code == 200


def test_only_files_of_the_estimates_are_returned(client: TestClient, opened: OpenProject, tmp_path: Path) -> None:
    folder = opened.project.folder / "estimates" / "estimates-1"
    estimates(folder)
    (tmp_path / "outside.csv").write_text("secret")
    (folder / "dsl.csv").symlink_to(tmp_path / "outside.csv")
    page = client.get("/estimate").text
    links = re.findall(r'href="(/estimate/estimates-1/[^"]+)"', page)
    assert len(links) == 5
    for link in links:
        answer = client.get(link)
        assert answer.status_code == 200
        assert has_facts(answer.headers["Content-Security-Policy"], "sandbox", "default-src 'none'")
        shown = link.endswith((".html", ".svg"))
        assert ("attachment" in answer.headers.get("Content-Disposition", "")) != shown
    for name in ("private.txt", "dsl.csv", "..%2f..%2fproject.yaml", "%2e%2e", "nothing.csv"):
        assert client.get(f"/estimate/estimates-1/{name}").status_code == 404, name
    for name in ("nothing", "..", "%2e%2e", "..%2fsamples"):
        assert client.get(f"/estimate/{name}/report.html").status_code == 404, name
    (opened.project.folder / "estimates" / "linked").symlink_to(folder)
    assert client.get("/estimate/linked/report.html").status_code == 404


def test_damaged_estimates_are_reported_and_can_be_downloaded(client: TestClient, opened: OpenProject) -> None:
    folder = opened.project.folder / "estimates" / "estimates-1"
    estimates(folder)
    (folder / "estimates.parquet").write_text("no table")
    page = client.get("/estimate")
    assert page.status_code == 200
    assert has_facts(page.text, "cannot be read", "/estimate/estimates-1/report.html")
    estimates(folder.with_name("estimates-2"), estimate=None, low=None, high=None, std_error=None)
    assert has_facts(client.get("/estimate/estimates-2").text, "–")


def test_a_failed_job_keeps_the_form_open(client: TestClient, failed_job: Callable[[str, str], str]) -> None:
    failed_job("estimate", "error: 2 of 5 groups have too little gold\n")
    page = client.get("/estimate", params={"sample": "sample-1", "by": "country"}).text
    assert has_facts(page, "failed", "too little gold", '<details class="form" open>')
    assert re.search(r'value="country" checked', page)


def test_a_second_run_waits_for_the_first(
    client: TestClient, failed_job: Callable[[str, str], str], opened: OpenProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = failed_job("estimate", "")
    folder = opened.project.folder / ".app" / "jobs" / id
    (folder / "exit.txt").unlink()
    (folder / "starting").touch()
    code, message = send(client, sample="sample-1")
    assert code == 400
    assert has_facts(message, "communique estimate", "is running")


@pytest.mark.slow
def test_from_predictions_to_a_figure_through_the_commands(client: TestClient, opened: OpenProject) -> None:
    def finish(command: str) -> str:
        end = time.monotonic() + 3 * PATIENCE
        while (job := next(one for one in opened.jobs.all() if one.command == command)).state == "running":
            assert time.monotonic() < end, job.output
            time.sleep(0.2)
        assert job.state == "done", job.output
        return job.output

    drawn = client.post("/sample", data={"n": "90", "by": "country"})
    assert drawn.status_code == 200, drawn.text
    assert "90 of 420 sentences" in finish("sample")
    assert opened.project.design_path("sample-2").is_file()
    rebuild(opened.project, opened.store)
    names = list(CUES)
    while found := client.get("/api/v1/next", params={"coder": "anna", "queue": "sample-2"}).json()["sentence"]:
        number = int(found["id"].split(":")[1])
        labels = [name for i, name in enumerate(names) if number % (i + 2) == 0]
        body = {"coder": "anna", "queue": "sample-2", "id": found["id"], "sha256": found["sha256"]}
        assert client.post("/api/v1/codings", json=body | {"labels": labels, "none": not labels}).status_code == 201
    form = {"sample": "sample-2", "by": "country", "target": "finite-population"}
    assert client.post("/estimate", data=form).status_code == 200
    finish("estimate")
    page = client.get("/estimate").text
    assert has_facts(page, "country=FR", "country=DE", "criticism", "Differences by country", "report.html")
    assert page.count('class="point"') + page.count('class="hollow"') > 9
    assert client.get("/estimate/estimates-1/report.html").status_code == 200
    assert client.get("/estimate/estimates-1/forest.svg").headers["content-type"].startswith("image/svg+xml")


def test_without_labels_the_page_says_what_to_do(tmp_path: Path, connect_to: Callable[[Project], TestClient]) -> None:
    TINY.dump(tmp_path / "tiny.yaml")
    rows = [
        {"id": f"s{i}", "document": f"d{i}", "text": f"We condemn it, number {i}.", "language": "en"} for i in range(9)
    ]
    table = write_rows(tmp_path / "texts.jsonl", rows)
    project = Project.create(tmp_path / "unlabelled", codebook=tmp_path / "tiny.yaml", documents=[table])
    draw_sample(read_documents(project)[0], 5, project.codebook).dump(project.design_path("sample-1"))
    page = connect_to(project).get("/estimate").text
    assert has_facts(page, "have not been labelled yet", 'href="/label"')
    assert "<form" not in page


def test_samples_that_trained_the_model_are_not_offered(
    client: TestClient, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 'value="sample-1"' in client.get("/estimate").text
    monkeypatch.setattr("communique.app.pages.estimate.labels_of_own_model", lambda _: True)
    monkeypatch.setattr("communique.app.pages.estimate.is_reserved", lambda _: False)
    page = client.get("/estimate").text
    assert has_facts(page, "The model was trained on", "Draw another sample")
    assert 'value="sample-1"' not in page


def test_the_number_of_sentences_that_are_described_is_shown(client: TestClient, opened: OpenProject) -> None:
    estimates(opened.project.folder / "estimates" / "estimates-1", n=5)
    assert f"describe 5 of the {opened.store.count():,} sentences" in client.get("/estimate").text
