"""Show the jobs, and cancel or resume them. Pages that start jobs include `jobs_one.html`, which updates itself."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from ..context import ProjectArg
from ..jobs import Job
from ..templating import is_partial, respond

PATH = "/jobs"
router = APIRouter(prefix=PATH)


@router.get("")
def all_jobs(request: Request, opened: ProjectArg) -> Response:
    """List the jobs."""
    return respond(request, "jobs.html", jobs=opened.jobs.all())


@router.get("/{id}")
def one(request: Request, opened: ProjectArg, id: str) -> Response:
    """Show a job."""
    job = opened.jobs.get(id)
    return _part(request, job) if is_partial(request) else respond(request, "jobs.html", jobs=[job])


@router.get("/{id}/watch")
def watch(opened: ProjectArg, id: str, was: str = "running") -> Response:
    """Make a page load itself again when the state of a job is no longer the one that the page shows."""
    changed = opened.jobs.get(id).state != was
    return Response(headers={"HX-Refresh": "true"} if changed else {})


@router.post("/{id}/cancel")
def cancel(request: Request, opened: ProjectArg, id: str) -> Response:
    """Stop a job."""
    return _part(request, opened.jobs.cancel(id))


@router.post("/{id}/resume")
def resume(request: Request, opened: ProjectArg, id: str) -> Response:
    """Continue a job."""
    return _part(request, opened.jobs.resume(id))


def _part(request: Request, job: Job) -> Response:
    if not is_partial(request):
        return RedirectResponse(f"{PATH}/{job.id}", 303)
    return respond(request, "jobs_one.html", job=job)
