"""Write tasks and the labelling configuration for Label Studio, and read its JSON, JSON-MIN and CSV exports.

Formats: https://labelstud.io/guide/task_format, https://labelstud.io/guide/export and `label_studio_sdk.converter`. In
JSON-MIN and CSV, the tool's own `id` would overwrite a field `id` of a task. The field is therefore called `sentence_id`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ..data.codebook import Codebook
from ..io.atomic import replacing
from ..io.tables import Row
from ..reporting.format import counted
from .tasks import (
    COMPANIONS,
    NONE,
    TEXT,
    CodingTask,
    Reading,
    as_object,
    as_objects,
    as_words,
    choices,
    companion,
    need_suffix,
)

#: Names of the controls in the labelling configuration, which are also the names of the answers in exports.
LABELS, COMMENT = "labels", "comment"

Rows = Sequence[tuple[int, Row]]


def write_tasks(path: Path, tasks: Sequence[CodingTask], codebook: Codebook) -> list[Path]:
    """Write the tasks (JSON) and the labelling configuration (XML) for import into Label Studio, and return both paths."""
    need_suffix(path, (".json",), "Label Studio")
    content = [
        {"data": task.fields()} | ({} if task.labels is None else {"predictions": [_prediction(task.labels)]})
        for task in tasks
    ]
    with replacing(path) as handle:
        handle.write(json.dumps(content, ensure_ascii=False, indent=1) + "\n")
    configuration_file = companion(path, COMPANIONS["label-studio", ".json"])
    with replacing(configuration_file) as handle:
        handle.write(configuration(codebook))
    return [path, configuration_file]


def _prediction(labels: tuple[str, ...]) -> dict[str, Any]:
    value = {"choices": list(labels) or [NONE]}
    return {
        "model_version": "communique",
        "result": [{"from_name": LABELS, "to_name": TEXT, "type": "choices", "value": value}],
    }


def configuration(codebook: Codebook) -> str:
    """Return the labelling interface as XML: previous sentence, sentence, choices with their definitions, and comment."""
    # The direction of each line follows its text, for example right to left for Arabic.
    view = ElementTree.Element("View", style="unicode-bidi: plaintext; text-align: start")
    ElementTree.SubElement(view, "Header", value="$previous", size="5", style="color: gray")
    ElementTree.SubElement(view, "Text", name=TEXT, value="$text")
    single = "single" if not codebook.multilabel else "multiple"
    control = ElementTree.SubElement(view, "Choices", name=LABELS, toName=TEXT, choice=single, required="true")
    hints = {label.name: label.definition for label in codebook.labels} | {NONE: "None of the labels applies."}
    for name in choices(codebook):
        ElementTree.SubElement(control, "Choice", value=name, hint=hints[name])
    ElementTree.SubElement(
        view, "TextArea", name=COMMENT, toName=TEXT, rows="2", maxSubmissions="1", placeholder="comment"
    )
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def read_json(path: Path, rows: Rows, codebook: Codebook) -> Reading:
    """Read the JSON export: a list of tasks, each with its annotations (called completions in old versions)."""
    reading = Reading(path, "Label Studio JSON")
    cancelled = unread = 0
    for number, task in rows:
        try:
            data = as_object(task.get("data"), "'data'")
            annotations = as_objects(task.get("annotations", task.get("completions")), "'annotations'")
            unread += not annotations
            for annotation in annotations:
                if annotation.get("was_cancelled") or annotation.get("skipped"):
                    cancelled += 1
                else:
                    _answer(reading, number, data, *_annotation(annotation), codebook)
        except ValueError as error:
            reading.problems.append(f"{path}, row {number}: {error}")
    reading.note(cancelled, f"left out {counted(cancelled, 'annotation')} that the coder cancelled or skipped")
    reading.note(unread, f"left out {counted(unread, 'task')} that nobody coded")
    return reading


def _annotation(annotation: Row) -> tuple[list[str], Any, list[str]]:
    """Return the choices, the coder and the comments of an annotation.

    Raises:
        ValueError: The annotation does not have the format of Label Studio.
    """
    results = as_objects(annotation.get("result"), "'result'")
    answers = {str(one.get("from_name")): as_object(one.get("value"), "'value'") for one in results}
    comments = as_words(answers.get(COMMENT, {}).get("text"), "the comment")
    # Some editions of Label Studio have their own comments on annotations.
    comments += [str(one.get("text", "")) for one in as_objects(annotation.get("comments"), "'comments'")]
    who = annotation.get("completed_by")
    if isinstance(who, dict):
        who = who.get("email") or who.get("id")
    return as_words(answers.get(LABELS, {}).get("choices"), "'choices'"), who, comments


def read_flat(path: Path, rows: Rows, codebook: Codebook, kind: str) -> Reading:
    """Read the JSON-MIN or CSV export: one record per annotation, with choices as a word or as ``{"choices": [...]}``."""
    reading = Reading(path, f"Label Studio {kind}")
    unread = 0
    for number, row in rows:
        if row.get("annotation_id") in (None, ""):
            unread += 1
            continue
        try:
            chosen, comment = _values(row.get(LABELS), "choices"), _values(row.get(COMMENT), "text")
        except ValueError as error:
            reading.problems.append(f"{path}, row {number}: {error}")
            continue
        _answer(reading, number, row, chosen, row.get("annotator"), comment, codebook)
    reading.note(unread, f"left out {counted(unread, 'task')} that nobody coded")
    return reading


def _values(value: Any, key: str) -> list[str]:
    """Read an answer: empty, a word, a list, or an object with a list under `key`. In CSV, lists and objects are JSON."""
    if value in (None, ""):
        return []
    if isinstance(value, str):
        if not value.startswith(("{", "[")):
            return [value]
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return [value]  # This is a comment that begins with a bracket.
    if isinstance(value, dict):
        value = value.get(key, [])
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise ValueError(
            f"the answer is {value!r}, but it must be a word or {{{key!r}: [...]}}. Export the project again as JSON"
        )
    return [
        inner
        for part in value
        for inner in (_values(part, key) if isinstance(part, dict) else as_words(part, "the answer"))
    ]


def _answer(
    reading: Reading, number: int, data: Row, chosen: list[str], who: Any, comments: list[str], codebook: Codebook
) -> None:
    coder = reading.path.stem if who in (None, "") else str(who)
    reading.answer(number, data, chosen, codebook, coder=coder, comment="\n".join(comments).strip())
