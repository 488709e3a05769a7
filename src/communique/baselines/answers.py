"""A file that stores the answers of a chat endpoint and counts the tokens that they used."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError

#: The tables of the file. A request that was paid for is counted even if its answer could not be used.
_TABLES = {
    "answers": "(question TEXT PRIMARY KEY, answer TEXT NOT NULL)",
    "requests": "(tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, estimated INTEGER NOT NULL)",
}


@dataclass(frozen=True)
class Usage:
    """What a run used: answered requests, and tokens sent and received.

    `estimated` is the number of requests whose tokens the server did not report. Their tokens were estimated.
    """

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    estimated: int = 0

    @property
    def tokens(self) -> int:
        """Tokens sent and received."""
        return self.tokens_in + self.tokens_out

    def __sub__(self, other: Usage) -> Usage:
        return Usage(
            self.requests - other.requests,
            self.tokens_in - other.tokens_in,
            self.tokens_out - other.tokens_out,
            self.estimated - other.estimated,
        )


class AnswerCache:
    """Answers by hash of the question, in one SQLite file. The file contains neither the texts nor the key.

    Args:
        path: The file. If it is None, answers are kept in memory only.

    Raises:
        DataError: The file is not a file of answers, or cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        try:
            self._base = sqlite3.connect(path or ":memory:", check_same_thread=False, timeout=60)
            try:
                self._check()
                with self._base:
                    for name, columns in _TABLES.items():
                        self._base.execute(f"CREATE TABLE IF NOT EXISTS {name} {columns}")
                row = self._base.execute(
                    "SELECT count(*), total(tokens_in), total(tokens_out), total(estimated) FROM requests"
                ).fetchone()
            except BaseException:
                self._base.close()
                raise
        except sqlite3.Error as error:
            raise DataError(f"{path}: this is not a file of answers ({error}). Move it to another place") from error
        #: What all runs with this file have used.
        self.usage = Usage(*map(int, row))

    def _check(self) -> None:
        found = self._base.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        if others := sorted({str(name) for (name,) in found}.difference(_TABLES)):
            raise sqlite3.DatabaseError(f"it contains a table {others[0]!r}")

    def get(self, question: str) -> str | None:
        """Return the stored answer to a question, or None."""
        with self._lock:
            row = self._base.execute("SELECT answer FROM answers WHERE question = ?", (question,)).fetchone()
        return None if row is None else str(row[0])

    def put(self, question: str, answer: str) -> None:
        """Store an answer immediately, so that it is not lost if the run is killed."""
        with self._lock, self._base:
            self._base.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (question, answer))

    def count(self, tokens_in: int, tokens_out: int, *, estimated: bool) -> None:
        """Count an answered request, whether or not its answer can be used.

        Args:
            tokens_in: Tokens of the request.
            tokens_out: Tokens of the answer.
            estimated: Whether these numbers are estimates, because the server did not report them.
        """
        with self._lock, self._base:
            self._base.execute("INSERT INTO requests VALUES (?, ?, ?)", (tokens_in, tokens_out, int(estimated)))
            used = self.usage
            self.usage = Usage(
                used.requests + 1,
                used.tokens_in + tokens_in,
                used.tokens_out + tokens_out,
                used.estimated + int(estimated),
            )

    def clear(self) -> None:
        """Delete all answers and counts."""
        with self._lock, self._base:
            for name in _TABLES:
                self._base.execute(f"DELETE FROM {name}")
            self.usage = Usage()

    def close(self) -> None:
        """Close the file."""
        self._base.close()


def question_key(*parts: str | Sequence[Any] | Mapping[str, Any]) -> str:
    """Return a hash of a question and of everything else that determines its answer."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
