"""Prodigy: tasks for the `choice` interface, and what `db-out` gives back.

Formats: https://prodi.gy/docs/api-interfaces. An annotated task has `answer` (accept, reject or ignore) and, in `accept`, the
chosen options; a task of the binary interface has one `label`, which `answer` affirms or denies.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..data.codebook import Codebook
from ..io.tables import Row
from ..io.write import write_jsonl
from .tasks import NONE, SENTENCE, TEXT, CodingTask, Reading, as_words, choices, need_suffix

#: Fields in which text boxes leave what was typed.
COMMENTS = ("user_input", "comment")


def write_tasks(path: Path, tasks: Sequence[CodingTask], codebook: Codebook) -> list[Path]:
    """Write tasks (JSONL) for `prodigy mark DATASET FILE --view-id choice`."""
    need_suffix(path, (".jsonl",), "Prodigy")
    options = [{"id": name, "text": name} for name in choices(codebook)]
    style = {"choice_style": "multiple" if codebook.multilabel else "single"}

    def record(task: CodingTask) -> Row:
        fields = task.fields()
        shown: Row = {} if task.labels is None else {"accept": list(task.labels) or [NONE]}
        # `meta` is what Prodigy shows below the text.
        return {**fields, "options": options, "config": style, "meta": {"previous": fields["previous"]}, **shown}

    write_jsonl(path, map(record, tasks))
    return [path]


def read(path: Path, rows: Sequence[tuple[int, Row]], codebook: Codebook) -> Reading:
    """Read `db-out`: accepted choices, and binary answers gathered by text and coder. Ignored and rejected tasks are told."""
    reading = Reading(path, "Prodigy")
    skipped = {"ignore": 0, "reject": 0}
    binary: dict[tuple[str, str], tuple[int, Row, dict[str, bool]]] = {}
    for number, row in rows:
        answer = row.get("answer")
        if not isinstance(answer, str) or answer not in ("accept", "reject", "ignore"):
            reading.problems.append(f"{path}, row {number}: answer {answer!r:.80}; allowed: accept, reject, ignore")
        elif isinstance(row.get("label"), str) and "accept" not in row and "options" not in row:
            if answer == "ignore":
                skipped["ignore"] += 1
                continue
            key = (str(row.get(SENTENCE) or row.get(TEXT)), _coder(row, path))
            binary.setdefault(key, (number, row, {}))[2][row["label"]] = answer == "accept"
        elif answer != "accept":
            skipped[answer] += 1
        else:
            try:
                _answer(reading, number, row, as_words(row.get("accept"), "'accept'"), codebook)
            except ValueError as error:
                reading.problems.append(f"{path}, row {number}: {error}")
    unfinished = 0
    for number, row, answers in binary.values():
        affirmed = [name for name, yes in answers.items() if yes]
        if set(codebook.names) <= set(answers) or (affirmed and not codebook.multilabel):
            _answer(reading, number, row, affirmed, codebook)
        else:
            unfinished += 1
    reading.skip(skipped["ignore"], "tasks ignored by their coder; left out")
    reading.skip(skipped["reject"], "tasks rejected by their coder, which gives no label; left out")
    reading.skip(unfinished, "texts whose yes-or-no questions were not asked for every label; left out")
    return reading


def _coder(row: Row, path: Path) -> str:
    return str(row.get("_annotator_id") or row.get("_session_id") or path.stem)


def _answer(reading: Reading, number: int, row: Row, chosen: list[Any], codebook: Codebook) -> None:
    comment = "\n".join(str(row[name]) for name in COMMENTS if row.get(name))
    reading.answer(number, row, chosen, codebook, coder=_coder(row, reading.path), comment=comment)
