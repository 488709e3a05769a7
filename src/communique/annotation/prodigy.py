"""Write tasks for the `choice` interface of Prodigy, and read the output of `db-out`.

Formats: https://prodi.gy/docs/api-interfaces. An annotated task has an `answer` (accept, reject or ignore) and the chosen options
in `accept`. A task of the binary interface has one `label`, which `answer` confirms or rejects.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..data.codebook import Codebook
from ..errors import DataError
from ..io.tables import Row
from ..io.write import write_jsonl
from ..reporting.format import counted
from .tasks import NONE, SENTENCE, TEXT, CodingTask, Reading, as_words, choices, need_suffix

#: Fields with the content of text boxes.
COMMENTS = ("user_input", "comment")


def write_tasks(path: Path, tasks: Sequence[CodingTask], codebook: Codebook) -> list[Path]:
    """Write tasks (JSONL) for `prodigy mark DATASET FILE --view-id choice`, and return the path."""
    need_suffix(path, (".jsonl",), "Prodigy")
    options = [{"id": name, "text": name} for name in choices(codebook)]
    style = {"choice_style": "multiple" if codebook.multilabel else "single"}

    def record(task: CodingTask) -> Row:
        fields = task.fields()
        shown: Row = {} if task.labels is None else {"accept": list(task.labels) or [NONE]}
        # Prodigy shows `meta` below the text.
        return {**fields, "options": options, "config": style, "meta": {"previous": fields["previous"]}, **shown}

    write_jsonl(path, map(record, tasks))
    return [path]


def read(path: Path, rows: Sequence[tuple[int, Row]], codebook: Codebook) -> Reading:
    """Read the output of `db-out`: accepted choices, and binary answers, which are collected per text and coder.

    Tasks that were ignored or rejected, or in which nothing was chosen, are left out, and notes report their numbers.

    Raises:
        DataError: The tasks have neither choices nor yes-or-no questions about labels, for example because spans were marked.
    """
    reading = Reading(path, "Prodigy")
    _refuse_other_interfaces(path, rows)
    skipped = {"ignore": 0, "reject": 0}
    binary: dict[tuple[str, str], tuple[int, Row, dict[str, bool]]] = {}
    for number, row in rows:
        answer = row.get("answer")
        if not isinstance(answer, str) or answer not in ("accept", "reject", "ignore"):
            reading.problems.append(
                f"{path}, row {number}: answer {answer!r:.80} is not allowed. Use accept, reject or ignore"
            )
        elif isinstance(row.get("label"), str) and "accept" not in row and "options" not in row:
            if answer == "ignore":
                skipped["ignore"] += 1
                continue
            if row["label"] not in codebook.names:
                reading.problems.append(
                    f"{path}, row {number}: unknown label {row['label']!r:.80}. Allowed: {', '.join(codebook.names)}"
                )
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
            _answer(reading, number, row, affirmed or [NONE] * codebook.multilabel, codebook)
        else:
            unfinished += 1
    reading.note_unanswered()
    ignored, rejected = counted(skipped["ignore"], "task"), counted(skipped["reject"], "task")
    reading.note(skipped["ignore"], f"left out {ignored} that the coder ignored")
    reading.note(
        skipped["reject"], f"left out {rejected} that the coder rejected, because a rejected task has no label"
    )
    reading.note(
        unfinished, f"left out {counted(unfinished, 'text')} without an answer to the yes-or-no question of every label"
    )
    return reading


def _refuse_other_interfaces(path: Path, rows: Sequence[tuple[int, Row]]) -> None:
    accepted = [row for _, row in rows if row.get("answer") == "accept"]
    if accepted and not any("accept" in row or isinstance(row.get("label"), str) for row in accepted):
        fields = sorted({name for row in accepted for name in row if not name.startswith("_")})
        raise DataError(
            f"{path}: the tasks have no field 'accept' with the chosen labels. The fields are: {', '.join(fields)}. Code the "
            "sentences in the interface 'choice' (prodigy mark DATASET FILE --view-id choice)"
        )


def _coder(row: Row, path: Path) -> str:
    return str(row.get("_annotator_id") or row.get("_session_id") or path.stem)


def _answer(reading: Reading, number: int, row: Row, chosen: list[Any], codebook: Codebook) -> None:
    comment = "\n".join(str(row[name]) for name in COMMENTS if row.get(name))
    reading.answer(number, row, chosen, codebook, coder=_coder(row, reading.path), comment=comment)
