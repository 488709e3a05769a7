"""Estimate proportions: choose groups and a target, run the estimate, and show and download the results."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Request, Response
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import FileResponse

from ...errors import DataError, NotFoundError
from ...estimation.analysis import METHODS
from ...estimation.comparisons import Comparison
from ...estimation.figures import pair, upper_end
from ...estimation.outputs import ALL
from ...estimation.results import Proportion, Results, read_results, written_files
from ...estimation.sample import Target
from ...io.encoding import read_text
from ...project import Project
from ...project.layout import ESTIMATES, SAMPLES
from ...project.rows import is_reserved
from ...project.status import is_labelled, labels_of_own_model
from ...sampling.design import SUFFIX
from ..context import OpenProject, ProjectArg
from ..groups import checked_columns, group_columns
from ..starting import lead_to
from ..templating import respond

TITLE, PATH = "Estimate", "/estimate"
router = APIRouter(prefix=PATH)

#: Largest number of rows of a table that is shown without a click.
UNFOLDED = 12

#: Policy for files that a command wrote. They may contain styles, but run nothing, even if somebody changed them.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-downloads"

#: Files that the browser shows. It saves all others.
_SHOWN = {".html": "text/html; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png"}

#: What the files contain, by name or by the part before the first dot.
DESCRIPTIONS = {
    "report.html": "report",
    "methods.md": "methods paragraph and appendix",
    "estimates": "proportions",
    "contrasts": "comparisons",
    "regressions": "regressions",
    "error_rates": "errors of the model",
    "dsl": "all sentences, for the R package dsl",
    "forest": "figure of all groups",
}


class Wanted(BaseModel):
    """What the form asks for. Each field is an option of `communique estimate`."""

    model_config = ConfigDict(frozen=True)

    sample: str = Field("", max_length=300)
    by: list[str] = Field([], max_length=20)
    target: Target = "superpopulation"
    compare: list[Comparison | Literal["none"]] = Field([], max_length=10)
    reference: str = Field("", max_length=1000)
    skip_unsupported: bool = False
    missing: Literal["refuse", "random"] = "refuse"


@router.get("")
def page(request: Request, opened: ProjectArg, wanted: Annotated[Wanted | None, Query()] = None) -> Response:
    """Show the form, the job and the newest estimates."""
    names = _names(opened)
    return _show(request, opened, wanted or Wanted(), names[0] if names else None)


@router.post("")
def run(request: Request, opened: ProjectArg, wanted: Annotated[Wanted, Form()]) -> Response:
    """Start an estimate."""
    opened.jobs.start("estimate", arguments(opened, wanted))
    return lead_to(request, PATH, wanted.model_dump(exclude_defaults=True))


@router.get("/{name}")
def one(request: Request, opened: ProjectArg, name: str) -> Response:
    """Show earlier estimates."""
    _folder(opened, name)
    return _show(request, opened, Wanted(), name)


@router.get("/{name}/{file}")
def download(opened: ProjectArg, name: str, file: str) -> Response:
    """Return a file of estimates. Only files that `communique estimate` writes are returned."""
    found = {path.name: path for path in written_files(_folder(opened, name))}
    if file not in found:
        raise NotFoundError(f"The estimates {name!r} have no file {file!r}.")
    path = found[file]
    kind = _SHOWN.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return FileResponse(
        path,
        media_type=kind,
        filename=None if path.suffix in _SHOWN else f"{name}-{path.name}",
        headers={"Content-Security-Policy": POLICY},
    )


def arguments(opened: OpenProject, wanted: Wanted) -> list[str]:
    """Return the arguments of `communique estimate` in the folder of the project.

    Raises:
        NotFoundError: The project has no such sample.
        DataError: No sample is chosen, or the documents have no such column.
    """
    if not wanted.sample:
        raise DataError("Choose a sample. If there is none yet, draw one and code it")
    opened.project.design(wanted.sample)
    if "none" in wanted.compare and len(wanted.compare) > 1:
        raise DataError("No comparisons cannot be chosen together with other comparisons. Choose one of the two")
    by = checked_columns(opened.store, wanted.by)
    found = [f"--design={SAMPLES}/{wanted.sample}{SUFFIX}", f"--target={wanted.target}", f"--missing={wanted.missing}"]
    found += [f"--by={by}"] if by else []
    found += [f"--compare={kind}" for kind in wanted.compare]
    found += [f"--reference={line.strip()}" for line in wanted.reference.splitlines() if line.strip()]
    return [*found, "--skip-unsupported"] if wanted.skip_unsupported else found


def _show(request: Request, opened: OpenProject, wanted: Wanted, name: str | None) -> Response:
    usable, training = _samples(opened.project)
    values: dict[str, Any] = {
        "wanted": wanted,
        "samples": [(one, opened.desk.progress("", one)) for one in reversed(usable)],
        "training": training,
        "labelled": is_labelled(opened.project),
        "sentences": opened.store.count(),
        "columns": group_columns(opened.store),
        "job": opened.jobs.newest("estimate"),
        "names": _names(opened),
        "shown": name,
        "results": None if name is None else _results(opened, name),
    }
    return respond(request, "estimate.html", **values)


def _samples(project: Project) -> tuple[list[str], list[str]]:
    """Return the samples for estimates, and those that cannot be used because they trained the model that made the labels."""
    designs = {name: design for name, design in project.designs().items() if design.purpose == "estimate"}
    own = labels_of_own_model(project)
    training = [name for name, design in designs.items() if own and not is_reserved(design)]
    return [name for name in designs if name not in training], training


def _names(opened: OpenProject) -> list[str]:
    """Return the folders of estimates, from the newest to the oldest."""
    folder = opened.project.folder / ESTIMATES
    found = [path for path in folder.glob("*") if (path / "estimates.parquet").is_file() and not path.is_symlink()]
    return [path.name for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)]


def _folder(opened: OpenProject, name: str) -> Path:
    if name not in _names(opened):
        raise NotFoundError(f"There are no estimates {name!r} in this project.")
    return opened.project.folder / ESTIMATES / name


def _results(opened: OpenProject, name: str) -> dict[str, Any]:
    """Return what the page shows of estimates. If they cannot be read, return only the reason."""
    folder = _folder(opened, name)
    try:
        found = read_results(folder)
    except DataError as error:
        return {"problem": "\n".join(error.lines), "files": written_files(folder)}
    labels = dict.fromkeys(one.label for one in found.proportions)
    families: dict[str, list[Any]] = {}
    for one in found.comparisons:
        families.setdefault(one.family, []).append(one)
    methods = folder / "methods.md"
    return {
        "problem": None,
        "found": found,
        "described": max((one.n for one in found.proportions if one.level == ALL), default=0),
        "method": METHODS.get(found.method, found.method),  # type: ignore[call-overload]
        "doubtful": [one for one in found.proportions if one.doubts],
        "sections": [(label, *_tables(found, label)) for label in labels],
        "families": families,
        "files": written_files(folder),
        "series": [path for path in written_files(folder) if path.match("shares_by_*.svg")],
        "methods": read_text(methods)[0] if methods.is_file() else "",
        "descriptions": DESCRIPTIONS,
        "unfolded": UNFOLDED,
    }


def _tables(found: Results, label: str) -> tuple[float, list[tuple[str, list[tuple[Proportion, Markup]]]]]:
    """Return where the axis of a label ends, and a table for each level: its heading, and its proportions with their figures."""
    inside = [one for one in found.proportions if one.label == label]
    end = upper_end([each for one in inside for each in (one.reported, one.naive) if each is not None])
    everything = [one for one in inside if one.level == ALL]
    levels = list(dict.fromkeys(one.level for one in inside if one.level != ALL))
    headings = {level: "By " + (", ".join(found.columns) if level == "cell" else level) for level in levels}
    chosen = [(headings[level], [*everything, *(one for one in inside if one.level == level)]) for level in levels] or [
        ("All sentences", everything)
    ]
    return end, [
        (heading, [(one, pair(one.reported, one.naive, end, hollow=bool(one.doubts))) for one in rows])
        for heading, rows in chosen
    ]
