"""The start page: what the project contains, and what to do next."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from ...errors import DataError
from ...project import project_status
from ...project.advice import Action
from ...project.documents import document_files
from ...reporting.palette import classes, variables
from ..context import ProjectArg
from ..templating import NAVIGATION, respond
from . import documents, sample

router = APIRouter()


@router.get("/")
def home(request: Request, opened: ProjectArg) -> Response:
    """Show the project. The status needs all codings, so it is loaded after the page."""
    opened.refresh()
    reading = opened.is_indexing()
    jobs = opened.jobs.all()[:5]
    return respond(
        request, "home.html", project=opened.project, sentences=opened.store.count(), reading=reading, jobs=jobs
    )


@router.get("/status")
def status(request: Request, opened: ProjectArg) -> Response:
    """Show what to do next, as a part of the page."""
    state = project_status(opened.project, agreement=False)
    titles = {entry.path: entry.title for entry in NAVIGATION} | {documents.PATH: documents.TITLE}
    path = path_for(state.next.action)
    address = path if state.next.sample is None else sample.address_of(state.next.sample)
    try:
        files = len(document_files(opened.project)) if state.documents else 0
    except DataError:
        files = 0  # the page Documents says why
    return respond(
        request,
        "home_status.html",
        state=state,
        title=titles[path],
        address=address,
        documents=documents.PATH,
        files=files,
    )


@router.get("/palette.css")
def palette() -> Response:
    """Return the colours of the labels."""
    dark = f"@media (prefers-color-scheme: dark) {{ :root {{ {variables(dark=True)} }} }}"
    style = f":root {{ {variables()} }}\n{dark}\n{classes()}\n"
    return Response(style, media_type="text/css", headers={"Cache-Control": "max-age=3600"})


def path_for(action: Action) -> str:
    """Return the path of the page on which a step is done."""
    match action:
        case "codebook" | "sample" | "code" | "train" | "label" | "estimate":
            return f"/{action}"
        case "documents":
            return documents.PATH
        case "adjudicate":
            return "/agreement"
        case "curve":
            return "/train"
        case "read_estimates":
            return "/estimate"
