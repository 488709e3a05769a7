"""Label texts: paste them, drop files or take the documents of the project; read the labels, correct them and export them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response, UploadFile
from starlette.background import BackgroundTask
from starlette.datastructures import QueryParams
from starlette.responses import FileResponse, RedirectResponse

from ...annotation.tasks import NONE as NO_LABEL
from ...errors import DataError, NotFoundError
from ...labelling.rewrite import rewrite
from ...labelling.write import OutputForm
from ..choices import choices
from ..coding import ALL, Given, split_choices
from ..context import OpenProject, ProjectArg
from ..models import ModelChoice
from ..reading import CHANGED, NONE, PER_PAGE, UNLABELLED, Filter, Reading
from ..sources import Kind, Source, address_of, find_source, open_table
from ..tables import LabelledTable
from ..templating import is_partial, respond
from ..texts import MAX_FILES, MAX_PASTED

TITLE, PATH = "Label", "/label"
router = APIRouter(prefix=PATH)

#: Largest upload in bytes, for all files together.
MAX_UPLOAD = 200_000_000

#: Formats of exports.
EXPORTS = ("html", "xlsx", "jsonl")

Line = Annotated[str, Form(max_length=200)]
Short = Annotated[str, Query(max_length=1000)]
Number = Annotated[int, Query(ge=1, le=10**9)]


@router.get("")
def page(request: Request, opened: ProjectArg) -> Response:
    """Show how to label texts, and what was labelled."""
    models, current = opened.models.choices(), opened.project.codebook
    job = opened.jobs.newest("label")
    return respond(
        request,
        "label.html",
        models=models,
        problems=opened.models.problems(),
        default=opened.models.default(),
        codebook=current,
        fitting=[one for one in models if one.info.labels == current.names],
        has_documents=bool(opened.project.documents()),
        texts=opened.texts.all(),
        tables=[(name, address_of("tables", name)) for name in reversed(opened.tables.paths())],
        job=job,
        busy=job is not None and job.state == "running",
        max_pasted=MAX_PASTED,
        max_upload=MAX_UPLOAD,
        max_files=MAX_FILES,
        prefix=PATH,
    )


@router.post("/text")
def paste(
    request: Request,
    opened: ProjectArg,
    text: Annotated[str, Form()] = "",
    model: Line = "",
    language: Line = "",
) -> Response:
    """Label a pasted text, and show it."""
    made = opened.texts.paste(text, _chosen(opened, model), language)
    return _go(request, address_of("texts", made.id))


@router.post("/files", max_body_size=MAX_UPLOAD)
def upload(
    request: Request,
    opened: ProjectArg,
    files: list[UploadFile] | None = None,
    model: Line = "",
    language: Line = "",
    text_column: Line = "",
) -> Response:
    """Keep files, start labelling them, and show the progress."""
    # A form without a chosen file sends one without a name.
    given = [(one.filename, one.file) for one in files or [] if one.filename]
    made = opened.texts.upload(given, _chosen(opened, model), text_column=text_column, language=language)
    return _go(request, address_of("texts", made.id))


@router.post("/documents")
def documents(request: Request, opened: ProjectArg, model: Line = "") -> Response:
    """Start labelling the documents of the project."""
    choice, codebook = _chosen(opened, model), opened.project.codebook
    if not opened.project.documents():
        raise DataError(
            f"{opened.project.folder}: the project has no documents. Copy texts or tables into documents/, or list them in "
            "project.yaml"
        )
    if choice.info.labels != codebook.names:
        raise DataError(
            f"The model {choice.info.name} has other labels than the codebook of this project, so its labels cannot be used here. "
            "Train a model, or choose another one"
        )
    arguments = ["--model", str(choice.folder.resolve())]
    opened.jobs.start("label", arguments, resume_with=["--resume"])
    return _go(request, PATH)


@router.post("/texts/{id}/delete")
def delete(request: Request, opened: ProjectArg, id: str) -> Response:
    """Delete texts and their labels."""
    opened.texts.delete(id)
    return _go(request, PATH)


@router.get("/{kind}/{name}")
def read(request: Request, opened: ProjectArg, kind: Kind, name: str, page: Number = 1, coder: Short = "") -> Response:
    """Show labelled sentences. While they are being labelled, show the progress."""
    source = find_source(opened, kind, name)
    if not source.path.exists():
        part = "label_waiting.html" if is_partial(request) else "label_read.html"
        return respond(request, part, source=source, job=source.job, waiting=True)
    values = _values(request, opened, source, page, coder)
    if is_partial(request) and request.headers.get("hx-target", "").endswith("result"):
        return respond(request, "label_result.html", **values)
    if is_partial(request):
        # The progress has ended, and the whole page is needed.
        return Response(headers={"HX-Redirect": source.address})
    return respond(request, "label_read.html", waiting=False, **values)


@router.get("/{kind}/{name}/export/{form}")
def export(opened: ProjectArg, kind: Kind, name: str, form: Literal["html", "xlsx", "jsonl"]) -> Response:
    """Export the labels of the model."""
    source = find_source(opened, kind, name)
    if source.info is None or not source.path.exists() or source.path.suffix.lower() != ".parquet":
        raise DataError(
            f"{source.title}: the export needs a Parquet table that a model of this project labelled. Label the texts again"
        )
    stem = "labelled" if source.texts is not None else Path(source.title).stem
    folder = Path(tempfile.mkdtemp(prefix="communique-"))
    try:
        path, scratch = folder / f"labels.{form}", folder / "scratch"
        scratch.mkdir()
        output = OutputForm(f"{stem}.{form}", path.suffix, None, source.info, source.codebook)
        with path.open("wb") as handle:
            rewrite(source.path, handle, output, scratch)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    cleaning = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
    return FileResponse(path, filename=f"{stem}.{form}", background=cleaning, content_disposition_type="attachment")


@router.get("/{kind}/{name}/{row}")
def detail(request: Request, opened: ProjectArg, kind: Kind, name: str, row: int, coder: Short = "") -> Response:
    """Show one sentence with all probabilities, and a form to correct its labels."""
    return _detail(
        request, opened, find_source(opened, kind, name), row, coder, is_open=request.query_params.get("close") is None
    )


@router.get("/{kind}/{name}/{row}/examples")
def examples(request: Request, opened: ProjectArg, kind: Kind, name: str, row: int) -> Response:
    """Show the coded sentences that the model finds most similar, as a part of the page."""
    source = find_source(opened, kind, name)
    table = open_table(opened, source)
    _check_row(table, row)
    return respond(
        request,
        "label_examples.html" if is_partial(request) else "label_examples_page.html",
        examples=opened.examples.find(source.choice, Reading(table, Filter()).text(row)),
        row=row,
        address=request.url.path,
        back=f"{source.address}#s{row}",
        own=choices(opened.project.codebook),
        no_label=NO_LABEL,
    )


@router.post("/{kind}/{name}/{row}")
def correct(
    request: Request,
    opened: ProjectArg,
    kind: Kind,
    name: str,
    row: int,
    coder: Annotated[str, Form()] = "",
    labels: Annotated[list[str] | None, Form()] = None,
    comment: Annotated[str, Form()] = "",
) -> Response:
    """Record a correction as a coding. The coder has seen the labels of the model, and the coding says so."""
    source = find_source(opened, kind, name)
    table = open_table(opened, source)
    _check_row(table, row)
    given, none = split_choices(opened.project.codebook, labels or [])
    sentence = Reading(table, Filter()).sentence(row)
    opened.desk.correct(Given(coder, ALL, sentence.key, given, none, comment), sentence)
    if not is_partial(request):
        return RedirectResponse(f"{source.address}?{urlencode({'coder': coder})}#s{row}", 303)
    return _detail(request, opened, source, row, coder, is_open=False)


def _detail(request: Request, opened: OpenProject, source: Source, row: int, coder: str, *, is_open: bool) -> Response:
    table = open_table(opened, source)
    _check_row(table, row)
    reading = Reading(table, Filter(_thresholds(request.query_params, source, table)))
    [shown] = reading.show([row], opened.store, _acts(opened, source, [reading.text(row)]))
    values = _about(opened, source, table) | {"row": shown, "coder": coder, "is_open": is_open, "query": _kept(request)}
    return respond(request, "label_sentence.html" if is_partial(request) else "label_one.html", **values)


def _values(request: Request, opened: OpenProject, source: Source, page: int, coder: str) -> dict[str, Any]:
    """Return the values of the page of a source."""
    table, given = open_table(opened, source), request.query_params
    wanted = Filter(
        _thresholds(given, source, table),
        _label(given, table),
        given.get("q", "").strip()[:1000],
        _document(given, table),
    )
    reading = Reading(table, wanted)
    rows = reading.page(page)
    shown = reading.show(rows, opened.store, _acts(opened, source, [reading.text(row) for row in rows]))
    thresholds = None if source.info is None else source.info.thresholds
    page = min(page, reading.pages)
    return _about(opened, source, table) | {
        "reading": reading,
        "rows": shown,
        "page": page,
        "first": (page - 1) * PER_PAGE + 1,
        "coder": coder,
        "wanted": wanted,
        "document": None if wanted.document is None else table.document_names[wanted.document],
        "changed": int(reading.changed.sum()) if wanted.thresholds is not None else 0,
        "thresholds": thresholds if table.probabilities is not None else None,
        "at": wanted.thresholds or thresholds,
        "filters": {"none": NONE, "unlabelled": UNLABELLED, "changed": CHANGED},
        "unlabelled": int((~table.labelled).sum()),
        "query": _kept(request),
        "pages": [(n, _with(request, page=str(n))) for n in near(page, reading.pages)],
        "exports": EXPORTS if source.info is not None and source.path.suffix.lower() == ".parquet" else (),
    }


def _about(opened: OpenProject, source: Source, table: LabelledTable) -> dict[str, Any]:
    """Return what the page and a single sentence have in common."""
    own, current = {one.label.name: one for one in choices(source.codebook)}, opened.project.codebook
    return {
        "source": source,
        "table": table,
        "styles": [own[name] for name in table.names if name in own],
        "own": choices(current),
        "multilabel": current.multilabel,
        "same_codebook": source.codebook.sha256 == current.sha256,
        "current": current,
        "no_label": NO_LABEL,
    }


def _acts(opened: OpenProject, source: Source, texts: Sequence[str]) -> Any:
    return None if source.choice is None else opened.models.acts(source.choice, texts)


def _check_row(table: LabelledTable, row: int) -> None:
    if not 0 <= row < len(table):
        raise NotFoundError("There is no such sentence.")


def _thresholds(given: QueryParams, source: Source, table: LabelledTable) -> tuple[float, ...] | None:
    """Return the thresholds of the sliders, or None if they are those of the model.

    Raises:
        DataError: They are not numbers between 0 and 1, one per label.
    """
    values = given.getlist("t")
    own = None if source.info is None else source.info.thresholds
    if not values or own is None or table.probabilities is None:
        return None
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        numbers = []
    if len(numbers) != len(own) or not all(0 <= number <= 1 for number in numbers):
        raise DataError(f"t: {len(own)} numbers between 0 and 1 are needed, one per label. Open the page again")
    # A slider has two decimals. One that was not moved means the exact threshold of the model.
    moved = tuple(exact if abs(n - round(exact, 2)) < 1e-9 else n for n, exact in zip(numbers, own, strict=True))
    return None if moved == tuple(own) else moved


def _label(given: QueryParams, table: LabelledTable) -> str:
    name = given.get("label", "")
    if name and name not in (NONE, UNLABELLED, CHANGED, *table.names):
        raise NotFoundError(f"There is no label {name!r} in this table. Labels: {', '.join(table.names)}")
    return name


def _document(given: QueryParams, table: LabelledTable) -> int | None:
    value = given.get("document", "")
    if not value:
        return None
    if not value.isascii() or not value.isdigit() or not int(value[:12]) < len(table.document_names):
        raise NotFoundError("There is no such document in this table.")
    return int(value[:12])


def _chosen(opened: OpenProject, name: str) -> ModelChoice:
    if name:
        return opened.models.get(name)
    if (found := opened.models.default()) is None:
        raise DataError("There is no model yet. Train one on the page Train")
    return found


def _kept(request: Request) -> str:
    """Return the query of a request without what belongs to one sentence."""
    kept = [
        (name, value)
        for name, value in request.query_params.multi_items()
        if name not in ("close", "labels", "comment")
    ]
    return urlencode(kept)


def _with(request: Request, **values: str) -> str:
    """Return the query of a request with other values."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in values]
    return urlencode([*kept, *values.items()])


def near(page: int, pages: int) -> list[int]:
    """Return the numbers of the pages that are linked: the first, the last, and those around the present one."""
    near = {1, pages, *range(max(1, page - 2), min(pages, page + 2) + 1)}
    return sorted(near)


def _go(request: Request, address: str) -> Response:
    """Send the browser to a page, after a form that htmx or the browser sent."""
    if is_partial(request):
        return Response(headers={"HX-Redirect": address})
    return RedirectResponse(address, 303)
