"""Keep the latest codings of a project in its index. Of the files of codings, only what was appended is read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from ..io.atomic import disk_errors
from ..project.coding import Coding, CodingLog
from .store import CODINGS, SOURCES, Store, time_key

#: Prefix of the names of the files of codings in the table of sources.
_PREFIX = "codings/"


def index_codings(store: Store, log: CodingLog) -> int:
    """Bring the latest codings in the index up to date with the files of a project. Return the number of lines that were read.

    Files to which nothing was appended are not opened. If a file was replaced or edited, all files are read again.
    """
    states = {path: _state(path) for path in sorted(log.folder.glob("*.jsonl"))}
    with store.reading() as connection:
        known = _known(connection)
    if known == {path.name: state for path, state in states.items()}:
        return 0
    with store.writing() as connection:
        known = _known(connection)  # another process may have indexed them in the meantime
        if not _only_appended(known, states):
            connection.execute(delete(CODINGS))
            connection.execute(delete(SOURCES).where(SOURCES.c.name.startswith(_PREFIX)))
            known = {}
        return sum(_index_file(connection, path, *known.get(path.name, ("", 0))) for path in states)


def _state(path: Path) -> tuple[str, int]:
    """Return what identifies a file and its present size."""
    found = path.stat()
    return str(found.st_ino), found.st_size


def _known(connection: Connection) -> dict[str, tuple[str, int]]:
    rows = connection.execute(select(SOURCES).where(SOURCES.c.name.startswith(_PREFIX)))
    return {row.name.removeprefix(_PREFIX): (row.signature, row.read) for row in rows}


def _only_appended(known: dict[str, tuple[str, int]], states: dict[Path, tuple[str, int]]) -> bool:
    """Return whether every file that was read still begins with what was read."""
    now = {path.name: state for path, state in states.items()}
    return all(name in now and now[name][0] == inode and now[name][1] >= read for name, (inode, read) in known.items())


def _index_file(connection: Connection, path: Path, inode: str, read: int) -> int:
    with disk_errors(path, "Restore the file, or check its permissions"), path.open("rb") as handle:
        handle.seek(read)
        content = handle.read()
        inode = _state(path)[0]
    # A line without its end is still being written, or its writing was interrupted. It is read when the next line follows.
    end = content.rfind(b"\n") + 1
    lines = [line for line in content[:end].split(b"\n") if line.strip()]
    _add(connection, filter(None, map(_coding, lines)))
    values = {"name": _PREFIX + path.name, "signature": inode, "read": read + end}
    statement = upsert(SOURCES).values(values)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))
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
        }
        for coding in codings
    ]
    if not rows:
        return
    statement = upsert(CODINGS)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in ("coder", "id", "sha256")}
    # Of two codings with the same time, the later line counts, as in `project.coding.latest`.
    later = statement.excluded.time >= CODINGS.c.time
    update = statement.on_conflict_do_update(index_elements=["coder", "id", "sha256"], set_=changed, where=later)
    connection.execute(update, rows)
