"""Train a model on the coded rows: what is used, the job, what was compared and chosen, and the learning curve."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Request, Response
from markupsafe import Markup

from ...errors import DataError
from ...models.info import ModelInfo
from ...models.unfit import describe_unfit
from ...project import Project, project_status
from ...project.curve import Curve
from ...project.training import TrainingRows, training_rows
from ...selection.results import SELECTION, Selection
from ..context import OpenProject, ProjectArg
from ..figures import Mark, chart
from ..starting import lead_to
from ..templating import is_partial, respond

TITLE, PATH = "Train", "/train"
router = APIRouter(prefix=PATH)


@router.get("")
def page(request: Request, opened: ProjectArg) -> Response:
    """Show the job. The rest needs all codings, so it is loaded after the page."""
    return respond(request, "train.html", job=opened.jobs.newest("train"), state=None)


@router.get("/state")
def state(request: Request, opened: ProjectArg) -> Response:
    """Show what a training would use, the newest model and the learning curve."""
    values = _state(opened)
    if is_partial(request):
        return respond(request, "train_state.html", **values)
    return respond(request, "train.html", job=opened.jobs.newest("train"), state=values, **values)


@router.get("/duration")
def duration(request: Request, opened: ProjectArg) -> Response:
    """Show how long the training takes by the estimate of the command, and how long it has been running."""
    job = opened.jobs.newest("train")
    expected = None if job is None or job.expected is None else job.expected / 60
    minutes = 0.0 if job is None else (datetime.now(UTC) - job.begun).total_seconds() / 60
    return respond(request, "train_duration.html", expected=expected, minutes=minutes)


@router.post("")
def run(request: Request, opened: ProjectArg, kind: Annotated[Literal["auto", "tfidf"], Form()] = "auto") -> Response:
    """Start a training, or continue the one that was stopped."""
    if obstacles := training_rows(opened.project).obstacles:
        raise DataError(*obstacles)
    opened.jobs.start("train", [] if kind == "auto" else [f"--kind={kind}"])
    return lead_to(request, PATH)


@router.post("/curve")
def compute(request: Request, opened: ProjectArg) -> Response:
    """Start computing the learning curve."""
    if obstacles := training_rows(opened.project).obstacles:
        raise DataError(*obstacles)
    opened.jobs.start("status", ["--curve"])
    return lead_to(request, PATH)


def _state(opened: OpenProject) -> dict[str, Any]:
    project = opened.project
    found = project.models()
    models = list(reversed(found.infos.items()))
    status = project_status(project, agreement=False)
    rows = training_rows(project)
    return {
        "rows": rows,
        "most": max(rows.labels.values(), default=0),
        "advice": _advice(rows, models, project),
        "problems": found.problems,
        "newest": _described(*models[0]) if models else None,
        "models": [(folder.name, info, _score(info)) for folder, info in models],
        "curve": status.curve,
        "figure": None if status.curve is None else curve_figure(status.curve),
        "outlook": status.outlook,
        "curve_job": _curve_job(opened),
    }


def _curve_job(opened: OpenProject) -> Any:
    """Return the newest job that computes a learning curve, if it is running or failed."""
    job = opened.jobs.newest("status")
    return job if job is not None and job.state != "done" else None


def _advice(rows: TrainingRows, models: list[tuple[Path, ModelInfo]], project: Project) -> str:
    """Return whether the newest model already contains the coded rows."""
    current = project.codebook.sha256
    trained = next((info.training.sentences for _, info in models if info.codebook_sha256 == current), None)
    if trained is None or trained < rows.rows:
        return ""
    return "The newest model was trained on as many rows. Train again after more coding"


def _described(folder: Path, info: ModelInfo) -> dict[str, Any]:
    """Return what the page shows of a model."""
    return {
        "name": folder.name,
        "info": info,
        "score": _score(info),
        "selection": Selection.load(folder.with_name(folder.name + SELECTION)),
        "unfit": describe_unfit(info) if info.warnings else (),
    }


def _score(info: ModelInfo) -> Any:
    return info.scores[0] if info.scores else None


def curve_figure(curve: Curve) -> Markup:
    """Draw a learning curve, with the point to which it is extrapolated."""
    known = [point for point in curve.points if point.value is not None]
    marks = [Mark(point.rows, point.value or 0.0, point.low, point.high) for point in known]
    p = curve.projection
    ahead = None if p is None else Mark(p.rows, p.value, p.low, p.high)
    places = [float(mark.x) for mark in (*marks, *([ahead] if ahead else []))]
    return chart(
        marks,
        title="Learning curve. The table contains the same numbers.",
        x="coded rows",
        y="macro-F1",
        end=1.05 * max(places, default=1.0),
        ticks=_apart(places),
        projected=ahead,
    )


def _apart(places: list[float]) -> list[float]:
    """Return the places that are far enough apart for a number under each, starting from the largest."""
    chosen: list[float] = []
    for place in sorted(places, reverse=True):
        if not chosen or chosen[-1] - place > 0.13 * max(places):
            chosen.append(place)
    return chosen
