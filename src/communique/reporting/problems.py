"""Group the problems of rows by kind, so that a thousand rows with the same problem fill one line."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: Where a problem is, and what it is, as in "a.csv, row 3: the text is empty".
_IN_ROW = re.compile(r"(?P<file>.*?), row (?P<row>\d+): (?P<what>.*)", re.DOTALL)

#: Quoted values and numbers, in which problems of the same kind may differ.
_VALUE = re.compile(r"'[^']*'|\"[^\"]*\"|\d+")

#: A problem is listed row by row if it occurs in at most this many rows. Otherwise, this many rows are named.
ROWS = 5

#: Number of different messages of one kind that are listed.
MESSAGES = 5


def summarize(problems: Sequence[str]) -> list[str]:
    """Return one line per kind of problem, with the number of rows and the first of them.

    Problems of few rows, and those of whole files, are kept as they are.

    Args:
        problems: Lines such as "a.csv, row 3: the text is empty".
    """
    kinds: dict[tuple[str, str], dict[str, list[tuple[str, str]]]] = {}
    for line in problems:
        found = _IN_ROW.fullmatch(line)
        file, row, what = (found["file"], found["row"], found["what"]) if found else ("", "", line)
        kind = (file, _VALUE.sub("…", what)) if found else ("", line)
        kinds.setdefault(kind, {}).setdefault(what, []).append((row, line))
    lines: list[str] = []
    for (file, _), messages in kinds.items():
        if len(messages) <= MESSAGES:
            for what, rows in messages.items():
                lines += _lines(file, what, rows)
        else:
            rows = [row for rows in messages.values() for row in rows]
            lines += _lines(file, f"for example: {next(iter(messages))}", rows)
    return lines


def _lines(file: str, what: str, rows: Sequence[tuple[str, str]]) -> list[str]:
    if len(rows) <= ROWS:
        return [line for _, line in rows]
    first = ", ".join(row for row, _ in rows[:ROWS])
    return [f"{file}, {len(rows):,} rows ({first}, …): {what}"]
