"""The start page: what the project contains, and what to do next."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from ...project import project_status
from ...reporting.palette import classes, variables
from ..context import ProjectArg
from ..templating import navigation, respond
from . import documents

router = APIRouter()

#: The page on which the first word of the command of a step is done.
_PAGES = {
    "edit": "/codebook",
    "copy": documents.PATH,
    "sample": "/sample",
    "merge": "/code",
    "agree": "/agreement",
    "train": "/train",
    "label": "/label",
    "status": "/train",
    "estimate": "/estimate",
    "read": "/estimate",
}


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
    word = state.next.command.removeprefix("communique ").split()[0]
    titles = {entry.path: entry.title for entry in navigation()} | {documents.PATH: documents.TITLE}
    path = _PAGES.get(word)
    return respond(
        request,
        "home_status.html",
        state=state,
        next_path=path,
        next_title=titles.get(path or ""),
        documents=documents.PATH,
    )


@router.get("/palette.css")
def palette() -> Response:
    """Return the colours of the labels."""
    dark = f"@media (prefers-color-scheme: dark) {{ :root {{ {variables(dark=True)} }} }}"
    style = f":root {{ {variables()} }}\n{dark}\n{classes()}\n"
    return Response(style, media_type="text/css", headers={"Cache-Control": "max-age=3600"})
