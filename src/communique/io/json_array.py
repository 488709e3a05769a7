"""Read a JSON file that contains a list of rows, or an object with such a list, as a stream."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from ..errors import DataError
from .encoding import REPLACEMENT, UNDECODABLE, TextFile
from .jsonl import fill, named_row, unique_keys
from .tables import MAX_CELL, SHOWN, Problem, Row, TableStream, excerpt

_SPACE = re.compile(r"[\s,]*")
_WINDOW = 1 << 20
_USE = 'Write a list of objects, such as [{"text": "…"}], or one JSON object per line (.jsonl)'


def open_json(stream: TableStream, text: TextFile) -> None:
    """Fill a stream from a JSON file: a list of objects or of texts, an object with one list, or JSON Lines.

    Raises:
        DataError: The file contains something else, or is invalid from the beginning.
    """
    begin = _read(text)
    first = begin.lstrip("\ufeff \t\r\n")[:1]
    if first == "[":
        fill(stream, _items(stream, text, begin))
    elif first == "{":
        _fill_object(stream, text, begin)
    else:
        raise DataError(f"{stream.path}: neither a JSON list nor a JSON object. {_USE}")


def _read(text: TextFile) -> str:
    return text.handle.read(_WINDOW).replace(UNDECODABLE, REPLACEMENT)


def _items(stream: TableStream, text: TextFile, begin: str) -> Iterator[tuple[int, Row] | Problem]:
    """Yield the items of a list. Only one item and one window of text are in memory at a time."""
    decoder = json.JSONDecoder(object_pairs_hook=unique_keys)
    rest, wanted, ended = begin[begin.index("[") + 1 :], 1, False
    number = 0
    while True:
        while len(rest) < wanted and not ended:
            more = _read(text)
            rest, ended = rest + more, not more
        position, error = _behind_spaces(rest, 0), "the list is not closed"
        while position < len(rest) and rest[position] != "]":
            try:
                item, end = decoder.raw_decode(rest, position)
            except (ValueError, RecursionError) as problem:
                error = str(problem)
                break
            if end == len(rest) and not ended:
                break  # a number may continue in the next window
            number += 1
            yield _row(stream, number, item)
            position = _behind_spaces(rest, end)
        rest = rest[position:]
        if rest.startswith("]"):
            if (rest[1:] + _read(text)).strip():
                reason = f"the list ends here, and the text after it is not read. {_USE}"
                yield Problem(number + 1, f"{stream.path}, row {number + 1}: {reason}", excerpt(rest[1 : 2 * SHOWN]))
            return
        if ended or len(rest) > MAX_CELL:
            error = error if ended else f"an item of more than {MAX_CELL:,} characters"
            reason = f"{error}. The rows from here on are not read. {_USE}"
            yield Problem(number + 1, f"{stream.path}, row {number + 1}: {reason}", excerpt(rest[: 2 * SHOWN]))
            return
        # Parse an incomplete item again only when the text has doubled, not with every window, which would take quadratic time.
        wanted = 2 * len(rest) + 1


def _behind_spaces(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _row(stream: TableStream, number: int, item: Any) -> tuple[int, Row] | Problem:
    row = named_row({"text": item} if isinstance(item, str) else item)
    return Problem(number, f"{stream.path}, row {number}: {row}") if isinstance(row, str) else (number, row)


def _fill_object(stream: TableStream, text: TextFile, begin: str) -> None:
    pieces, size = [begin], len(begin)
    while size <= MAX_CELL and (more := _read(text)):
        pieces.append(more)
        size += len(more)
    if size > MAX_CELL:
        raise DataError(f"{stream.path}: one JSON object of more than {MAX_CELL:,} characters. {_USE}")
    try:
        content = json.loads("".join(pieces), object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{stream.path}: not valid JSON ({error}). {_USE}") from error
    lists = [value for value in content.values() if isinstance(value, list) and value]
    rows = [value for value in lists if all(isinstance(item, dict) for item in value)]
    if len(lists) == 1 and all(isinstance(item, str) for item in lists[0]):
        rows = lists
    if len(rows) > 1 or (lists and not rows):
        raise DataError(f"{stream.path}: a JSON object that does not contain exactly one list of rows. {_USE}")
    # An object without a list is one row.
    fill(stream, (_row(stream, number, item) for number, item in enumerate(rows[0] if rows else [content], 1)))


def holds_lines(text: TextFile) -> bool:
    """Return whether a .json file contains JSON Lines: its first line is a JSON object, and it has more lines."""
    line, _, following = _read(text).partition("\n")
    try:
        return isinstance(json.loads(line), dict) and bool(following.strip())
    except (ValueError, RecursionError):
        return False
