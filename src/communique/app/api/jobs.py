"""Follow, cancel and resume the jobs of a project."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from ..context import ProjectArg
from ..ids import ID_PATTERN
from ..jobs import Job, State
from ..problems import refusals

router = APIRouter(prefix="/jobs", tags=["jobs"])

Id = Annotated[str, Path(pattern=ID_PATTERN, description="id of the job")]


class JobAnswer(BaseModel):
    """A job: a command that runs or ran in the folder of the project, or other work of the server."""

    id: str
    name: str = Field(description="name of the command or, for example, `index`")
    command: str | None = Field(description="the command as it would be typed; null if the work is no command")
    state: State
    stopping: bool = Field(description="whether the job is still running, but was cancelled")
    percent: int | None
    progress: str
    output: str
    begun: datetime
    exit_code: int | None


def _answer(job: Job) -> JobAnswer:
    return JobAnswer(
        id=job.id,
        name=job.command,
        command=job.line,
        state=job.state,
        stopping=job.stopping,
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


@router.get("/{id}", responses=refusals(404, 422))
def job(opened: ProjectArg, id: Id) -> JobAnswer:
    """Return a job."""
    return _answer(opened.jobs.get(id))


@router.post("/{id}/cancel", responses=refusals(404, 422))
def cancel(opened: ProjectArg, id: Id) -> JobAnswer:
    """Stop a job as Ctrl-C would. It keeps what is finished."""
    return _answer(opened.jobs.cancel(id))


@router.post("/{id}/resume", responses=refusals(400, 404, 422))
def resume(opened: ProjectArg, id: Id) -> JobAnswer:
    """Run the command of a job again, which continues what it had begun."""
    return _answer(opened.jobs.resume(id))
