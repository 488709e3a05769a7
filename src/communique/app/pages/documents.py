"""The documents of the project: which files are read, and a form to add others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request, Response, UploadFile
from starlette.responses import RedirectResponse

from ...errors import DataError
from ...io.received import RECEIVED
from ...project.documents import MAX_FILES, Added, NamedColumns, columns_of_names, document_files, name_columns
from ..context import OpenProject, ProjectArg
from ..starting import lead_to
from ..templating import is_partial, respond

TITLE, PATH = "Documents", "/corpus/documents"
router = APIRouter(prefix=PATH)

#: Largest upload in bytes, for all files together.
MAX_UPLOAD = 50_000_000

#: Number of files that the page lists.
_LISTED = 100

#: Number of files whose columns from the file name are shown.
_EXAMPLES = 5

#: Maximum number of characters of a pattern for file names.
_PATTERN_LENGTH = 300


@router.get("")
def page(request: Request, opened: ProjectArg, job: str | None = None) -> Response:
    """Show the files that are read, the form, and the job that adds files."""
    if job is None and (running := opened.additions.running()) is not None:
        return RedirectResponse(f"{PATH}?{urlencode({'job': running.id})}", 303)
    shown = None if job is None else opened.jobs.get(job)
    added: Added | None = None
    problems: Sequence[str] = ()
    if shown is not None and shown.state != "running":
        try:
            added = opened.additions.result(shown)
        except DataError as error:
            problems = error.lines
    if added is not None:
        opened.refresh()
    values = _values(opened) | {"added": None if added is None else _shown(added), "problems": problems}
    return respond(request, "documents.html", job=shown, **values)


@router.get("/state")
def state(request: Request, opened: ProjectArg) -> Response:
    """Show the files that are read, as a part of the page."""
    return respond(request, "documents_state.html", **_values(opened))


@router.post("", max_body_size=MAX_UPLOAD)
def add(
    request: Request,
    opened: ProjectArg,
    files: list[UploadFile] | None = None,
    folder: list[UploadFile] | None = None,
) -> Response:
    """Start adding files, and show the progress."""
    # A field without a chosen file sends one without a name.
    given = [(one.filename, one.file) for one in [*(files or []), *(folder or [])] if one.filename]
    return lead_to(request, PATH, {"job": opened.additions.start(given).id})


@router.post("/columns")
def columns(
    request: Request, opened: ProjectArg, pattern: Annotated[str, Form(max_length=_PATTERN_LENGTH)] = ""
) -> Response:
    """Read columns from the names of the files, and show them."""
    name_columns(opened.project, pattern)
    opened.refresh()
    values = _values(opened) | {"saved": True}
    if not is_partial(request):
        return respond(request, "documents.html", **values, added=None, job=None, problems=())
    return respond(request, "documents_columns.html", **values)


def _shown(added: Added) -> dict[str, Any]:
    return {
        "files": sorted(added.files, key=lambda one: one.name),
        "notes": added.notes,
        "added": added.count("added"),
        "known": added.count("known"),
        "refused": added.count("refused"),
        "sentences": sum(one.sentences for one in added.files),
    }


def _values(opened: OpenProject) -> dict[str, Any]:
    named: NamedColumns | None = None
    try:
        files, problem = document_files(opened.project), ""
        named = columns_of_names(opened.project) if files else None
    except DataError as error:
        files, problem = {}, str(error)
    return {
        "pattern": opened.project.file.columns_from_filename or "",
        "pattern_length": _PATTERN_LENGTH,
        "named": named,
        "examples": [] if named is None else list(islice(named.values.items(), _EXAMPLES)),
        "others": () if named is None else named.others[:_EXAMPLES],
        "labelled": bool(opened.project.labelled()),
        "formats": ", ".join(RECEIVED),
        "files": [(name, path.stat().st_size) for name, path in islice(files.items(), _LISTED)],
        "number": len(files),
        "listed": _LISTED,
        "problem": problem,
        "sentences": opened.store.count(),
        "reading": opened.is_indexing(),
        "max_files": MAX_FILES,
        "max_upload": MAX_UPLOAD,
    }
