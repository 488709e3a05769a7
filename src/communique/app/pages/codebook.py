"""The codebook: its labels, a form for each of them, what a change means for existing codings, and earlier versions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.responses import RedirectResponse

from ...data.codebook import Codebook
from ...data.codebook_changes import codebook_changes
from ...errors import DataError, NotFoundError
from ...project import Project
from ...project.codebooks import changed_codebooks, codebook_versions, replace_codebook, require_unchanged
from ...project.status import has_example_codebook
from ..choices import choices
from ..codebook_forms import (
    Form,
    find_label,
    join_lines,
    moved,
    show_kinds,
    show_labels,
    with_general,
    with_label,
    without_label,
)
from ..context import OpenProject, ProjectArg
from ..templating import is_partial, respond

TITLE, PATH = "Codebook", "/codebook"
router = APIRouter(prefix=PATH)

#: Number of empty rows for examples in a form.
_EMPTY_EXAMPLES = 2

#: Maximum number of fields of a form.
_MAX_FIELDS = 20_000

Name = Annotated[str, Query(max_length=1000)]


async def read_form(request: Request) -> Form:
    """Return the fields of a form with all of their values, because examples are a list."""
    async with request.form(max_files=0, max_fields=_MAX_FIELDS) as form:
        return {name: [value for value in form.getlist(name) if isinstance(value, str)] for name in form}


FormArg = Annotated[Form, Depends(read_form)]


@router.get("")
def page(request: Request, opened: ProjectArg, saved: bool = False) -> Response:
    """Show the codebook."""
    codebook = opened.project.codebook
    others = [name for name, design in opened.project.designs().items() if design.codebook.sha256 != codebook.sha256]
    return respond(
        request,
        "codebook.html",
        codebook=codebook,
        choices=choices(codebook),
        saved=saved,
        starter=has_example_codebook(opened.project),
        older_samples=others,
        show_labels=show_labels,
        edit=_edit_address,
    )


@router.get("/versions")
def versions(request: Request, opened: ProjectArg) -> Response:
    """List the versions of the codebook with their changes."""
    codings = opened.project.coded().read.codings
    return respond(
        request,
        "codebook_versions.html",
        versions=codebook_versions(opened.project, codings),
        others=changed_codebooks(opened.project, codings),
    )


@router.get("/general")
def general(request: Request, opened: ProjectArg) -> Response:
    """Show the form of the name, version, task, unit and rules."""
    codebook = opened.project.codebook
    rules = join_lines(codebook.rules)
    return respond(request, "codebook_general.html", codebook=codebook, sha256=codebook.sha256, rules=rules)


@router.post("/general")
def save_general(request: Request, opened: ProjectArg, form: FormArg) -> Response:
    """Show what a change means, or save it."""
    return _change(request, opened, form, lambda codebook: with_general(codebook, form))


@router.get("/label")
def label(request: Request, opened: ProjectArg, name: Name | None = None) -> Response:
    """Show the form of a label, or an empty form."""
    codebook = opened.project.codebook
    found = None if name is None else find_label(codebook, name)
    examples = [] if found is None else [(one.text, one.language, show_labels(one)) for one in found.examples]
    return respond(
        request,
        "codebook_label.html",
        codebook=codebook,
        sha256=codebook.sha256,
        label=found,
        name=name,
        includes=join_lines(found.includes) if found else "",
        excludes=join_lines(found.excludes) if found else "",
        kinds=show_kinds(found) if found else "",
        examples=[*examples, *[("", "", "")] * _EMPTY_EXAMPLES],
    )


@router.post("/label")
def save_label(request: Request, opened: ProjectArg, form: FormArg, name: Name | None = None) -> Response:
    """Show what a change means, or save it."""

    def change(codebook: Codebook) -> Codebook:
        action = next(iter(form.get("change", ())), "edit")
        if action == "edit":
            return with_label(codebook, name, form)
        if name is None or action not in ("remove", "up", "down"):
            raise NotFoundError(f"There is no change {action!r} on this page.")
        return (
            without_label(codebook, name) if action == "remove" else moved(codebook, name, -1 if action == "up" else 1)
        )

    return _change(request, opened, form, change)


def _edit_address(name: str) -> str:
    return f"{PATH}/label?{urlencode({'name': name})}"


def _change(request: Request, opened: OpenProject, form: Form, change: Callable[[Codebook], Codebook]) -> Response:
    """Show what a change means for existing codings or, if the form says so, save it."""
    old, expected = opened.project.codebook, next(iter(form.get("sha256", ())), "")
    require_unchanged(old, expected)
    new = change(old)
    if new.sha256 == old.sha256:
        raise DataError("Nothing was changed. Edit the form first")
    if form.get("action") != ["save"]:
        template = "codebook_review.html" if is_partial(request) else "codebook_review_page.html"
        # Without htmx, the page of the review sends the same fields again.
        fields = [(name, value) for name, values in form.items() if name != "action" for value in values]
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return respond(request, template, fields=fields, target=target, **consequences(opened.project, old, new))
    replace_codebook(opened.project, new, expected=expected)
    address = f"{PATH}?saved=true"
    if is_partial(request):
        return Response(status_code=204, headers={"HX-Redirect": address})
    return RedirectResponse(address, 303)


def consequences(project: Project, old: Codebook, new: Codebook) -> dict[str, Any]:
    """Return the changes in words, and what they mean for the codings, samples and models of a project."""
    codings = project.coded().latest
    groups = {one.sha256: one for one in changed_codebooks(project, codings, to=new)}
    mine = groups.get(old.sha256)
    before = sum(one.outdated for one in changed_codebooks(project, codings))
    return {
        "changes": mine.changes if mine else [change.text for change in codebook_changes(old, new)],
        "codings": mine.codings if mine else 0,
        "outdated": sum(one.outdated for one in groups.values()),
        "already": before,
        "same_version": old.title == new.title,
        "comments": any(
            line.lstrip().startswith("#") for line in project.codebook_path.read_text(encoding="utf-8").splitlines()
        ),
        "samples": [name for name, design in project.designs().items() if design.codebook.sha256 != new.sha256],
        "models": sum(info.codebook_sha256 == old.sha256 for info in project.models().infos.values()),
    }
