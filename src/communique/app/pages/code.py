"""Code sentences: one sentence with its neighbours, and one key per label."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from starlette.responses import RedirectResponse

from ...annotation.tasks import NONE
from ...data.codebook import Codebook
from ...data.codebook import Label as CodebookLabel
from ...labelling.page import label_signs
from ...project.coding import SentenceKey
from ...reporting.palette import PALETTE
from ..coding import ALL, Given, ModelView, check_coder, is_unsure, split_choices
from ..context import OpenProject, ProjectArg
from ..problems import NotFoundError
from ..store import Answer, IndexedSentence
from ..templating import is_partial, respond

TITLE, PATH = "Code", "/code"
router = APIRouter(prefix=PATH)

#: Keys of the page that are not keys of labels.
NONE_KEY, NEXT_KEY, SKIP_KEY, UNDO_KEY, COMMENT_KEY, UNSURE_KEY = "0", "Enter", "s", "u", "c", "x"

#: Keys of the labels, in the order of the codebook.
LABEL_KEYS = "123456789" + "".join(key for key in string.ascii_lowercase if key not in "sucx")

#: Number of underline styles in the style sheet.
_LINES = 5


class Choice(NamedTuple):
    """A label as the page shows it: with its key, its sign, its colour and the style of its underline."""

    label: CodebookLabel
    key: str
    sign: str
    colour: int
    line: int


class Place(NamedTuple):
    """Where a coder is. It is part of the address of the page, so that a reload and a second tab show the same."""

    coder: str
    queue: str
    model: ModelView

    def address(self, key: SentenceKey | None = None, **more: str) -> str:
        """Return the address of the page for this coder, and for a sentence."""
        values = self._asdict() | ({} if key is None else {"id": key[0], "sha256": key[1]}) | more
        return f"{PATH}?{urlencode(values)}"


def choices(codebook: Codebook) -> list[Choice]:
    """Return the labels of a codebook as the page shows them."""
    signs = label_signs(codebook.names)
    return [
        Choice(label, LABEL_KEYS[i] if i < len(LABEL_KEYS) else "", sign, i % len(PALETTE), i % _LINES)
        for i, (label, sign) in enumerate(zip(codebook.labels, signs, strict=True))
    ]


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
            request, "code_start.html", queues=queues, queue=queue, model=model, designs=opened.desk.designs()
        )
    place = Place(check_coder(coder), queue, opened.desk.model_view(queue, model))
    opened.desk.refresh()
    key = None if id is None or sha256 is None else (id, sha256)
    return _show(request, opened, place, key)


@router.post("")
def act(
    request: Request,
    opened: ProjectArg,
    coder: Annotated[str, Form()],
    queue: Annotated[str, Form()],
    action: Annotated[str, Form()] = "next",
    model: Annotated[ModelView, Form()] = "hidden",
    id: Annotated[str, Form()] = "",
    sha256: Annotated[str, Form()] = "",
    labels: Annotated[list[str] | None, Form()] = None,
    comment: Annotated[str, Form()] = "",
    unsure: Annotated[bool, Form()] = False,
) -> Response:
    """Record an answer, skip a sentence, or go back to the last answer. Then show the next sentence."""
    place, desk = Place(check_coder(coder), queue, opened.desk.model_view(queue, model)), opened.desk
    key: SentenceKey = (id, sha256)
    target: SentenceKey | None = None
    done: SentenceKey | None = None
    if action == "undo":
        desk.refresh()
        present = desk.store.answer(place.coder, key) if id else None
        last = desk.store.last_answer(place.coder, before=present.time if present else None)
        target = key if last is None and id else None if last is None else last.key
    elif action == "skip":
        desk.skip(place.coder, queue, key)
    elif action == "next":
        given, none = split_choices(desk.codebook(queue), labels or [])
        desk.answer(Given(place.coder, queue, key, given, none, comment, unsure, place.model))
        done = key
    else:
        raise NotFoundError(f"There is no action {action!r} on this page.")
    if not is_partial(request):
        return RedirectResponse(place.address(target), 303)
    response = _show(request, opened, place, target, done=done)
    response.headers["HX-Replace-Url"] = place.address(target)
    return response


def _show(
    request: Request, opened: OpenProject, place: Place, key: SentenceKey | None, *, done: SentenceKey | None = None
) -> Response:
    """Show a sentence, or the next one of the queue.

    Args:
        request: The request.
        opened: The project.
        place: Where the coder is.
        key: The sentence. Default: the next one.
        done: The sentence that was just coded.
    """
    desk, codebook = opened.desk, opened.desk.codebook(place.queue)
    sentence = desk.next(place.coder, place.queue) if key is None else desk.find(key)
    values: dict[str, Any] = {
        "place": place,
        "queues": desk.queues(),
        "codebook": codebook,
        "outdated": codebook.sha256 != opened.project.codebook.sha256,
        "choices": choices(codebook),
        "progress": desk.progress(place.coder, place.queue),
        "sentence": sentence,
        "done": _summary(opened, place, done),
        "all": ALL,
        "no_label": NONE,
        "keys": {
            "none": NONE_KEY,
            "next": NEXT_KEY,
            "skip": SKIP_KEY,
            "undo": UNDO_KEY,
            "comment": COMMENT_KEY,
            "unsure": UNSURE_KEY,
        },
    }
    if sentence is not None:
        values |= _about(opened, place, sentence)
    return respond(request, "code_task.html" if is_partial(request) else "code.html", **values)


def _about(opened: OpenProject, place: Place, sentence: IndexedSentence) -> dict[str, Any]:
    """Return the neighbours of a sentence, its answer so far, and the labels of the model if they may be shown."""
    before, after = opened.desk.store.neighbours(sentence)
    answer = opened.desk.store.answer(place.coder, sentence.key)
    return {
        "before": before,
        "previous": sentence.previous if not before else "",
        "after": after,
        "answer": answer,
        "chosen": _chosen(answer),
        "unsure": answer is not None and is_unsure(answer.comment),
        "suggestion": opened.desk.suggestion(place.queue, sentence.key) if place.model == "suggested" else None,
    }


def _chosen(answer: Answer | None) -> Sequence[str]:
    if answer is None:
        return ()
    return answer.labels or (NONE,)


def _summary(opened: OpenProject, place: Place, key: SentenceKey | None) -> dict[str, Any] | None:
    """Return the answer that was just recorded and, if the coder sees them afterwards, the labels of the model."""
    if key is None or (answer := opened.desk.store.answer(place.coder, key)) is None:
        return None
    shown = opened.desk.suggestion(place.queue, key) if place.model != "hidden" else None
    return {
        "answer": answer,
        "sentence": opened.desk.store.sentence(key),
        "suggestion": shown,
        "address": place.address(key),
    }
