"""Code the sentences of a project."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from ..coding import ALL, MAX_COMMENT, MAX_NAME, Given, ModelView
from ..context import ProjectArg
from ..problems import refusals

router = APIRouter(tags=["coding"])

Coder = Annotated[str, Query(max_length=MAX_NAME, description="name of the coder")]
Queue = Annotated[str, Query(max_length=200, description="name of a sample, or 'all'")]


class SentenceAnswer(BaseModel):
    """A sentence. `id` and `sha256` together identify it."""

    id: str
    sha256: str
    text: str
    document: str
    position: int | None = Field(description="place in the document, or null if it is not known")
    language: str
    groups: dict[str, str]


class NextAnswer(BaseModel):
    """The sentence that a coder codes next, or null if the coder has coded everything, with the progress."""

    sentence: SentenceAnswer | None
    total: int
    coded: int


class ActBody(BaseModel):
    """Kind, holder and target of a label. An act with only a kind says nothing about holder and target."""

    model_config = ConfigDict(extra="forbid")

    holder_span: tuple[int, int] | None = Field(
        None, description="start and end of the words that name the holder, in characters of the text; null: not named"
    )
    target_span: tuple[int, int] | None = Field(None, description="the same for the target")
    kind: str | None = None


class NewCoding(BaseModel):
    """An answer. Labels are the names in the codebook of the queue; `none` says that no label applies."""

    model_config = ConfigDict(extra="forbid")

    coder: str = Field(max_length=MAX_NAME)
    queue: str = Field(ALL, max_length=200)
    id: str = Field(max_length=10_000)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    labels: list[str] = Field([], max_length=1000)
    none: bool = False
    comment: str = Field("", max_length=MAX_COMMENT)
    unsure: bool = False
    model: ModelView = Field("hidden", description="when the coder sees the labels of the model")
    acts: dict[str, ActBody] | None = Field(
        None, description="kind, holder and target by label; null if the coder was not asked for them"
    )


class CodingAnswer(BaseModel):
    """A recorded coding."""

    id: str
    sha256: str
    labels: list[str]
    comment: str
    time: datetime
    model_shown: bool | None
    acts: dict[str, ActBody] | None


@router.get("/queues")
def queues(opened: ProjectArg) -> list[str]:
    """List the queues: the samples, from the newest to the oldest, and 'all'."""
    return opened.desk.queues()


@router.get("/next", responses=refusals(404, 422))
def next_sentence(opened: ProjectArg, coder: Coder, queue: Queue = ALL) -> NextAnswer:
    """Return the sentence that a coder codes next."""
    desk = opened.desk
    desk.refresh()
    name = desk.coder(coder)
    progress = desk.progress(name, queue)
    found = desk.next(name, queue)
    sentence = None
    if found is not None:
        sentence = SentenceAnswer(
            id=found.id,
            sha256=found.sha256,
            text=found.text,
            document=found.document,
            position=found.position,
            language=found.language,
            groups=dict(found.groups),
        )
    return NextAnswer(sentence=sentence, total=progress.total, coded=progress.own)


@router.post("/codings", status_code=201, response_model_exclude_unset=True, responses=refusals(404, 413, 422))
def code(opened: ProjectArg, body: NewCoding) -> CodingAnswer:
    """Record an answer. It is on disk when the response arrives."""
    # What the request does not contain is not known, whereas null means that the sentence names nobody.
    values = body.model_dump(exclude={"id", "sha256", "acts"})
    values["acts"] = body.model_dump(include={"acts"}, exclude_unset=True).get("acts")
    found = opened.desk.answer(Given(key=(body.id, body.sha256), **values))
    return CodingAnswer(
        id=found.id,
        sha256=found.sha256,
        labels=list(found.labels),
        comment=found.comment,
        time=found.time,
        model_shown=found.model_shown,
        acts=None if found.acts is None else {name: ActBody(**act) for name, act in found.acts.items()},
    )
