"""Follow, cancel and resume the jobs of a project."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel

from ..context import ProjectArg
from ..jobs import Job, State

router = APIRouter(prefix="/jobs", tags=["jobs"])


class JobAnswer(BaseModel):
    """A job: a command that runs or ran in the folder of the project."""

    id: str
    command: str
    state: State
    percent: int | None
    progress: str
    output: str
    begun: datetime
    exit_code: int | None


def _answer(job: Job) -> JobAnswer:
    return JobAnswer(
        id=job.id,
        command=job.line,
        state=job.state,
        percent=job.percent,
        progress=job.progress,
        output=job.output,
        begun=job.begun,
        exit_code=job.exit_code,
    )


@router.get("")
def jobs(opened: ProjectArg) -> list[JobAnswer]:
    """List the jobs, from the newest to the oldest."""
    return [_answer(job) for job in opened.jobs.all()]


@router.get("/{id}")
def job(opened: ProjectArg, id: str) -> JobAnswer:
    """Return a job."""
    return _answer(opened.jobs.get(id))


@router.post("/{id}/cancel")
def cancel(opened: ProjectArg, id: str) -> JobAnswer:
    """Stop a job as Ctrl-C would. It keeps what is finished."""
    return _answer(opened.jobs.cancel(id))


@router.post("/{id}/resume")
def resume(opened: ProjectArg, id: str) -> JobAnswer:
    """Run the command of a job again, which continues what it had begun."""
    return _answer(opened.jobs.resume(id))
