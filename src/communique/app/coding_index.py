"""Keep the latest codings and the marks of a project in its index. Of their files, only what was appended is read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from pydantic import ValidationError
from sqlalchemy import Connection, Table, bindparam, delete, exists, select
from sqlalchemy.dialects.sqlite import insert as upsert

from ..io.atomic import disk_errors
from ..io.file_state import FileState, file_state
from ..project.coding import Coding, CodingLog
from ..project.marks import MARKS, Mark, MarkKind, MarkLog, read_mark
from .store import CODINGS, SEEN, SENTENCES, SKIPPED, SOURCES, Store, is_key, or_replace, time_key

#: The table of each kind of mark.
MARKED: Mapping[MarkKind, Table] = {"seen": SEEN, "skipped": SKIPPED}

#: Prefix of the names of the files of codings and marks in the table of sources.
_PREFIX = "codings/"

#: The files of codings and marks that were read.
_FILES = select(SOURCES.c.name, SOURCES.c.signature, SOURCES.c.tail, SOURCES.c.read).where(
    SOURCES.c.name.startswith(_PREFIX)
)


_ADD_FILE = or_replace(upsert(SOURCES))
_KEY: tuple[Any, Any] = bindparam("sentence_id"), bindparam("sentence_sha256")
_CODING = upsert(CODINGS).values(present=exists().where(is_key(SENTENCES, _KEY)))
_ADD_MARK = {kind: upsert(table).on_conflict_do_nothing() for kind, table in MARKED.items()}
# Of two codings with the same time, the later line counts, as in `project.coding.latest`.
_ADD_CODING = or_replace(_CODING, where=_CODING.excluded.time >= CODINGS.c.time)

#: Number of bytes at the end of what was read that show whether a file was edited.
_TAIL = 4096


class _Known(NamedTuple):
    """A file of codings or marks at the time when it was read.

    Attributes:
        state: Its state.
        tail: Hash of the end of what was read.
        read: Number of bytes that were read: up to the end of the last complete line.
    """

    state: FileState
    tail: str
    read: int


def index_codings(store: Store, log: CodingLog, *, appended: bool = False) -> int:
    """Bring codings and marks in the index up to date with the files of a project. Return the number of lines that were read.

    Files to which nothing was appended are not opened. If a file was replaced or edited, all files are read again.

    Args:
        store: The index.
        log: The codings, among whose files the marks are.
        appended: Whether the caller has just appended something. Otherwise, it is first checked whether there is anything to read.
    """
    if not appended:
        with store.reading() as connection:
            known = _known(connection)
        if _same(known, _states(log)):
            return 0
    with store.writing() as connection:
        # Another thread or process may have indexed them in the meantime. The files are looked at after that, because a file
        # that is shorter than what is known would look as if somebody had edited it, and everything would be read again.
        known, states = _known(connection), _states(log)
        if not _only_appended(known, states):
            for table in (CODINGS, *MARKED.values()):
                connection.execute(delete(table))
            connection.execute(delete(SOURCES).where(SOURCES.c.name.startswith(_PREFIX)))
            known = {}
        changed = [path for path, state in states.items() if not _is_known(state, known.get(_name(path)))]
        return sum(_index_file(connection, path, known.get(_name(path))) for path in sorted(changed))


def _states(log: CodingLog) -> dict[Path, FileState]:
    paths = (*log.paths(), *MarkLog(log).paths())
    return {path: _lasting(state) for path in paths if (state := file_state(path)) is not None}


def _lasting(state: FileState) -> FileState:
    """Return a state without what a restart of the computer or a change of permissions alters, because the index outlives both."""
    return state._replace(device=0, changed=0)


def _name(path: Path) -> str:
    """Return the name of a file in the table of sources, without the prefix."""
    return f"{MARKS}/{path.name}" if _has_marks(path) else path.name


def _has_marks(path: Path) -> bool:
    return path.parent.name == MARKS


def _is_known(state: FileState, before: _Known | None) -> bool:
    return before is not None and state == before.state


def _known(connection: Connection) -> dict[str, _Known]:
    found = {}
    for name, signature, tail, read in connection.execute(_FILES):
        inode, modified, size = map(int, signature.split(" "))
        state = FileState(0, inode, size, modified, 0)
        found[name.removeprefix(_PREFIX)] = _Known(state, tail, read)
    return found


def _same(known: Mapping[str, _Known], states: Mapping[Path, FileState]) -> bool:
    return len(known) == len(states) and all(_is_known(state, known.get(_name(path))) for path, state in states.items())


def _only_appended(known: Mapping[str, _Known], states: Mapping[Path, FileState]) -> bool:
    """Return whether every file that was read still begins with what was read."""
    present = {_name(path): (path, state) for path, state in states.items()}
    return all(name in present and _continues(*present[name], before) for name, before in known.items())


def _continues(path: Path, state: FileState, before: _Known) -> bool:
    """Return whether nothing happened to a file except that lines were appended, as far as its end shows."""
    if state == before.state:
        return True
    # A file of the same size that was changed later was edited.
    if state.inode != before.state.inode or state.size <= before.state.size:
        return False
    with disk_errors(path, "Restore the file, or check its permissions"), path.open("rb") as handle:
        return _tail(handle, before.read) == before.tail


def _tail(handle: IO[bytes], end: int) -> str:
    """Return the hash of the bytes of a file before a position."""
    start = max(0, end - _TAIL)
    handle.seek(start)
    return hashlib.sha256(handle.read(end - start)).hexdigest()


def _index_file(connection: Connection, path: Path, before: _Known | None) -> int:
    read = 0 if before is None else before.read
    with disk_errors(path, "Restore the file, or check its permissions"), path.open("rb") as handle:
        # Taken before the content is read: what is appended meanwhile is noticed the next time.
        state = os.fstat(handle.fileno())
        handle.seek(read)
        content = handle.read(max(0, state.st_size - read))
        # A line without its end is still being written, or its writing was interrupted. It is read when the next line follows.
        end = content.rfind(b"\n") + 1
        tail = _tail(handle, read + end)
    lines = [line for line in content[:end].split(b"\n") if line.strip()]
    if _has_marks(path):
        _add_marks(connection, filter(None, map(read_mark, lines)))
    else:
        _add(connection, filter(None, map(_coding, lines)))
    signature = f"{state.st_ino} {state.st_mtime_ns} {state.st_size}"
    values = {"name": _PREFIX + _name(path), "signature": signature, "read": read + end, "tail": tail}
    connection.execute(_ADD_FILE, values)
    return len(lines)


def _coding(line: bytes) -> Coding | None:
    """Read a line, or return None if it cannot be read. `communique status` reports such lines."""
    try:
        return Coding.model_validate_json(line)
    except ValidationError:
        return None


def _add(connection: Connection, codings: Iterable[Coding]) -> None:
    rows = [
        {
            "coder": coding.coder,
            "id": coding.id,
            "sha256": coding.sha256,
            "labels": list(coding.labels),
            "comment": coding.comment,
            "time": time_key(coding.time),
            "sample": coding.sample,
            "model_shown": coding.model_shown,
            "codebook_sha256": coding.codebook_sha256,
            "acts": coding.acts,
            "text": coding.text if coding.acts else None,
            "sentence_id": coding.id,
            "sentence_sha256": coding.sha256,
        }
        for coding in codings
    ]
    if rows:
        connection.execute(_ADD_CODING, rows)


def _add_marks(connection: Connection, marks: Iterable[Mark]) -> None:
    rows: dict[MarkKind, list[dict[str, str]]] = {}
    for mark in marks:
        rows.setdefault(mark.kind, []).append({"coder": mark.coder, "id": mark.id, "sha256": mark.sha256})
    for kind, given in rows.items():
        connection.execute(_ADD_MARK[kind], given)
