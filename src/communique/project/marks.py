"""Store what coders did with a sentence other than coding it, in files to which lines are only appended."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from ..io.atomic import disk_errors
from .coding import CodingLog, SentenceKey, Text, append_by_coder

#: Folder of the marks, in the folder of the codings.
MARKS = "marks"

#: What is recorded: that the labels of a model for the sentence were shown to the coder, or that the coder skipped it.
MarkKind = Literal["seen", "skipped"]


class Mark(BaseModel):
    """A mark of one coder on one sentence. Marks are never removed."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: MarkKind
    coder: Text = Field(min_length=1)
    id: Text = Field(min_length=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    time: AwareDatetime

    @property
    def sentence(self) -> SentenceKey:
        """The id and the hash of the text, which together identify the sentence."""
        return self.id, self.sha256

    def line(self) -> str:
        """Return the mark as a line of JSON, without its end."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False)


class MarkLog:
    """The marks of a project. Lines are appended to their files, and none is ever changed or deleted.

    Args:
        codings: The codings of the project. The marks are in a folder among them, which the first mark creates.
    """

    def __init__(self, codings: CodingLog) -> None:
        self.folder = codings.folder / MARKS

    def append(self, marks: Iterable[Mark]) -> None:
        """Append marks to the files of their coders, and flush them to disk. Several processes may do so at the same time.

        Raises:
            DataError: A file cannot be written.
        """
        append_by_coder(self.folder, marks)

    def read(self) -> list[Mark]:
        """Read all marks. Lines that cannot be read are left out.

        Raises:
            DataError: A file cannot be read.
        """
        found = []
        for path in self.paths():
            with disk_errors(path, "Restore the file, or check its permissions"):
                lines = path.read_bytes().split(b"\n")
            found += [mark for line in lines if (mark := read_mark(line)) is not None]
        return found

    def paths(self) -> list[Path]:
        """Return the files."""
        return sorted(self.folder.glob("*.jsonl"))


def read_mark(line: bytes) -> Mark | None:
    """Return a line of a file of marks, or None if it cannot be read, such as the last line after a power failure."""
    try:
        return Mark.model_validate_json(line)
    except ValidationError:
        return None
