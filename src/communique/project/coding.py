"""Store codings in files to which lines are only appended: one file per coder and computer, one coding per line."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated, Any, Protocol

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ..config import describe
from ..data.acts import Act, read_acts
from ..io.atomic import disk_errors
from ..io.lock import wait_for_lock
from ..reporting.format import counted
from ..text.cleaning import without_surrogates
from ..text.language import UNDETERMINED

#: Maximum length of the part of a file name that comes from the name of the coder.
NAME_LENGTH = 60

#: What identifies a coded sentence: its id, and the hash of its text as coders see it.
SentenceKey = tuple[str, str]

#: Text that can be written as UTF-8. An export in JSON can contain lone surrogates.
Text = Annotated[str, BeforeValidator(lambda value: without_surrogates(value) if isinstance(value, str) else value)]


class Coding(BaseModel):
    """The labels that one coder assigned to one sentence, and how the coding was made.

    `sha256` is the hash of the text as coders see it. `sample` is the name of the sample, or None if the sentence belongs to
    none. `model_shown` records whether the coder saw the labels of a model; None if that is not known. `origin` and
    `origin_sha256` are the name and the hash of the file that the coding came from. `acts` contains kind, holder and target by
    label, as tables do (see `read_acts`); None if the coder was not asked for them.
    """

    # Unknown keys are ignored, so that a project can be shared with a newer version of the program.
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Text = Field(min_length=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    text: Text
    document: Text
    index: int = 0
    language: Text = UNDETERMINED
    previous: Text = ""
    labels: tuple[str, ...]
    coder: Text = Field(min_length=1)
    time: AwareDatetime
    codebook: str
    codebook_sha256: str
    sample: str | None = None
    model_shown: bool | None = None
    comment: Text = ""
    origin: Text = ""
    origin_sha256: str = ""
    # Not written if it is None, so that codings without acts look the same as before.
    acts: dict[str, dict[str, Any]] | None = Field(None, exclude_if=lambda value: value is None)

    @model_validator(mode="after")
    def _fitting(self) -> Coding:
        if self.acts:
            read_acts(self.acts, self.text, self.labels, None)
        return self

    @property
    def sentence(self) -> SentenceKey:
        """The id and the hash of the text, which together identify the sentence."""
        return self.id, self.sha256

    @property
    def answer(self) -> tuple[frozenset[str], str]:
        """The labels, in any order, and the comment."""
        return frozenset(self.labels), self.comment

    @property
    def content(self) -> tuple[frozenset[str], str, str]:
        """The answer, and the acts as text that can be compared."""
        return *self.answer, json.dumps(self.acts or {}, sort_keys=True)

    @property
    def named(self) -> dict[str, Act]:
        """Kind, holder and target of each label for which they were recorded, as offsets into `text`."""
        return read_acts(self.acts or {}, self.text, self.labels, None)

    def line(self) -> str:
        """Return the coding as one line of JSON, without its line end."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False)


@dataclass
class Read:
    """The codings of a log in order of time, and one note per file with lines that cannot be read."""

    codings: list[Coding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


class CodingLog:
    """The folder with the codings of a project. Lines are appended to its files, and none is ever changed or deleted.

    Args:
        folder: The folder. It is created by the first coding.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def append(self, codings: Iterable[Coding]) -> int:
        """Append codings to the file of their coder, and flush them to disk. Several processes may do so at the same time.

        Returns:
            The number of codings.

        Raises:
            DataError: A file cannot be written.
        """
        return append_by_coder(self.folder, codings)

    def path(self, coder: str) -> Path:
        """Return the file of a coder on this computer. Copies of the project elsewhere append to other files."""
        return _file_of_coder(self.folder, coder)

    def read(self) -> Read:
        """Read all codings in order of time. Codings with the same time stay in the order of their file."""
        return read_codings(self.paths())

    def paths(self) -> list[Path]:
        """Return the files, in the order in which they are read."""
        return sorted(self.folder.glob("*.jsonl"))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let no other process of this computer enter the same block, so that none appends what another is about to append."""
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = (self.folder / ".lock").open("ab")
        with handle:
            wait_for_lock(handle)
            yield


def read_codings(paths: Sequence[Path]) -> Read:
    """Read files of a log. Lines that cannot be read are left out and counted, such as the last line after a power failure."""
    found = Read()
    for path in paths:
        with disk_errors(path, "Restore the file, or check its permissions"):
            content = path.read_bytes()
        lines = content.split(b"\n")
        unreadable: list[tuple[int, str]] = []
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                found.codings.append(Coding.model_validate_json(line))
            except ValidationError as error:
                # The text after the last line end is a line whose writing was interrupted.
                torn = number == len(lines) or error.errors(include_url=False)[0]["type"] == "json_invalid"
                unreadable.append((number, "it is incomplete" if torn else describe(error, Coding)[:200]))
        if unreadable:
            number, reason = unreadable[0]
            found.notes.append(
                f"{path}: left out {counted(len(unreadable), 'line')} that cannot be read (first: line {number}, {reason}). Code "
                "the sentence again, or correct the line"
            )
    found.codings.sort(key=lambda coding: coding.time)
    return found


def is_log(path: Path) -> bool:
    """Return whether a file contains codings, as shown by its first line."""
    if path.suffix.lower() != ".jsonl":
        return False
    try:
        with path.open("rb") as handle:
            Coding.model_validate_json(handle.readline(10_000_000))
    except (OSError, ValidationError):
        return False
    return True


def latest(codings: Iterable[Coding]) -> dict[tuple[str, SentenceKey], Coding]:
    """Return the last coding of each sentence by each coder, by coder and sentence.

    Args:
        codings: Codings in order of time.
    """
    return {(coding.coder, coding.sentence): coding for coding in codings}


def kept_acts(acts: Mapping[str, Mapping[str, Any]] | None, labels: Sequence[str]) -> dict[str, dict[str, Any]] | None:
    """Return those acts of an earlier coding that remain valid when the coder answers again in a form without acts.

    These are the acts of the labels that the coder assigns again. A sheet is such a form.
    """
    kept = {name: dict(act) for name, act in (acts or {}).items() if name in labels}
    return kept or None


class OfCoder(Protocol):
    """Something that a coder did, which can be written as a line of a file."""

    @property
    def coder(self) -> str:
        """Name of the coder."""

    def line(self) -> str:
        """Return the line, without its end."""


def append_by_coder(folder: Path, entries: Iterable[OfCoder]) -> int:
    """Append entries to the files of their coders in a folder, which is created if necessary, and flush them to disk.

    Several processes may do so at the same time.

    Returns:
        The number of entries.

    Raises:
        DataError: A file cannot be written.
    """
    by_coder: dict[str, list[str]] = {}
    for entry in entries:
        by_coder.setdefault(entry.coder, []).append(entry.line())
    for coder, lines in by_coder.items():
        path = _file_of_coder(folder, coder)
        with disk_errors(path):
            folder.mkdir(parents=True, exist_ok=True)
            _append_lines(path, lines)
    return sum(map(len, by_coder.values()))


def _file_of_coder(folder: Path, coder: str) -> Path:
    """Return the file in a folder to which this computer appends what belongs to a coder."""
    place = f"{socket.gethostname()}\0{folder.resolve()}"
    if os.name != "posix":  # Nothing is locked there, so each process appends to a file of its own.
        place += f"\0{os.getpid()}"
    name = re.sub(r"[^\w@+-]+", "-", coder).strip("-")[:NAME_LENGTH] or "coder"
    return folder / f"{name}-{hashlib.sha256(place.encode()).hexdigest()[:8]}.jsonl"


def _append_lines(path: Path, lines: Iterable[str]) -> None:
    content = "".join(f"{line}\n" for line in lines).encode()
    with path.open("ab+") as handle:
        wait_for_lock(handle)
        # A line that was interrupted must not swallow the next one.
        if handle.seek(0, os.SEEK_END) and _last_byte(handle) != b"\n":
            content = b"\n" + content
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())


def _last_byte(handle: IO[bytes]) -> bytes:
    handle.seek(-1, os.SEEK_END)
    return handle.read(1)
