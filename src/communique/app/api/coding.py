"""Code the sentences of a project."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from ..coding import ALL, MAX_COMMENT, MAX_NAME, Given, ModelView, check_coder
from ..context import ProjectArg

router = APIRouter(tags=["coding"])

Coder = Annotated[str, Query(max_length=MAX_NAME, description="name of the coder")]
Queue = Annotated[str, Query(max_length=200, description="name of a sample, or 'all'")]


class SentenceAnswer(BaseModel):
    """A sentence. `id` and `sha256` together identify it."""

    id: str
    sha256: str
    text: str
    document: str
    position: int
    language: str
    groups: dict[str, str]


class NextAnswer(BaseModel):
    """The sentence that a coder codes next, or null if the coder has coded everything, with the progress."""

    sentence: SentenceAnswer | None
    total: int
    coded: int


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


class CodingAnswer(BaseModel):
    """A recorded coding."""

    id: str
    sha256: str
    labels: list[str]
    comment: str
    time: datetime
    model_shown: bool | None


@router.get("/queues")
def queues(opened: ProjectArg) -> list[str]:
    """List the queues: the samples, from the newest to the oldest, and 'all'."""
    return opened.desk.queues()


@router.get("/next")
def next_sentence(opened: ProjectArg, coder: Coder, queue: Queue = ALL) -> NextAnswer:
    """Return the sentence that a coder codes next."""
    name, desk = check_coder(coder), opened.desk
    desk.refresh()
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


@router.post("/codings", status_code=201)
def code(opened: ProjectArg, body: NewCoding) -> CodingAnswer:
    """Record an answer. It is on disk when the response arrives."""
    values = body.model_dump(exclude={"id", "sha256"})
    found = opened.desk.answer(Given(key=(body.id, body.sha256), **values))
    return CodingAnswer(
        id=found.id,
        sha256=found.sha256,
        labels=list(found.labels),
        comment=found.comment,
        time=found.time,
        model_shown=found.model_shown,
    )
