"""Read JSON Lines as streams of rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

from .encoding import UNDECODABLE, TextFile
from .tables import CHUNK, Chunk, Problem, Row, TableStream, chunked, damage_reason, early_end, excerpt, is_cut


def open_jsonl(stream: TableStream, text: TextFile) -> None:
    """Fill a stream from JSON Lines."""
    chunks = chunked(_json_rows(stream, text))
    # The first rows name the columns; problems before them are kept for whoever reads on.
    begin: list[Chunk | Problem] = []
    for chunk in chunks:
        begin.append(chunk)
        if isinstance(chunk, Chunk):
            stream.columns = list(dict.fromkeys(column for row in chunk.to_rows() for column in row))
            break
        if len(begin) >= CHUNK:
            break
    stream.chunks = chain(begin, chunks)


def _json_rows(stream: TableStream, text: TextFile) -> Iterator[tuple[int, Row] | Problem]:
    number, line = 0, ""
    # Lines of the file, not str.splitlines, which also cuts at U+2028 and at form feeds inside strings.
    for number, line in enumerate(text.handle, 1):  # used behind the loop
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
    """Read a line; what is wrong with it where it holds no row."""
    if text.encoding.damaged and UNDECODABLE in line:
        return damage_reason(text)
    try:
        row = json.loads(line, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        return f"not JSON ({error}); write one JSON object a line"
    if not isinstance(row, dict):
        return f"a JSON {type(row).__name__}; write one JSON object a line"
    if len(stripped := {key.strip(): value for key, value in row.items()}) < len(row):
        return "two keys differ in spaces alone; rename one of them"
    return stripped


def _object(pairs: list[tuple[str, Any]]) -> Row:
    row = dict(pairs)
    if len(row) < len(pairs):
        repeated = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
        raise ValueError(f"two values are named {repeated!r}")
    return row
