"""Read JSON Lines files as streams of rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

from .encoding import UNDECODABLE, TextFile
from .tables import (
    CHUNK,
    MAX_CELL,
    MAX_COLUMNS,
    Chunk,
    Problem,
    Row,
    TableStream,
    bounded_line,
    chunked,
    damage_reason,
    early_end,
    excerpt,
    is_cut,
)

#: Maximum depth of nested lists and objects in a cell. A deeper cell becomes text, because only JSON can store many levels.
MAX_DEPTH = 32


def open_jsonl(stream: TableStream, text: TextFile) -> None:
    """Fill a stream from a JSON Lines file."""
    fill(stream, json_rows(stream, text))


def fill(stream: TableStream, rows: Iterator[tuple[int, Row] | Problem]) -> None:
    """Fill a stream from rows that are dicts. The first chunk of rows determines the columns."""
    chunks = chunked(rows)
    # Problems before the first chunk of rows are kept, so that the stream yields them too.
    begin: list[Chunk | Problem] = []
    for chunk in chunks:
        begin.append(chunk)
        if isinstance(chunk, Chunk):
            stream.columns = list(dict.fromkeys(column for row in chunk.to_rows() for column in row))
            break
        if len(begin) >= CHUNK:
            break
    stream.chunks = chain(begin, chunks)


def json_rows(stream: TableStream, text: TextFile) -> Iterator[tuple[int, Row] | Problem]:
    """Yield the rows of a JSON Lines file, numbered by line from 1."""
    number, line = 0, ""
    # Read lines from the file: str.splitlines would also split at U+2028 and at form feeds inside strings.
    while True:
        line, too_long = bounded_line(text.handle)
        if not line:
            break
        number += 1
        if too_long:
            reason = f"a line of more than {MAX_CELL:,} characters. Write one JSON object per line"
            yield Problem(number, f"{stream.path}, row {number}: {reason}", excerpt(line))
            continue
        if is_cut(line, text):
            number -= 1
            break
        if not line.strip():
            continue
        row = _json_row(line, text)
        if isinstance(row, str):
            yield Problem(number, f"{stream.path}, row {number}: {row}", excerpt(line))
        else:
            yield number, row
    yield from early_end(stream, text, number + 1, line)


def _json_row(line: str, text: TextFile) -> Row | str:
    """Return the row of a line, or the reason why the line is not a row."""
    if text.encoding.damaged and UNDECODABLE in line:
        return damage_reason(text)
    try:
        row = json.loads(line, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        return f"not valid JSON ({error}). Write one JSON object per line"
    return named_row(row)


def named_row(row: Any) -> Row | str:
    """Return a row without spaces around its keys, or the reason why it cannot be used."""
    if not isinstance(row, dict):
        return f"a JSON {type(row).__name__} instead of an object. Write one JSON object per line"
    if len(stripped := {key.strip(): value for key, value in row.items()}) < len(row):
        return "two keys differ only in spaces. Rename one of them"
    if len(row) > MAX_COLUMNS:
        return f"{len(row):,} keys, but at most {MAX_COLUMNS:,} are read. Keep only the keys that you need"
    for key, value in stripped.items():
        if isinstance(value, (list, dict)) and _deeper_than(value, MAX_DEPTH):
            stripped[key] = json.dumps(value, ensure_ascii=False)
    return stripped


def _deeper_than(value: Any, depth: int) -> bool:
    level = [value]
    while level and depth:
        level = [
            item
            for nested in level
            for item in (nested.values() if isinstance(nested, dict) else nested)
            if isinstance(item, (list, dict))
        ]
        depth -= 1
    return bool(level)


def unique_keys(pairs: list[tuple[str, Any]]) -> Row:
    """Build a dict from the pairs of a JSON object.

    Raises:
        ValueError: Two pairs have the same key.
    """
    row = dict(pairs)
    if len(row) < len(pairs):
        seen: set[str] = set()
        repeated = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {repeated!r} occurs twice")
    return row
