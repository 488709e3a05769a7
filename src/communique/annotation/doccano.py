"""Write documents and labels for a text-classification project in doccano, and read its JSONL, JSON and CSV exports.

Formats: doccano's `backend/data_export` and `backend/data_import`. If annotators work separately, the export contains one file
per user, named after the user. If they share their annotations, the export is `all.jsonl`. doccano exports all imported fields
unchanged, except `id`, which it replaces with its own number.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..data.codebook import Codebook
from ..errors import DataError
from ..io.atomic import replacing
from ..io.tables import Row
from ..io.write import write_jsonl
from ..reporting.format import counted
from .tasks import COMPANIONS, NONE, TEXT, CodingTask, Reading, choices, companion, decode, need_suffix, split_joined

#: Separator between labels, and between comments, in doccano's CSV.
SEPARATOR = "#"

COMMENTS = "Comments"


def write_tasks(path: Path, tasks: Sequence[CodingTask], codebook: Codebook) -> list[Path]:
    """Write the documents (JSONL) and the labels (JSON) for import into doccano, and return both paths."""
    need_suffix(path, (".jsonl",), "doccano")
    write_jsonl(
        path,
        (task.fields() | ({} if task.labels is None else {"label": list(task.labels) or [NONE]}) for task in tasks),
    )
    label_file = companion(path, COMPANIONS["doccano", ".jsonl"])
    # The keys 1 to 9 select the first nine labels.
    labels = [{"text": name} | ({"suffixKey": str(i)} if i < 10 else {}) for i, name in enumerate(choices(codebook), 1)]
    with replacing(label_file) as handle:
        handle.write(json.dumps(labels, ensure_ascii=False, indent=1) + "\n")
    return [path, label_file]


def read(path: Path, rows: Sequence[tuple[int, Row]], codebook: Codebook) -> Reading:
    """Read an export. A text with an empty list of labels counts as not coded, because perhaps nobody has read it.

    Raises:
        DataError: No row has a field with labels.
    """
    reading = Reading(path, "doccano")
    fields = dict.fromkeys(name for _, row in rows for name in row)
    if rows and not {"label", "labels", "annotations"} & set(fields):
        raise DataError(
            f"{path}: there is no field 'label' with the labels. The fields are: {', '.join(fields)}. Rename the field that "
            "contains the labels to 'label'"
        )
    unread = 0
    for number, row in rows:
        given = row.get("label", row.get("labels"))
        if given is None and row.get("annotations"):
            reading.problems.append(
                f"{path}, row {number}: the labels are numbers, as in exports of old versions of doccano. Export the project "
                "as JSONL with the names of the labels"
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
    reading.note(
        unread, f"left out {counted(unread, 'row')} without a label. If no label applies, the coder must choose 'none'"
    )
    if path.stem == "all":
        reading.notes.append(f"{path}: all annotators share these annotations, so they count as one coder, 'all'")
    return reading


def _names(value: Any, codebook: Codebook) -> list[str]:
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return split_joined(value, SEPARATOR, codebook)
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return value
    raise ValueError(f"label {value!r:.80} is not a list of label names. Export a text-classification project as JSONL")
