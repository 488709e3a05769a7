"""doccano: documents and labels for a text-classification project, and its JSONL, JSON and CSV exports.

Formats: doccano's `backend/data_export` and `backend/data_import`. Where annotators work apart, the export is a file for each,
named after the user; where they share their annotations, it is `all.jsonl`. Fields beside text and label come back as they
were given; `id` does not, it becomes doccano's own number.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..data.codebook import Codebook
from ..io.atomic import replacing
from ..io.tables import Row
from ..io.write import write_jsonl
from .tasks import COMPANIONS, NONE, TEXT, CodingTask, Reading, choices, companion, decode, need_suffix, split_joined

#: Between labels, and between comments, in doccano's CSV.
SEPARATOR = "#"

COMMENTS = "Comments"


def write_tasks(path: Path, tasks: Sequence[CodingTask], codebook: Codebook) -> list[Path]:
    """Write documents for import (JSONL) and the labels (JSON) beside them."""
    need_suffix(path, (".jsonl",), "doccano")
    write_jsonl(
        path,
        (task.fields() | ({} if task.labels is None else {"label": list(task.labels) or [NONE]}) for task in tasks),
    )
    beside = companion(path, COMPANIONS["doccano", ".jsonl"])
    # Keys 1 to 9 choose the first nine labels.
    labels = [{"text": name} | ({"suffixKey": str(i)} if i < 10 else {}) for i, name in enumerate(choices(codebook), 1)]
    with replacing(beside) as handle:
        handle.write(json.dumps(labels, ensure_ascii=False, indent=1) + "\n")
    return [path, beside]


def read(path: Path, rows: Sequence[tuple[int, Row]], codebook: Codebook) -> Reading:
    """Read an export. An empty list of labels is a text that nobody read or that nobody labelled: it is not coded."""
    reading = Reading(path, "doccano")
    unread = 0
    for number, row in rows:
        given = row.get("label", row.get("labels"))
        if given is None and row.get("annotations"):
            reading.problems.append(
                f"{path}, row {number}: labels as numbers, the export of an old doccano; export with the names of labels (JSONL)"
            )
            continue
        try:
            names = _names(given, codebook)
            labels = decode(names, codebook) if names else None
        except ValueError as error:
            reading.problems.append(f"{path}, row {number}: {error}")
            continue
        unread += labels is None
        comments = row.get(COMMENTS) or row.get("comments") or []
        reading.take(
            number,
            {**row, TEXT: row.get(TEXT, row.get("data"))},
            labels,
            coder=str(row.get("username") or path.stem),
            comment="\n".join(map(str, comments)) if isinstance(comments, list) else str(comments),
        )
    reading.skip(unread, "rows without a label, not even 'none': not coded")
    if path.stem == "all":
        reading.notes.append(f"{path}: annotations shared by all annotators; they count as one coder, 'all'")
    return reading


def _names(value: Any, codebook: Codebook) -> list[str]:
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return split_joined(value, SEPARATOR, codebook)
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return value
    raise ValueError(
        f"label {value!r:.80}; allowed: a list of names of labels; export a text-classification project as JSONL"
    )
