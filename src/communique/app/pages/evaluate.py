"""Evaluate a model on the gold of a sample: scores, calibration, confusions, and the worst errors with their sentences."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response
from markupsafe import Markup
from sqlalchemy import select
from starlette.responses import FileResponse

from ...project.coding import SentenceKey
from ...project.evaluations import EvaluationFiles, evaluation_arguments, evaluation_files, evaluations
from ...sampling.population import display_sha256
from ..context import OpenProject, ProjectArg
from ..figures import Mark, chart
from ..problems import NotFoundError
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

#: The scores over all labels.
OVERALL = {
    "macro_f1": "macro-F1",
    "micro_f1": "micro-F1",
    "sample_f1": "F1 per sentence, averaged",
    "exact_match": "exact match",
}

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
        content = json.loads(files.result.read_text(encoding="utf-8"))
        overall, diagnostics = content["groups"][0], content["diagnostics"]
        return {
            "problem": None,
            "data": content["data"],
            "warnings": [*content["warnings"]],
            "n": overall["n"],
            "documents": overall["documents"],
            "labels": [_label(one) for one in overall["labels"]],
            "scores": SCORES,
            "overall": {name: _value(overall[field]) for field, name in OVERALL.items()},
            "left_out": overall["left_out"],
            "calibration": _calibration(diagnostics["calibration"]),
            "together": _matrices(diagnostics["co_occurrence"]),
            "errors": [_error(opened.store, one) for one in diagnostics["errors"]],
            "has_report": files.report.is_file(),
        }
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        reason = f"{files.result.name}: this is not an evaluation that this version writes. Evaluate the model again"
        return {"problem": reason}


def _value(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: content[name] for name in ("value", "low", "high", "reason")}


def _label(content: Mapping[str, Any]) -> dict[str, Any]:
    counts = {name: content[name] for name in ("label", "gold", "predicted", "few")}
    return counts | {"values": {name: _value(content[field]) for field, name in SCORES.items()}}


def _calibration(content: Mapping[str, Any]) -> dict[str, Any]:
    labels = [
        {
            "label": one["label"],
            "gold": one["gold"],
            "ece": _value(one["ece"]),
            "by_chance": one["ece_by_chance"],
            "skill": _value(one["skill"]),
            "figure": _reliability(one),
        }
        for one in content["after"]
    ]
    return {"rows": content["rows"], "n": content["n"], "documents": content["documents"], "labels": labels}


def _reliability(content: Mapping[str, Any]) -> Markup:
    marks = [
        Mark(one["probability"], one["share"]["value"], one["share"]["low"], one["share"]["high"])
        for one in content["bins"]
        if one["share"]["value"] is not None
    ]
    return chart(
        marks,
        title=f"Calibration of {content['label']}. The full report contains the numbers.",
        x="mean probability",
        y="proportion in gold",
        ideal=True,
    )


def _matrices(content: Mapping[str, Any]) -> list[tuple[str, list[str], list[list[int]]]]:
    """Return the tables of labels that occur together: a title, the labels and the counts."""
    titles = {
        "confusion": "Rows: gold. Columns: predicted",
        "gold": "In gold: sentences that have both labels",
        "predicted": "As predicted: sentences that have both labels",
    }
    return [(title, content["labels"], content[name]) for name, title in titles.items() if content[name] is not None]


def _error(store: Store, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return an error with the key of its sentence, or without one if the index does not contain the sentence."""
    names = ("id", "document", "language", "text", "previous", "gold", "predicted", "probabilities", "loss")
    found = {name: content[name] for name in names}
    digest = display_sha256(content["text"])
    # If several documents have a sentence with the same id, a part of the hash was added to it.
    ids = (content["id"], content["id"].rpartition("#")[0])
    key = next(((id, digest) for id in ids if id and store.sentence((id, digest)) is not None), None)
    return found | {"key": key}
