"""Write tasks and the labelling configuration for Label Studio, and read its JSON, JSON-MIN and CSV exports.

Formats: https://labelstud.io/guide/task_format, https://labelstud.io/guide/export and `label_studio_sdk.converter`. In
JSON-MIN and CSV, the tool's own `id` would overwrite a field `id` of a task. The field is therefore called `sentence_id`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ..data.codebook import Codebook
from ..data.predictions_schema import prediction_columns
from ..errors import DataError
from ..io.atomic import replacing
from ..io.tables import Row
from ..reporting.format import counted
from .controls import CHOICES, LABELS, TAXONOMY, Answer, find_control, leaves
from .tasks import (
    COMPANIONS,
    FIELDS,
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

#: Name of the control for comments in the labelling configuration, which is also the name of the comments in exports.
COMMENT = "comment"

#: Columns that JSON-MIN and CSV exports add to the fields of the task and the answers.
_META = frozenset(("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", COMMENT))

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
    """Read the JSON export: a list of tasks, each with its annotations (called completions in old versions).

    Raises:
        DataError: No control of the project contains the labels (see `controls.find_control`).
    """
    reading = Reading(path, "Label Studio JSON")
    cancelled = unread = 0
    found: list[tuple[int, Row, _Annotation]] = []
    for number, task in rows:
        try:
            data = as_object(task.get("data"), "'data'")
            annotations = as_objects(task.get("annotations", task.get("completions")), "'annotations'")
            unread += not annotations
            # Pre-annotations: the tool showed the labels of a model, and coders only had to confirm them.
            reading.model_shown |= bool(task.get("predictions"))
            for annotation in annotations:
                if annotation.get("was_cancelled") or annotation.get("skipped"):
                    cancelled += 1
                else:
                    found.append((number, data, _annotation(annotation)))
        except ValueError as error:
            reading.problems.append(f"{path}, row {number}: {error}")
    controls: dict[str, list[Answer]] = {}
    for _, _, given in found:
        for name, answer in given.answers.items():
            controls.setdefault(name, []).append(answer)
    control = find_control(reading, {name: said for name, said in controls.items() if name != COMMENT}, codebook)
    for number, data, given in found:
        chosen = given.answers.get(control or "", Answer())
        _answer(reading, number, data, chosen, given.coder, given.comments, codebook)
    reading.note(cancelled, f"left out {counted(cancelled, 'annotation')} that the coder cancelled or skipped")
    reading.note(unread, f"left out {counted(unread, 'task')} that nobody coded")
    reading.note_unanswered(control)
    return reading


@dataclass(frozen=True)
class _Annotation:
    """The answers of one coder to one task, by the name of the control, and the coder's name and comments."""

    answers: Mapping[str, Answer]
    coder: Any
    comments: list[str]


def _annotation(annotation: Row) -> _Annotation:
    """Read an annotation.

    Raises:
        ValueError: The annotation does not have the format of Label Studio.
    """
    answers: dict[str, Answer] = {}
    comments: list[str] = []
    for result in as_objects(annotation.get("result"), "'result'"):
        name, value = str(result.get("from_name")), as_object(result.get("value"), "'value'")
        if name == COMMENT and "text" in value:
            comments += as_words(value["text"], "the comment")
        else:
            answers[name] = answers.get(name, Answer()) + _choices(value, str(result.get("type") or ""))
    # Some editions of Label Studio have their own comments on annotations.
    comments += [str(one.get("text", "")) for one in as_objects(annotation.get("comments"), "'comments'")]
    who = annotation.get("completed_by")
    if isinstance(who, dict):
        who = who.get("email") or who.get("id")
    return _Annotation(answers, who, comments)


def _choices(value: Row, kind: str) -> Answer:
    """Return what was chosen in a control. Controls other than choices and taxonomies cannot contain labels of a sentence.

    Raises:
        ValueError: The choices are not words.
    """
    if TAXONOMY in value:
        return Answer(tuple(leaves(value[TAXONOMY])))
    if CHOICES in value:
        return Answer(tuple(as_words(value[CHOICES], "'choices'")))
    # The values of other controls, such as marked spans, are shown if no control contains the labels.
    return Answer(other=kind or ", ".join(map(str, value)) or "without a value")


def read_flat(path: Path, rows: Rows, codebook: Codebook, kind: str) -> Reading:
    """Read the JSON-MIN or CSV export: one record per annotation, with choices as a word or as ``{"choices": [...]}``.

    Raises:
        DataError: No control of the project contains the labels (see `controls.find_control`).
    """
    reading = Reading(path, f"Label Studio {kind}")
    unread = sum(row.get("annotation_id") in (None, "") for _, row in rows)
    rows = [(number, row) for number, row in rows if row.get("annotation_id") not in (None, "")]
    columns = dict.fromkeys(name for _, row in rows for name in row)
    # These exports mix answers with the fields of the task, among which may be the labels of a model.
    if prediction_columns(columns) and LABELS in columns:
        raise DataError(
            f"{path}: the tasks contain the output of a model, and this export does not distinguish it from the answers of "
            "coders. Export the project again as JSON"
        )
    controls: dict[str, list[Answer]] = {}
    for name in columns:
        if name not in _META and name not in FIELDS:
            controls[name] = [_flat_answer(row.get(name)) for _, row in rows]
    control = find_control(reading, controls, codebook, mixed=True)
    for number, row in rows:
        try:
            chosen = Answer() if control is None else Answer(tuple(_values(row.get(control))))
            comment = _values(row.get(COMMENT), "text")
        except ValueError as error:
            reading.problems.append(f"{path}, row {number}: {error}")
            continue
        _answer(reading, number, row, chosen, row.get("annotator"), comment, codebook)
    reading.note(unread, f"left out {counted(unread, 'task')} that nobody coded")
    reading.note_unanswered(control)
    return reading


def _flat_answer(value: Any) -> Answer:
    """Return what a column of a flat export contains. Texts, numbers and other fields are no choices."""
    try:
        chosen = tuple(_values(value))
    except ValueError:
        return Answer(other="another type")
    return Answer(chosen)


def _values(value: Any, key: str = CHOICES) -> list[str]:
    """Read an answer: empty, a word, a list, or an object with a list under `key`. In CSV, lists and objects are JSON.

    The value of a taxonomy is read as the last word of each path.

    Raises:
        ValueError: The value has another type.
    """
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
        if key == CHOICES and TAXONOMY in value:
            return leaves(value[TAXONOMY])
        if key not in value:
            raise ValueError(f"the answer {value!r:.80} has no {key!r}. Export the project again as JSON")
        value = value[key]
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise ValueError(
            f"the answer is {value!r:.80}, but it must be a word or {{{key!r}: [...]}}. Export the project again as JSON"
        )
    if any(isinstance(part, list) for part in value):
        return leaves(value)
    return [
        inner
        for part in value
        for inner in (_values(part, key) if isinstance(part, dict) else as_words(part, "the answer"))
    ]


def _answer(
    reading: Reading, number: int, data: Row, chosen: Answer, who: Any, comments: list[str], codebook: Codebook
) -> None:
    coder = reading.path.stem if who in (None, "") else str(who)
    reading.answer(number, data, chosen.chosen, codebook, coder=coder, comment="\n".join(comments).strip())
