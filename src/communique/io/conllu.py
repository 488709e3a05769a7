"""Read CoNLL-U files as streams of sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .encoding import UNDECODABLE, TextFile
from .jsonl import fill
from .suffixes import stem
from .tables import MAX_CELL, Problem, Row, TableStream, bounded_line, damage_reason, early_end, excerpt, is_cut

_COMMENT = re.compile(r"#\s*(newdoc id|newdoc|sent_id|text|speaker|lang|date)\s*(?:=\s*(.*))?$")

#: Output column for each comment that is read.
_COLUMNS = {"sent_id": "id", "text": "text", "speaker": "speaker", "lang": "language", "date": "date"}


def open_conllu(stream: TableStream, text: TextFile) -> None:
    """Fill a stream from a CoNLL-U file: one row per sentence, numbered by its first line, with the id of its document.

    The text of a sentence without a `# text` comment is joined from its words.
    """
    fill(stream, _sentences(stream, text))


def _sentences(stream: TableStream, text: TextFile) -> Iterator[tuple[int, Row] | Problem]:
    document, index, documents = stem(stream.path), 0, 0
    number, begin, row, words = 0, 0, Row(), list[str]()
    line = ""
    while True:
        line, too_long = bounded_line(text.handle)
        if line:
            number += 1
            begin = begin or number
            stripped = line.strip()
        if too_long or (text.encoding.damaged and UNDECODABLE in line):
            reason = f"a line of more than {MAX_CELL:,} characters" if too_long else damage_reason(text)
            yield Problem(number, f"{stream.path}, row {number}: {reason}", excerpt(line))
        elif line and (stripped and not is_cut(line, text)):
            if comment := _COMMENT.match(stripped):
                key, value = comment[1], (comment[2] or "").strip()
                if key.startswith("newdoc"):
                    documents += 1
                    document, index = value or f"{stem(stream.path)}:{documents}", 0
                elif value:
                    row[_COLUMNS[key]] = value
            elif not stripped.startswith("#"):
                words.append(stripped)
            continue
        if words or row.get("text"):
            row.setdefault("text", _joined(words))
            yield begin, {"document": document, "index": index, **row}
            index += 1
        begin, row, words = 0, Row(), []
        if not line:
            break
    yield from early_end(stream, text, number + 1, "")


def _joined(lines: list[str]) -> str:
    """Join the words of a sentence. Multiword tokens are written once, without their parts, and empty nodes are left out."""
    pieces: list[str] = []
    last = 0
    for line in lines:
        cells = line.split("\t")
        if len(cells) < 2 or "." in cells[0]:
            continue
        first, _, end = cells[0].partition("-")
        if not first.isdigit() or (not end and int(first) <= last):
            continue
        last = int(end) if end.isdigit() else int(first)
        pieces.append(cells[1])
        if "SpaceAfter=No" not in cells[-1]:
            pieces.append(" ")
    return "".join(pieces).strip()
