"""Contract tests: requests made from the OpenAPI schema of the API, and answers that must be what the schema says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from app_jobs import launch_here
from fakes import bundle_folder, open_cue_model
from helpers import TINY, predictions, write_rows
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy
from project_helpers import draw
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.python.asgi import shutdown_lifespans
from schemathesis.schemas import BaseSchema

from communique.app.indexing import rebuild
from communique.app.jobs import JOBS, Jobs
from communique.app.run_job import EXIT, JOB, LOG
from communique.app.server import create_app
from communique.app.store import APP_FOLDER, Store
from communique.project import Project

TOKEN, PORT = "the-token-of-the-contract", 8124
BASE = f"http://127.0.0.1:{PORT}"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}

#: A job of the project, which failed.
JOB_ID = "20260102-030405-abcdef"

#: Examples per operation. Hypothesis derives them from the name of the test, so that they are the same in each run.
EXAMPLES = 12


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Create an indexed project with a sample and a job that failed."""
    folder = tmp_path_factory.mktemp("contract")
    TINY.dump(folder / "tiny.yaml")
    table = predictions(folder / "labelled.jsonl", documents=5, per_document=4)
    texts = [json.loads(line) for line in table.read_text(encoding="utf-8").splitlines()]
    kept = ("id", "document", "index", "language", "text")
    write_rows(folder / "texts.jsonl", [{name: row[name] for name in kept if name in row} for row in texts])
    project = Project.create(folder / "study", codebook=folder / "tiny.yaml", documents=[folder / "texts.jsonl"])
    table.rename(project.folder / "labelled" / "model-1.jsonl")
    draw(project, 10, table=project.labelled()[0])
    store = Store(project.folder)
    rebuild(project, store)
    store.close()
    job = project.folder / APP_FOLDER / JOBS / JOB_ID
    job.mkdir(parents=True)
    content = {"name": "status", "module": "communique", "arguments": ["status"], "resume_with": []}
    (job / JOB).write_text(json.dumps(content | {"begun": "2026-01-02T03:04:05+00:00"}), encoding="utf-8")
    (job / LOG).write_text("error: nothing to do\n", encoding="utf-8")
    (job / EXIT).write_text("1", encoding="ascii")
    return project


@pytest.fixture(scope="module")
def api(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaseSchema]:
    """Read the schema from the server without pages. Its model looks for cue words, and its jobs run no commands."""
    folder = bundle_folder(tmp_path_factory.mktemp("model") / "cues")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("communique.app.context.load_model", lambda _: open_cue_model(folder))
        patch.setattr(Jobs, "_launch", launch_here)
        app = create_app(project, token=TOKEN, port=PORT, with_pages=False, names=["127.0.0.1", "testserver"])
        config = SchemathesisConfig()
        found = schemathesis.openapi.from_asgi(
            "/api/v1/openapi.json", app, config=config, headers=HEADERS | {"Host": f"127.0.0.1:{PORT}"}
        )
        found.config.update(base_url=BASE)
        # With a wrong token, nothing else of a request would be looked at. The check `ignored_auth` sends wrong tokens.
        found.config.generation.with_security_parameters = False
        # What a codebook or a project contains is not in the schema, so valid requests can be refused with 400 as well.
        found.config.checks.positive_data_acceptance.expected_statuses = ["2xx", "400", "404"]
        found.config.checks.negative_data_rejection.expected_statuses = ["400", "404", "413", "422"]
        yield found
        shutdown_lifespans()


def operations_of(api: BaseSchema) -> list[Any]:
    """Return the operations of the API. A schema that contradicts itself fails the test."""
    found = list(api.get_all_operations())
    assert all(isinstance(one, Ok) for one in found)
    return [one.ok() for one in found if isinstance(one, Ok)]


def known(project: Project) -> dict[str, dict[str, Any]]:
    """Return requests that succeed, because they name what the project contains: one per operation."""
    store = Store(project.folder)
    found = store.sentence((project.designs()["sample-1"].rows[0].id, project.designs()["sample-1"].rows[0].sha256))
    store.close()
    assert found is not None
    answer = {"coder": "anna", "queue": "sample-1", "id": found.id, "sha256": found.sha256, "labels": ["criticism"]}
    acts = {"criticism": {"holder_span": [0, 8], "target_span": None}}
    job = {"path_parameters": {"id": JOB_ID}}
    return {
        "POST /api/v1/label": {"body": {"texts": ["We condemn it.", ""], "languages": ["en", "fr"]}},
        "GET /api/v1/model": {},
        "GET /api/v1/queues": {},
        "GET /api/v1/next": {"query": {"coder": "anna", "queue": "sample-1"}},
        "POST /api/v1/codings": {"body": answer | {"acts": acts}},
        "GET /api/v1/tables": {},
        "GET /api/v1/corpus": {"query": {"by": "country"}},
        "GET /api/v1/documents": {},
        "POST /api/v1/documents": {"body": {"files": [{"name": "speech.txt", "content": "We condemn it."}]}},
        "GET /api/v1/jobs": {},
        "GET /api/v1/jobs/{id}": job,
        "POST /api/v1/jobs/{id}/cancel": job,
        "POST /api/v1/jobs/{id}/resume": job,
    }


def test_every_operation_succeeds_as_the_schema_says(
    api: BaseSchema, project: Project, subtests: pytest.Subtests
) -> None:
    requests = known(project)
    operations = {one.label: one for one in operations_of(api)}
    assert list(operations) == list(requests)
    for label, operation in operations.items():
        with subtests.test(label):
            answer = operation.Case(**requests[label]).call_and_validate(headers=HEADERS)
            assert 200 <= answer.status_code < 300


@pytest.mark.slow
def test_every_answer_is_what_the_schema_says(api: BaseSchema, subtests: pytest.Subtests) -> None:
    for operation in operations_of(api):
        for mode in GenerationMode:
            if mode.is_negative and not (operation.body or operation.query or operation.path_parameters):
                continue  # nothing in such a request can be wrong
            with subtests.test(operation.label, mode=mode.value):
                requested(operation.as_strategy(generation_mode=mode), {})


@pytest.mark.slow
def test_texts_of_any_kind_are_added_or_refused(api: BaseSchema) -> None:
    operation = api["/api/v1/documents"]["POST"].as_strategy()
    named = operation.map(lambda case: case if not isinstance(case.body, dict) else _with_suffix(case))
    assert set(requested(named, {}, examples=4 * EXAMPLES)) <= {201, 400}


def _with_suffix(case: Any) -> Any:
    """Return a request whose files have names of formats that can be read."""
    for number, file in enumerate(case.body["files"]):
        file["name"] += (".txt", ".csv", ".jsonl", ".docx", ".xlsx", ".pdf", ".json", ".html")[number % 8]
    return case


@pytest.mark.slow
def test_valid_answers_for_a_sentence_are_recorded_or_refused(api: BaseSchema, project: Project) -> None:
    body = known(project)["POST /api/v1/codings"]["body"]
    fixed = {name: body[name] for name in ("id", "sha256", "queue")}
    statuses = requested(api["/api/v1/codings"]["POST"].as_strategy(), fixed, examples=4 * EXAMPLES)
    assert set(statuses) <= {201, 400}


def requested(cases: SearchStrategy[Any], fixed: dict[str, Any], examples: int = EXAMPLES) -> list[int]:
    """Send requests, check the answers, and return their status codes.

    Args:
        cases: The requests.
        fixed: Fields of the body that replace generated ones.
        examples: Number of requests.
    """
    found: list[int] = []

    @given(case=cases)
    @settings(
        max_examples=examples, derandomize=True, deadline=None, database=None, suppress_health_check=[*HealthCheck]
    )
    def send(case: Any) -> None:
        if fixed:
            case.body = case.body | fixed
        found.append(case.call_and_validate(headers=HEADERS).status_code)

    send()
    return found
