"""List the documents of a project, and add files to them."""

from __future__ import annotations

import base64
import binascii
import io
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from ...errors import DataError
from ...project.documents import MAX_FILES, State, document_files
from ..context import ProjectArg
from ..problems import refusals

#: Largest body of a request in bytes. Base64 makes files larger by a third.
MAX_REQUEST = 70_000_000

router = APIRouter(prefix="/documents", tags=["documents"])


class DocumentFile(BaseModel):
    """A file with texts of the project, and its size."""

    name: str
    bytes: int


class NewFile(BaseModel):
    """A file to add. The folders of its name become folders of the documents."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        min_length=1, max_length=1000, description="name with a suffix that shows the format, such as a.txt"
    )
    content: str
    encoding: Literal["utf-8", "base64"] = Field("utf-8", description="how `content` contains the bytes of the file")


class NewDocuments(BaseModel):
    """Files to add to the documents."""

    model_config = ConfigDict(extra="forbid")

    files: list[NewFile] = Field(min_length=1, max_length=MAX_FILES)


class FileAnswer(BaseModel):
    """What happened to a file. `known` means that the project already contains the same bytes."""

    name: str
    state: State
    documents: int
    sentences: int
    notes: list[str] = Field(
        description="what was noticed, such as the reasons of unreadable rows, or why it was refused"
    )


class AddedAnswer(BaseModel):
    """What happened to the files, in the order of the request, and what to do next."""

    files: list[FileAnswer]
    notes: list[str]


@router.get("")
def documents(opened: ProjectArg) -> list[DocumentFile]:
    """List the files that are read as documents."""
    return [DocumentFile(name=name, bytes=path.stat().st_size) for name, path in document_files(opened.project).items()]


@router.post("", status_code=201, max_body_size=MAX_REQUEST, responses=refusals(413, 422))
def add(opened: ProjectArg, body: NewDocuments) -> AddedAnswer:
    """Add files to the documents. Files that cannot be read are refused, and the others are added.

    The files are read as a job, whose progress `/jobs` reports meanwhile.
    """
    job = opened.additions.wait(opened.additions.start([(one.name, io.BytesIO(_bytes(one))) for one in body.files]))
    added = opened.additions.result(job)
    if added is None:
        raise DataError(f"The job {job.id} was stopped before it had added the files. To add them, resume the job")
    opened.refresh()
    return AddedAnswer(
        files=[
            FileAnswer(
                name=file.name,
                state=file.state,
                documents=file.documents,
                sentences=file.sentences,
                notes=list(file.notes),
            )
            for file in added.files
        ],
        notes=list(added.notes),
    )


def _bytes(file: NewFile) -> bytes:
    if file.encoding == "utf-8":
        return file.content.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(file.content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError(
            f"{file.name}: the content is not base64 ({error}). Encode the bytes of the file again"
        ) from None
