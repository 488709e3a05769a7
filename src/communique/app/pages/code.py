"""Code sentences: one sentence with its neighbours, and one key per label."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from starlette.responses import RedirectResponse

from ...annotation.tasks import NONE
from ...data.codebook import Codebook
from ...errors import NotFoundError
from ...project.coding import SentenceKey
from ..answer_form import AnswerForm
from ..choices import KEYS, choices
from ..coding import ALL, Desk, Given, ModelView, check_coder, is_unsure
from ..context import OpenProject, ProjectArg
from ..store import Answer, IndexedSentence, Store
from ..task_view import Task
from ..templating import is_partial, respond

TITLE, PATH = "Code", "/code"
router = APIRouter(prefix=PATH)


class Place(NamedTuple):
    """Where a coder is. It is part of the address of the page, so that a reload and a second tab show the same."""

    coder: str
    queue: str
    model: ModelView

    def address(self, key: SentenceKey | None = None, **more: str) -> str:
        """Return the address of the page for this coder, and for a sentence."""
        values = self._asdict() | ({} if key is None else {"id": key[0], "sha256": key[1]}) | more
        return f"{PATH}?{urlencode(values)}"


Text = Annotated[str, Query(max_length=10_000)]


@router.get("")
def page(
    request: Request,
    opened: ProjectArg,
    coder: Text = "",
    queue: Text = "",
    model: ModelView = "hidden",
    id: str | None = None,
    sha256: str | None = None,
) -> Response:
    """Show the sentence that the address names, or the next one. Without a coder, ask for the name."""
    queues = opened.desk.queues()
    queue = queue or queues[0]
    if not coder.strip():
        return respond(
            request, "code_start.html", queues=queues, queue=queue, model=model, designs=opened.project.designs()
        )
    place = Place(opened.desk.coder(coder), queue, opened.desk.model_view(queue, model))
    opened.desk.refresh()
    key = None if id is None or sha256 is None else (id, sha256)
    return _show(request, opened, place, key)


class CodeForm(AnswerForm):
    """An answer of a coder in a queue."""

    coder: str
    queue: str
    model: ModelView = "hidden"


@router.post("")
def act(request: Request, opened: ProjectArg, form: Annotated[CodeForm, Form()]) -> Response:
    """Record an answer, skip a sentence, or go back to the last answer. Then show the next sentence."""
    desk, key, queue = opened.desk, form.key, form.queue
    place = Place(check_coder(form.coder), queue, desk.model_view(queue, form.model))
    target: SentenceKey | None = None
    done: Answer | None = None
    if form.action == "undo":
        desk.refresh()
        present = desk.store.answer(place.coder, key) if form.id else None
        last = desk.last_answer(place.coder, queue, before=present.time if present else None)
        target = key if last is None and form.id else None if last is None else last.key
    elif form.action == "skip":
        desk.skip(place.coder, queue, key)
    elif form.action == "next":
        labels, none, acts = form.chosen(desk.codebook(queue), desk.find(key, queue).text)
        done = desk.answer(Given(place.coder, queue, key, labels, none, form.comment, form.unsure, place.model, acts))
    else:
        raise NotFoundError(f"There is no action {form.action!r} on this page.")
    if not is_partial(request):
        return RedirectResponse(place.address(target), 303)
    response = _show(request, opened, place, target, done=done)
    response.headers["HX-Replace-Url"] = place.address(target)
    return response


def _show(
    request: Request, opened: OpenProject, place: Place, key: SentenceKey | None, *, done: Answer | None = None
) -> Response:
    """Show a sentence, or the next one of the queue.

    Args:
        request: The request.
        opened: The project.
        place: Where the coder is.
        key: The sentence. Default: the next one.
        done: The answer that was just recorded.
    """
    desk, codebook = opened.desk, opened.desk.codebook(place.queue)
    # The next sentence is one that the coder has not answered.
    sentence, answer = (
        (desk.next(place.coder, place.queue), None)
        if key is None
        else (desk.find(key, place.queue), desk.store.answer(place.coder, key))
    )
    values: dict[str, Any] = {
        "place": place,
        "queues": desk.queues(),
        "codebook": codebook,
        "outdated": codebook.sha256 != opened.project.codebook.sha256,
        "choices": choices(codebook),
        "progress": desk.progress(place.coder, place.queue),
        "task": None if sentence is None else _task(desk.store, codebook, sentence, answer),
        "suggestion": None,
        "done": _summary(desk, place, done),
        "all": ALL,
        "no_label": NONE,
        "keys": KEYS,
    }
    if sentence is not None and place.model == "suggested":
        values["suggestion"] = desk.suggest(place.coder, place.queue, sentence.key)
    return respond(request, "code_task.html" if is_partial(request) else "code.html", **values)


def _task(store: Store, codebook: Codebook, sentence: IndexedSentence, answer: Answer | None) -> Task:
    """Prepare a sentence with the answer of the coder so far."""
    return Task.prepare(
        codebook,
        sentence,
        store.neighbours(sentence),
        labels=None if answer is None else answer.labels,
        acts={} if answer is None else answer.acts_in(sentence.text),
        comment="" if answer is None else answer.comment,
        unsure=answer is not None and is_unsure(answer.comment),
    )


def _summary(desk: Desk, place: Place, answer: Answer | None) -> dict[str, Any] | None:
    """Return the answer that was just recorded and, if the coder sees them afterwards, the labels of the model."""
    if answer is None:
        return None
    shown = desk.suggestion(place.queue, answer.key) if place.model != "hidden" else None
    return {"answer": answer, "suggestion": shown, "address": place.address(answer.key)}
