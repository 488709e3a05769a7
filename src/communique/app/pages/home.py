"""The start page: what the project contains, and what to do next."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from ...project import project_status
from ...reporting.palette import classes, variables
from ..context import ProjectArg
from ..templating import respond

router = APIRouter()

#: Number of bootstrap samples. The page shows no interval of the agreement.
_RESAMPLES = 1


@router.get("/")
def home(request: Request, opened: ProjectArg) -> Response:
    """Show the project. The status needs all codings, so it is loaded after the page."""
    opened.refresh()
    return respond(
        request, "home.html", project=opened.project, sentences=opened.store.count(), jobs=opened.jobs.all()[:5]
    )


@router.get("/status")
def status(request: Request, opened: ProjectArg) -> Response:
    """Show what to do next, as a part of the page."""
    return respond(request, "home_status.html", state=project_status(opened.project, resamples=_RESAMPLES))


@router.get("/palette.css")
def palette() -> Response:
    """Return the colours of the labels."""
    dark = f"@media (prefers-color-scheme: dark) {{ :root {{ {variables(dark=True)} }} }}"
    style = f":root {{ {variables()} }}\n{dark}\n{classes()}\n"
    return Response(style, media_type="text/css", headers={"Cache-Control": "max-age=3600"})
