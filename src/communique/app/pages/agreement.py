"""Agreement and adjudication: how far coders agree, the sentences on which they differ, decisions, and gold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from starlette.responses import RedirectResponse

from ...annotation.tasks import ADJUDICATION, NONE
from ...data.acts import NEITHER, Named, named_parts
from ...data.codebook import Codebook
from ...errors import DataError, NotFoundError
from ...project.coding import SentenceKey
from ..adjudication import Comparison, Difference, compare, decide, measure
from ..answer_form import AnswerForm
from ..choices import KEYS, choices
from ..coding import ALL
from ..context import OpenProject, ProjectArg
from ..store import IndexedSentence, Store
from ..task_view import Task
from ..templating import is_partial, respond

TITLE, PATH = "Agreement", "/agreement"
router = APIRouter(prefix=PATH)

#: Number of differences that the page lists at a time.
_LISTED = 25

Name = Annotated[str, Query(max_length=1000)]


def _address(sample: str, key: SentenceKey | None = None) -> str:
    """Return the address at which a sentence, or the next one, is decided."""
    named = {} if key is None else {"id": key[0], "sha256": key[1]}
    return f"{PATH}/decide?{urlencode({'sample': sample, **named})}"


@router.get("")
def page(request: Request, opened: ProjectArg, sample: Name = "", start: Annotated[int, Query(ge=0)] = 0) -> Response:
    """Show how many sentences coders differ on, and list them. The scores are loaded after the page."""
    names = opened.desk.queues()
    sample = sample or names[0]
    compared, reason = None, ""
    try:
        compared = compare(opened.desk, sample)
    except DataError as error:
        reason = str(error)
    listed = compared.differences[start : start + _LISTED] if compared is not None else ()
    return respond(
        request,
        "agreement.html",
        names=names,
        sample=sample,
        all=ALL,
        compared=compared,
        reason=reason,
        listed=listed,
        start=start,
        step=_LISTED,
        choices=choices(compared.codebook) if compared is not None else [],
        no_label=NONE,
        said=_said,
        adjudicator=ADJUDICATION,
        address=_address,
    )


@router.get("/scores")
def scores(request: Request, opened: ProjectArg, sample: Name) -> Response:
    """Show alpha, kappa and F1 with their intervals, as a part of the page."""
    template = "agreement_scores.html" if is_partial(request) else "agreement_scores_page.html"
    return respond(request, template, report=measure(opened.desk, sample), sample=sample)


@router.get("/decide")
def show(
    request: Request, opened: ProjectArg, sample: Name, id: str | None = None, sha256: str | None = None
) -> Response:
    """Show a sentence on which coders differ, or the next one that nobody has decided."""
    compared = compare(opened.desk, sample)
    chosen = compared.following(None) if id is None or sha256 is None else compared.find((id, sha256))
    return _task(request, opened, compared, chosen)


class DecisionForm(AnswerForm):
    """A decision on a sentence of a sample."""

    sample: str


@router.post("/decide")
def act(request: Request, opened: ProjectArg, form: Annotated[DecisionForm, Form()]) -> Response:
    """Record a decision or skip a sentence. Then show the next one that nobody has decided."""
    sample, key, saved = form.sample, form.key, None
    compared = compare(opened.desk, sample)
    if form.action == "next":
        labels, none, acts = form.chosen(compared.codebook, compared.find(key).text)
        saved = decide(opened.desk, sample, key, labels, none=none, comment=form.comment, acts=acts).labels
        compared = compare(opened.desk, sample)
    elif form.action != "skip":
        raise NotFoundError(f"There is no action {form.action!r} on this page.")
    following = compared.following(key)
    address = _address(sample, None if following is None else following.key)
    if not is_partial(request):
        return RedirectResponse(address, 303)
    response = _task(request, opened, compared, following, saved=saved, done=key if saved is not None else None)
    response.headers["HX-Replace-Url"] = address
    return response


@router.post("/gold")
def gold(request: Request, opened: ProjectArg, sample: Annotated[str, Form()]) -> Response:
    """Write the gold of a sample into the folder of the samples."""
    if opened.desk.design(sample) is None:
        raise DataError("Gold belongs to a sample. Choose a sample first")
    path, notes = opened.project.write_gold(sample)
    name = path.relative_to(opened.project.folder).as_posix()
    return respond(
        request, "agreement_gold.html" if is_partial(request) else "agreement_gold_page.html", name=name, notes=notes
    )


def _task(
    request: Request,
    opened: OpenProject,
    compared: Comparison,
    difference: Difference | None,
    *,
    saved: Sequence[str] | None = None,
    done: SentenceKey | None = None,
) -> Response:
    values: dict[str, Any] = {
        "sample": compared.sample,
        "all": ALL,
        "codebook": compared.codebook,
        "choices": choices(compared.codebook),
        "no_label": NONE,
        "total": len(compared.differences),
        "decided": len(compared.differences) - len(compared.open),
        "difference": difference,
        "task": None if difference is None else _prepare(opened.store, compared.codebook, difference),
        "said": _said,
        "saved": saved,
        "done": None if done is None else _address(compared.sample, done),
        "keys": KEYS,
    }
    return respond(request, "agreement_task.html" if is_partial(request) else "agreement_decide.html", **values)


def _prepare(store: Store, codebook: Codebook, difference: Difference) -> Task:
    sentence = IndexedSentence(
        *difference.key,
        text=difference.text,
        document=difference.document,
        language=difference.language,
        previous=difference.previous,
    )
    # Only the index knows where in its document the sentence is.
    found = store.sentence(sentence.key)
    return Task.prepare(
        codebook,
        sentence,
        ((), ()) if found is None else store.neighbours(found),
        labels=difference.agreed if difference.decision is None else difference.decision,
        acts=difference.proposed_acts(codebook),
        comment=difference.comments.get(ADJUDICATION, ""),
    )


def _said(difference: Difference, coder: str) -> list[tuple[str, tuple[Named, ...]]]:
    """Return what a coder marked: each label with its kind, holder and target."""
    acts = difference.acts.get(coder, {})
    return [(label, named_parts(act, difference.text) or (Named(NEITHER, ""),)) for label, act in acts.items()]
