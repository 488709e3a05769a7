"""Evaluate a model on the gold of a sample: scores, calibration, confusions, and the worst errors with their sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response
from markupsafe import Markup
from sqlalchemy import select
from starlette.responses import FileResponse

from ...errors import DataError, NotFoundError
from ...evaluation.results import (
    CoOccurrenceResult,
    ErrorResult,
    LabelCalibrationResult,
    Matrix,
    read_evaluation,
)
from ...metrics.report import score_names
from ...project.coding import SentenceKey
from ...project.evaluations import EvaluationFiles, evaluation_arguments, evaluation_files, evaluations
from ...project.rows import given_id
from ...sampling.population import display_sha256
from ..context import OpenProject, ProjectArg
from ..figures import Mark, chart
from ..starting import lead_to
from ..store import CODINGS, Store, is_key
from ..templating import respond
from .estimate import POLICY

TITLE, PATH = "Evaluate", "/evaluate"
router = APIRouter(prefix=PATH)

#: The scores of a label in the table, by their name in the result.
SCORES = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "average_precision": "average precision",
    "mcc": "MCC",
}

#: The scores over all labels that the page shows.
OVERALL = ("macro_f1", "micro_f1", "sample_f1", "exact_match")

Name = Annotated[str, Query(max_length=300)]


@router.get("")
def page(request: Request, opened: ProjectArg, model: Name = "", sample: Name = "") -> Response:
    """Show the form, the job, and the evaluation that the address names or the newest one."""
    existing, models = evaluations(opened.project), opened.project.models()
    named = [one for one in existing if model in ("", one.model) and sample in ("", one.sample)]
    shown = named[0] if named else None
    values: dict[str, Any] = {
        "model": model,
        "sample": sample,
        "models": [folder.name for folder in reversed(models.infos)],
        "problems": models.problems,
        "samples": [
            (name, design, opened.desk.progress("", name))
            for name, design in reversed(opened.project.designs().items())
        ],
        "job": opened.jobs.newest("evaluate"),
        "existing": existing,
        "shown": shown,
        "result": None if shown is None else _result(opened, shown),
    }
    return respond(request, "evaluate.html", **values)


@router.post("")
def run(
    request: Request,
    opened: ProjectArg,
    model: Annotated[str, Form(max_length=300)] = "",
    sample: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """Start an evaluation."""
    files = evaluation_files(opened.project, model, sample)
    arguments, _ = evaluation_arguments(opened.project, files)
    opened.jobs.start("evaluate", arguments)
    return lead_to(request, PATH, {"model": model, "sample": sample})


@router.get("/report")
def report(opened: ProjectArg, model: Name, sample: Name) -> Response:
    """Return the full report with plots."""
    path = _existing(evaluation_files(opened.project, model, sample).report)
    return FileResponse(path, media_type="text/html; charset=utf-8", headers={"Content-Security-Policy": POLICY})


@router.get("/result")
def download(opened: ProjectArg, model: Name, sample: Name) -> Response:
    """Return the result as JSON, as a download."""
    path = _existing(evaluation_files(opened.project, model, sample).result)
    return FileResponse(path, media_type="application/json", filename=path.name)


@router.get("/sentence")
def sentence(request: Request, opened: ProjectArg, id: str, sha256: str, sample: Name = "all") -> Response:
    """Show a sentence with its neighbours and its codings, each with a link to change it."""
    found = opened.desk.find((id, sha256))
    before, after = opened.store.neighbours(found)
    queue = sample if sample in opened.desk.queues() else "all"
    return respond(
        request,
        "evaluate_sentence.html",
        sentence=found,
        before=before,
        after=after,
        queue=queue,
        codings=_codings(opened.store, found.key),
    )


def _existing(path: Path) -> Path:
    if not path.is_file() or path.is_symlink():
        raise NotFoundError("This evaluation does not exist yet. Start it on the page Evaluate.")
    return path


def _codings(store: Store, key: SentenceKey) -> list[Any]:
    with store.reading() as connection:
        query = select(CODINGS.c.coder, CODINGS.c.labels, CODINGS.c.comment).where(is_key(CODINGS, key))
        return list(connection.execute(query.order_by(CODINGS.c.coder)))


def _result(opened: OpenProject, files: EvaluationFiles) -> dict[str, Any]:
    """Return what the page shows of an evaluation. If it cannot be read, return only the reason."""
    try:
        found = read_evaluation(files.result)
    except DataError as error:
        return {"problem": "\n".join(error.lines)}
    overall, diagnostics = found.overall, found.diagnostics
    names = score_names(multilabel=found.multilabel)
    return {
        "problem": None,
        "warnings": found.warnings,
        "all": overall,
        "labels": [(one, {name: getattr(one, field) for field, name in SCORES.items()}) for one in overall.labels],
        "scores": SCORES,
        "overall": {names[field]: getattr(overall, field) for field in OVERALL if field in names},
        "calibration": diagnostics.calibration,
        "figures": [_reliability(one) for one in diagnostics.calibration.after],
        "together": _matrices(diagnostics.co_occurrence),
        "errors": [(one, _key(opened.store, one)) for one in diagnostics.errors],
    }


def _reliability(calibration: LabelCalibrationResult) -> Markup:
    marks = [
        Mark(one.probability, one.share.value, one.share.low, one.share.high)
        for one in calibration.bins
        if one.share.value is not None
    ]
    return chart(
        marks,
        title=f"Calibration of {calibration.label}. The full report contains the numbers.",
        x="mean probability",
        y="proportion in gold",
        ideal=True,
    )


def _matrices(found: CoOccurrenceResult) -> list[tuple[str, tuple[str, ...], Matrix]]:
    """Return the tables of labels that occur together: a title, the labels and the counts."""
    titles = {
        "Rows: gold. Columns: predicted": found.confusion,
        "In gold: sentences that have both labels": found.gold,
        "As predicted: sentences that have both labels": found.predicted,
    }
    return [(title, found.labels, counts) for title, counts in titles.items() if counts is not None]


def _key(store: Store, error: ErrorResult) -> SentenceKey | None:
    """Return the key of the sentence of an error, or None if the index does not contain the sentence."""
    digest = display_sha256(error.text)
    key = given_id(error.id, digest), digest
    return None if store.sentence(key) is None else key
