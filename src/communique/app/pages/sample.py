"""Draw a sample of sentences to code."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator

from ...errors import DataError
from ...project import Project
from ...project.advice import ESTIMATE_SAMPLE, FIRST_SAMPLE, SampleRequest
from ...project.layout import SAMPLES
from ...project.rows import use_of
from ...project.status import is_labelled
from ...sampling.frame import MissingGroup
from ...sampling.planning import as_width
from ..context import OpenProject, ProjectArg
from ..groups import checked_columns, group_columns
from ..starting import lead_to
from ..templating import respond

TITLE, PATH = "Sample", "/sample"
router = APIRouter(prefix=PATH)

#: Largest number of sentences of a sample. Nobody codes more by hand.
MAX_SENTENCES = 100_000


class Wanted(BaseModel):
    """What the form asks for. Each field is an option of `communique sample`."""

    model_config = ConfigDict(frozen=True)

    purpose: Literal["estimate", "training"] = "estimate"
    n: int | None = Field(None, ge=1, le=MAX_SENTENCES)
    width: str = Field("", max_length=20)
    by: list[str] = Field([], max_length=20)
    missing_group: MissingGroup = "refuse"
    design: Literal["", "simple", "stratified", "two-stage"] = ""
    split: Literal["", "yes", "no"] = ""
    trained_documents: bool = False
    show_model: bool = False

    @field_validator("n", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("width")
    @classmethod
    def _width(cls, value: str) -> str:
        if value.strip():
            as_width(value)
        return value.strip()

    def problem(self) -> str | None:
        """Return why these values cannot be used together, or None."""
        if self.n is None and not self.width:
            return "Enter the number of sentences, or a width of the intervals from which it is computed"
        if self.purpose == "training" and self.n is None:
            return "Enter the number of sentences: a sample for training is not planned for intervals"
        return None


@router.get("")
def page(request: Request, opened: ProjectArg, wanted: Annotated[Wanted | None, Query()] = None) -> Response:
    """Show the form, the job and the samples."""
    return _show(request, opened, wanted if request.query_params else None)


@router.post("")
def draw(request: Request, opened: ProjectArg, wanted: Annotated[Wanted, Form()]) -> Response:
    """Start drawing a sample."""
    return _start(request, opened, wanted, plan=False)


@router.post("/plan")
def plan(request: Request, opened: ProjectArg, wanted: Annotated[Wanted, Form()]) -> Response:
    """Start computing how many sentences an interval of the wanted width needs, without drawing them."""
    return _start(request, opened, wanted, plan=True)


def address_of(sample: SampleRequest) -> str:
    """Return the address of the form with the values of a sample that is advised."""
    return f"{PATH}?{urlencode(Wanted(**asdict(sample)).model_dump(exclude_defaults=True))}"


def arguments(project: Project, wanted: Wanted, by: str, *, plan: bool) -> list[str]:
    """Return the arguments of `communique sample` in the folder of a project.

    Args:
        project: The project.
        wanted: What the form asks for.
        by: The columns that define groups, separated by commas.
        plan: Whether to compute only how many sentences are needed.
    """
    found = [f"--for={wanted.purpose}"]
    if wanted.n is not None and not plan:
        found.append(f"-n{wanted.n}")
    if wanted.width and wanted.purpose == "estimate":
        found.append(f"--width={wanted.width}")
    if not plan and wanted.n is None:
        found.append(f"--out={SAMPLES}/{project.next_sample_path().name}")
    if by:
        found += [f"--by={by}", f"--missing-group={wanted.missing_group}"]
    if wanted.design and wanted.purpose == "estimate":
        found.append(f"--design={wanted.design}")
    if wanted.split:
        found.append("--split" if wanted.split == "yes" else "--no-split")
    if wanted.trained_documents and wanted.purpose == "training":
        found.append("--trained-documents")
    if wanted.show_model:
        found.append("--show-model")
    return found


def _start(request: Request, opened: OpenProject, wanted: Wanted, *, plan: bool) -> Response:
    by = checked_columns(opened.store, wanted.by)
    problem = wanted.problem()
    if plan and not wanted.width:
        problem = "Enter the width of the intervals from which the number of sentences is computed"
    elif plan and wanted.purpose == "training":
        problem = "A sample for training is not planned for intervals"
    if problem is not None:
        raise DataError(problem)
    opened.jobs.start("sample", arguments(opened.project, wanted, by, plan=plan))
    return lead_to(request, PATH, wanted.model_dump(exclude_defaults=True))


def _show(request: Request, opened: OpenProject, wanted: Wanted | None) -> Response:
    designs = opened.project.designs()
    advised = ESTIMATE_SAMPLE if designs else FIRST_SAMPLE
    job = opened.jobs.newest("sample")
    values: dict[str, Any] = {
        # The output of a plan is all that it produces.
        "open_output": job is not None and not any(one.startswith(("-n", "--out")) for one in job.arguments),
        "wanted": wanted or Wanted(**asdict(advised)),
        "columns": group_columns(opened.store),
        "job": job,
        "samples": [
            # The index may not contain a new sample yet.
            (name, use_of(design), len(design.rows), opened.desk.progress("", name).anyone)
            for name, design in reversed(designs.items())
        ],
        "documents": len(opened.project.documents()),
        "advised": advised,
        "labelled": is_labelled(opened.project),
        "first": FIRST_SAMPLE,
        "later": ESTIMATE_SAMPLE,
        "most": MAX_SENTENCES,
    }
    return respond(request, "sample.html", **values)
