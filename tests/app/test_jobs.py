"""Tests that commands run as jobs: their state, output and exit code, cancelling, and a server that starts again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from helpers import PATIENCE, has_facts, run
from sqlalchemy import select
from starlette.testclient import TestClient

from communique.app import run_job
from communique.app.context import INDEX_JOB, OpenProject
from communique.app.jobs import JOBS, BusyError, Job, Jobs, _last_line
from communique.app.run_job import CANCELLED, EXIT, JOB
from communique.app.store import APP_FOLDER, SENTENCES
from communique.app.templating import with_code
from communique.errors import NotFoundError
from communique.project import Project
from communique.project.coding import now


def wait(jobs: Jobs, id: str, until: Callable[[Job], bool]) -> Job:
    """Wait until a condition holds for a job."""
    end = time.monotonic() + PATIENCE
    while not until(job := jobs.get(id)):
        assert time.monotonic() < end, job
        time.sleep(0.05)
    return job


def finished(job: Job) -> bool:
    return job.state != "running"


def module(folder: Path, code: str) -> str:
    """Write a module that jobs can run, and return its name."""
    (folder / "task_of_the_test.py").write_text(code, encoding="utf-8")
    return "task_of_the_test"


@pytest.mark.slow
def test_a_command_runs_in_the_project_and_leaves_its_output(project: Project) -> None:
    jobs = Jobs(project.folder)
    job = wait(jobs, jobs.start("status").id, finished)
    assert (job.state, job.exit_code) == ("done", 0), job.output
    assert "sample-1" in job.output
    failed = wait(jobs, jobs.start("train").id, finished)
    assert failed.state == "failed"
    assert "codings" in failed.output
    assert [one.id for one in Jobs(project.folder).all()] == [failed.id, job.id]


def test_a_job_can_be_cancelled_and_resumed_by_another_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    name = module(
        tmp_path,
        "import pathlib, time\nprint('reading')\nprint('\\x1b[31mred\\x1b[0m \\u202e')\n"
        "if not pathlib.Path('begun').exists():\n    pathlib.Path('begun').touch()\n    time.sleep(600)\n",
    )
    jobs, other = Jobs(tmp_path), Jobs(tmp_path)
    job = wait(jobs, jobs.start_module("task", name).id, lambda job: "red" in job.output)
    assert (job.state, job.percent) == ("running", None)
    assert "red" in job.progress, "without anything else, the last line says how far it is"
    assert "\x1b" not in job.output
    assert "\u202e" not in job.output
    found = other.running("task")
    assert found is not None
    assert wait(other, other.cancel(found.id).id, finished).state == "cancelled"
    assert wait(jobs, other.resume(found.id).id, finished).state == "done"


#: A module that runs until it is cancelled, at each start.
SLEEP = "import time\nprint('begun', flush=True)\ntime.sleep(600)\n"


def test_only_one_job_of_a_kind_runs_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    name = module(tmp_path, SLEEP)

    def start(jobs: Jobs, kind: str | None = "model") -> Job:
        return jobs._start("train", name, (), (), kind)

    jobs, other = Jobs(tmp_path), Jobs(tmp_path)
    first = wait(jobs, start(jobs).id, lambda job: "begun" in job.output)
    jobs.cancel(first.id)
    wait(jobs, first.id, finished)
    second = start(jobs)
    # The other server knows the running job from its files only, and the cancelled one would write the same files.
    with pytest.raises(BusyError, match=r"`communique train` is running.*cancel"):
        other.resume(first.id)
    with pytest.raises(BusyError, match="is running"):
        start(other)
    assert other.get(first.id).state == "cancelled", "a refusal changes nothing"
    assert len(other.all()) == 2
    free = start(other, None)
    assert other.get(free.id).state == "running"
    for job in (second, free):
        wait(jobs, job.id, lambda job: "begun" in job.output)
        other.cancel(job.id)
        wait(jobs, job.id, finished)
    assert wait(jobs, other.resume(first.id).id, lambda job: job.output.count("begun") == 2).state == "running"
    jobs.cancel(first.id)
    wait(jobs, first.id, finished)


#: A module that continues after it was cancelled, until there is a file `end`.
SLOW_TO_STOP = (
    "import pathlib, signal, time\nsignal.signal(signal.SIGINT, lambda *_: None)\nprint('begun', flush=True)\n"
    "while not pathlib.Path('end').exists():\n    time.sleep(0.05)\n"
)


def test_a_cancelled_job_is_shown_as_stopping_until_it_has_ended(
    client: TestClient, project: Project, opened: OpenProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    job = opened.jobs.start_module("task", module(tmp_path, SLOW_TO_STOP), alone=False)
    wait(opened.jobs, job.id, lambda job: "begun" in job.output)
    page, address = client.get("/jobs").text, f"/jobs/{job.id}/cancel"
    assert not opened.jobs.get(job.id).stopping
    assert address in page
    answer = client.post(address, headers={"HX-Request": "true"}).text
    assert has_facts(answer, "stopping", "is being stopped", f"/jobs/{job.id}", "every 2s")
    for shown in (answer, client.get("/jobs").text):
        assert address not in shown
        assert ">running<" not in shown
    assert client.get(f"/api/v1/jobs/{job.id}").json()["stopping"]
    (project.folder / "end").touch()
    wait(opened.jobs, job.id, finished)
    assert not client.get(f"/api/v1/jobs/{job.id}").json()["stopping"]
    assert "is being stopped" not in client.get("/jobs").text


def test_a_job_that_was_cancelled_before_it_could_receive_the_signal_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {"module": module(tmp_path, "raise AssertionError"), "arguments": []}
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.argv", [])
    (tmp_path / JOB).write_text(json.dumps(content), encoding="utf-8")
    (tmp_path / CANCELLED).touch()
    assert run_job.main(tmp_path) == 130
    assert (tmp_path / EXIT).read_text() == "130\n"


def test_two_requests_at_once_start_one_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    name = module(tmp_path, SLEEP)
    with ThreadPoolExecutor(4) as threads:
        found = {job.id for job in threads.map(lambda _: Jobs(tmp_path).start_module("task", name), range(4))}
    assert len(found) == len(Jobs(tmp_path).all()) == 1
    jobs = Jobs(tmp_path)
    id = wait(jobs, found.pop(), lambda job: "begun" in job.output).id
    assert wait(jobs, jobs.cancel(id).id, finished).state == "cancelled"


def test_a_process_that_has_just_ended_can_be_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    jobs = Jobs(tmp_path)
    job = wait(jobs, jobs.start_module("task", module(tmp_path, "")).id, finished)
    monkeypatch.setattr(Jobs, "_state", lambda *_: "running")
    monkeypatch.setattr("os.kill", ended)
    assert jobs.cancel(job.id).id == job.id


def ended(*_: object) -> None:
    raise ProcessLookupError


def test_only_commands_have_a_line_to_type(project: Project, client: TestClient, failed_job: Any) -> None:
    failed_job("evaluate", "")
    jobs = Jobs(project.folder)
    assert [job.line for job in jobs.all()] == ["communique evaluate"]
    [answer] = client.get("/api/v1/jobs").json()
    assert (answer["name"], answer["command"]) == ("evaluate", "communique evaluate")
    job = replace(jobs.all()[0], command=INDEX_JOB, arguments=(".",))
    assert job.line is None


def test_a_job_whose_process_was_killed_counts_as_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    name = module(tmp_path, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    jobs = Jobs(tmp_path)
    job = wait(jobs, jobs.start_module("task", name).id, finished)
    assert (job.state, job.exit_code, job.resumable) == ("interrupted", None, True)


@pytest.mark.parametrize("id", ["..", "../x", "20260101-000000-abcdef", "", "a/b"])
def test_an_unknown_id_is_refused(tmp_path: Path, id: str) -> None:
    with pytest.raises(NotFoundError):
        Jobs(tmp_path).get(id)
    with pytest.raises(ValueError, match="rm"):
        Jobs(tmp_path).start("rm")


@pytest.mark.parametrize(("seconds", "started"), [(0, 0), (120, 1)])
def test_an_index_that_cannot_be_built_is_not_tried_with_each_request(
    opened: OpenProject, monkeypatch: pytest.MonkeyPatch, seconds: int, started: int
) -> None:
    begun = now() - timedelta(seconds=seconds)
    failed = Job("20260102-030405-abcdef", INDEX_JOB, (), "failed", None, "", "", begun, 1, INDEX_JOB)
    names: list[str] = []
    monkeypatch.setattr(Jobs, "all", lambda _: [failed])
    monkeypatch.setattr(Jobs, "start_module", lambda _, name, *__: names.append(name))
    monkeypatch.setattr("communique.app.context.is_current", lambda *_: False)
    opened.refresh()
    assert len(names) == started


def test_the_progress_of_a_job_is_what_its_command_keeps_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    name = module(
        tmp_path,
        "import time\nfrom communique.reporting.progress import ProgressReporter\nprogress = ProgressReporter(100)\n"
        "progress.expect(90)\nprogress.begin()\nprogress.update(35, text='rows')\nprint('99%: no progress', flush=True)\n"
        "time.sleep(600)\n",
    )
    jobs = Jobs(tmp_path)
    job = wait(jobs, jobs.start_module("task", name).id, lambda job: "99%" in job.output)
    assert (job.percent, job.expected, job.state) == (35, 90, "running")
    assert job.progress.startswith("rows, ")
    jobs.cancel(job.id)
    wait(jobs, job.id, finished)


def test_the_command_is_not_shown_as_progress() -> None:
    command = "project study: communique train rows.jsonl --out models/model-1"
    assert _last_line(f"{command}\n") == ""
    assert _last_line(f"{command}\nfold 1 of 5\n\n") == "fold 1 of 5"
    assert _last_line("calibrated\n| label | F1 |\n| a | 0.5 |\n") == "calibrated"


def test_the_app_recognises_what_commands_print(
    project: Project, opened: OpenProject, client: TestClient, finished_job: Any
) -> None:
    codebook = project.codebook
    for coder in ("anna", "ben"):
        for row in project.design("sample-1").rows[:3]:
            found = opened.store.first(select(SENTENCES).where(SENTENCES.c.id == row.id))
            assert found is not None
            body = {"coder": coder, "queue": "sample-1", "id": found.id, "sha256": found.sha256, "none": False}
            assert client.post("/api/v1/codings", json=body | {"labels": [codebook.names[2]]}).status_code == 201
    codebook.model_copy(update={"version": "2", "labels": codebook.labels[:2]}).dump(project.codebook_path)
    printed = run("agree", "--project", project.folder).stderr
    [command] = [line for line in printed.splitlines() if "communique agree" in line and "project" in line]
    assert _last_line(f"{command}\n") == ""
    job = opened.jobs.get(finished_job("sample", printed))
    assert any(has_facts(warning, codebook.names[2], "removed") for warning in job.warnings)
    assert len(job.warnings) == printed.lower().count("warning: ")


def test_commands_in_warnings_are_shown_as_code(client: TestClient, finished_job: Any) -> None:
    finished_job("sample", "warning: `<b>` is no label. Run `communique check A` first \u202e\n")
    page = client.get("/sample").text
    assert "<code>&lt;b&gt;</code> is no label. Run <code>communique check A</code> first \\u202e</p>" in page
    assert "<b>" not in page


def test_only_words_between_two_backticks_are_code() -> None:
    assert with_code("`a` & `b") == "<code>a</code> &amp; `b"
    assert with_code("``") == "``"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": "label"}'])
def test_a_job_whose_description_is_damaged_is_left_out(
    client: TestClient, project: Project, failed_job: Callable[[str, str], str], content: str
) -> None:
    id = failed_job("label", "error")
    for folder, name in ((JOBS, JOB), ("texts", "texts.json")):
        damaged = project.folder / APP_FOLDER / folder / "20260102-030405-000000"
        damaged.mkdir(parents=True)
        (damaged / name).write_text(content, encoding="utf-8")
    assert [job["id"] for job in client.get("/api/v1/jobs").json()] == [id]
    assert client.get("/jobs").status_code == client.get("/label").status_code == 200
    for path in ("/api/v1/jobs/20260102-030405-000000", "/label/texts/20260102-030405-000000"):
        assert client.get(path).status_code == 404
