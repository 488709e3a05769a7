"""Test round trips through Label Studio, doccano and Prodigy: write tasks, imitate the tool's export, and read it back."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from helpers import CODEBOOK, TINY, facts, has_facts, write_rows

from communique.annotation import doccano, label_studio, prodigy
from communique.annotation.detect import read_coded
from communique.annotation.tasks import CodedRow, CodingTask, Reading, split_joined
from communique.data.codebook import Codebook
from communique.errors import DataError

SINGLE = Codebook.model_validate(
    {**CODEBOOK, "task": "multiclass", "labels": [{"name": n, "definition": n} for n in ("for", "against", "a#b")]}
)

TASKS = [
    CodingTask("doc:0", '=We condemn the blockade; "all" of it | now #1', "doc", "en", "Before."),
    CodingTask("doc:1", "إننا ندين هذا الهجوم\nوندعو إلى وقفه", "doc", "ar", "نص سابق"),
    CodingTask("007", "היום נפגשו השרים,\r\nבירושלים", "other", "he"),
    CodingTask("doc:3", "We will help, and others should too.", "doc", "en"),
    CodingTask("doc:4", "The minister arrived.", "doc", "en"),
]
#: The choices of two coders for these tasks. None: the coder skipped the task.
CHOSEN: dict[str, list[list[str] | None]] = {
    "anna": [["criticism"], ["criticism", "policy_claim"], ["none"], ["cooperation_pledge", "policy_claim"], None],
    "bob": [["criticism"], ["criticism"], ["none"], ["policy_claim", "cooperation_pledge"], ["none"]],
}
COMMENTS = {("anna", 1): "Whose attack?\nSee the line before.", ("bob", 2): 'say "hello" # | ;'}


def expected() -> dict[tuple[str, str], tuple[str, ...]]:
    return {
        (coder, task.id): () if labels == ["none"] else TINY.validate_labels(labels)
        for coder, given in CHOSEN.items()
        for task, labels in zip(TASKS, given, strict=True)
        if labels is not None
    }


def labels_of(*readings: Reading) -> dict[tuple[str, str], tuple[str, ...]]:
    assert not [p for r in readings for p in r.problems]
    return {(row.coder, row.id or ""): row.labels for r in readings for row in r.rows if row.labels is not None}


def comments_of(*readings: Reading) -> dict[tuple[str, str], str]:
    return {(row.coder, row.id or ""): row.comment for r in readings for row in r.rows if row.comment}


def texts_match(*readings: Reading) -> bool:
    texts = {task.id: " ".join(task.text.split()) for task in TASKS}
    rows: list[CodedRow] = [row for r in readings for row in r.rows]
    return all(" ".join((row.text or "").split()) == texts[row.id or ""] for row in rows)


# --- Label Studio --------------------------------------------------------------------------------------------------------


def annotate(path: Path) -> list[dict[str, Any]]:
    """Return the tasks with annotations of two coders, in the format of Label Studio. One annotation is cancelled."""
    tasks = json.loads(path.read_text(encoding="utf-8"))
    for number, task in enumerate(tasks):
        task["id"] = 900 + number
        task["annotations"] = []
        for user, (coder, given) in enumerate(CHOSEN.items()):
            labels = given[number]
            result: list[dict[str, Any]] = []
            if labels is not None:
                result.append(
                    {"from_name": "labels", "to_name": "text", "type": "choices", "value": {"choices": labels}}
                )
            if comment := COMMENTS.get((coder, number)):
                result.append(
                    {"from_name": "comment", "to_name": "text", "type": "textarea", "value": {"text": [comment]}}
                )
            task["annotations"].append(
                {
                    "id": 10 * number + user,
                    "completed_by": {"id": user, "email": coder},
                    "was_cancelled": labels is None,
                    "result": result,
                }
            )
    return list(tasks)


def minified(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Convert tasks to JSON-MIN as Label Studio does: one record per annotation, single values without a list, a new id."""
    records = []
    for task in tasks:
        for annotation in task["annotations"]:
            if annotation["was_cancelled"]:
                continue
            record = {**task["data"], "id": task["id"]}
            for result in annotation["result"]:
                value = result["value"].get("choices", result["value"].get("text"))
                if value is None:  # a taxonomy or marked spans
                    record[result["from_name"]] = [result["value"]]
                else:
                    record[result["from_name"]] = value[0] if len(value) == 1 else result["value"]
            records.append(
                record | {"annotator": annotation["completed_by"]["email"], "annotation_id": annotation["id"]}
            )
    return records


@pytest.fixture
def label_studio_export(tmp_path: Path) -> list[dict[str, Any]]:
    label_studio.write_tasks(tmp_path / "tasks.json", TASKS, TINY)
    return annotate(tmp_path / "tasks.json")


def test_label_studio_json_export_is_read(tmp_path: Path, label_studio_export: list[dict[str, Any]]) -> None:
    (tmp_path / "export.json").write_text(json.dumps(label_studio_export), encoding="utf-8")
    reading = read_coded(tmp_path / "export.json", TINY)
    assert reading.format == "Label Studio JSON"
    assert labels_of(reading) == expected()
    assert comments_of(reading) == {(c, TASKS[i].id): text for (c, i), text in COMMENTS.items()}
    assert texts_match(reading)
    assert any(has_facts(note, "1 annotation", "cancelled") for note in reading.notes)
    assert reading.rows[0].previous == "Before."


def test_label_studio_json_min_export_is_read(tmp_path: Path, label_studio_export: list[dict[str, Any]]) -> None:
    (tmp_path / "min.json").write_text(json.dumps(minified(label_studio_export)), encoding="utf-8")
    reading = read_coded(tmp_path / "min.json", TINY)
    assert reading.format == "Label Studio JSON-MIN"
    assert labels_of(reading) == expected()
    assert comments_of(reading) == {(c, TASKS[i].id): text for (c, i), text in COMMENTS.items()}


def test_label_studio_csv_export_is_read(tmp_path: Path, label_studio_export: list[dict[str, Any]]) -> None:
    records = minified(label_studio_export)
    columns = sorted({key for record in records for key in record})
    with (tmp_path / "export.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, columns, quoting=csv.QUOTE_NONNUMERIC)
        writer.writeheader()
        for record in records:
            writer.writerow(
                {k: json.dumps(v, ensure_ascii=False) if isinstance(v, dict) else v for k, v in record.items()}
            )
    reading = read_coded(tmp_path / "export.csv", TINY)
    assert reading.format == "Label Studio CSV"
    assert labels_of(reading) == expected()
    assert comments_of(reading) == {(c, TASKS[i].id): text for (c, i), text in COMMENTS.items()}
    assert texts_match(reading)


def test_label_studio_exports_with_old_field_names_and_numbered_users_are_read(tmp_path: Path) -> None:
    value = {"choices": ["criticism"]}
    task = {
        "id": 1,
        "data": TASKS[0].fields(),
        "completions": [
            {"id": 1, "completed_by": 7, "result": [{"from_name": "labels", "value": value}]},
            {"id": 2, "completed_by": 8, "skipped": True, "result": []},
            {"id": 3, "completed_by": 9, "result": [], "comments": [{"text": "unsure"}]},
        ],
    }
    (tmp_path / "old.json").write_text(json.dumps([task, {"id": 2, "data": TASKS[1].fields(), "completions": []}]))
    reading = read_coded(tmp_path / "old.json", TINY)
    assert labels_of(reading) == {("7", "doc:0"): ("criticism",)}, "no answer never means that no label applies"
    assert comments_of(reading) == {("9", "doc:0"): "unsure"}
    assert any(has_facts(note, "1 task", "nobody coded") for note in reading.notes)
    assert any(has_facts(note, "1 answer", "nothing was chosen", "'none'") for note in reading.notes)


def renamed(tasks: list[dict[str, Any]], name: str, kind: str = "choices") -> list[dict[str, Any]]:
    """Rename the control of the labels, and turn it into a taxonomy if `kind` says so."""
    for task in tasks:
        for result in (r for a in task["annotations"] for r in a["result"] if r["from_name"] == "labels"):
            result["from_name"] = name
            if kind == "taxonomy":
                paths = [["stance", label] for label in result["value"]["choices"]]
                result |= {"type": kind, "value": {kind: paths}}
    return tasks


def flat_csv(path: Path, records: list[dict[str, Any]]) -> Path:
    """Write records as the CSV export of Label Studio does: lists and objects as JSON."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, sorted({key for record in records for key in record}))
        writer.writeheader()
        writer.writerows(
            {k: json.dumps(v) if isinstance(v, (dict, list)) else v for k, v in record.items()} for record in records
        )
    return path


@pytest.mark.parametrize("kind", ["choices", "taxonomy"])
@pytest.mark.parametrize("form", ["JSON", "JSON-MIN", "CSV"])
def test_label_studio_answers_under_another_name_are_read_and_the_control_is_named(
    tmp_path: Path, label_studio_export: list[dict[str, Any]], form: str, kind: str
) -> None:
    tasks = renamed(label_studio_export, "stance", kind)
    for task in tasks:
        for annotation in task["annotations"]:
            annotation["result"].append({"from_name": "tone", "type": "choices", "value": {"choices": ["harsh"]}})
    if form == "CSV":
        path = flat_csv(tmp_path / "export.csv", minified(tasks))
    else:
        path = tmp_path / "export.json"
        path.write_text(json.dumps(tasks if form == "JSON" else minified(tasks)), encoding="utf-8")
    reading = read_coded(path, TINY)
    assert labels_of(reading) == expected()
    assert any("'stance'" in note for note in reading.notes)


@pytest.mark.parametrize("form", ["JSON", "JSON-MIN"])
def test_label_studio_answers_in_unknown_controls_are_refused(
    tmp_path: Path, label_studio_export: list[dict[str, Any]], form: str
) -> None:
    """Choices of another codebook, two controls with the labels, and marked spans: none of them is 'no label'."""
    path = tmp_path / "export.json"

    def refusal() -> str:
        path.write_text(json.dumps(tasks if form == "JSON" else minified(tasks)), encoding="utf-8")
        with pytest.raises(DataError) as error:
            read_coded(path, TINY)
        return str(error.value)

    tasks = renamed(label_studio_export, "stance")
    for task in tasks:
        for annotation in task["annotations"]:
            annotation["result"] += [
                r | {"from_name": "second"} for r in annotation["result"] if "choices" in r["value"]
            ]
    assert has_facts(refusal(), "several", "'stance'", "'second'")
    span = {"from_name": "labels", "type": "labels", "value": {"start": 0, "end": 2, "labels": ["criticism"]}}
    for task in tasks:
        for annotation in task["annotations"]:
            annotation["result"] = [span]
    assert has_facts(refusal(), "'labels'")
    for task in tasks:
        for annotation in task["annotations"]:
            annotation["result"] = [{"from_name": "tone", "type": "choices", "value": {"choices": ["harsh"]}}]
    assert has_facts(refusal(), "'tone'", "harsh", "criticism")


def test_a_taxonomy_whose_leaves_are_not_labels_is_refused(
    tmp_path: Path, label_studio_export: list[dict[str, Any]]
) -> None:
    tasks = renamed(label_studio_export, "stance", "taxonomy")
    result = next(r for t in tasks for a in t["annotations"] for r in a["result"] if r["from_name"] == "stance")
    result["value"]["taxonomy"].append(["stance"])
    (tmp_path / "export.json").write_text(json.dumps(tasks), encoding="utf-8")
    with pytest.raises(DataError, match=facts("'stance'", "no answer")):
        read_coded(tmp_path / "export.json", TINY)


def test_labels_of_a_model_among_the_fields_of_the_tasks_are_no_answers(
    tmp_path: Path, label_studio_export: list[dict[str, Any]]
) -> None:
    """A project made from the output of `communique label`: its fields include the model's labels and probabilities."""
    tasks = renamed(label_studio_export, "stance")
    for task in tasks:
        task["data"] |= {"labels": ["criticism"], "probability_criticism": 0.9}
    (tmp_path / "min.json").write_text(json.dumps(minified(tasks)), encoding="utf-8")
    with pytest.raises(DataError, match=facts("output of a model", "JSON")):
        read_coded(tmp_path / "min.json", TINY)
    (tmp_path / "full.json").write_text(json.dumps(tasks), encoding="utf-8")
    assert labels_of(read_coded(tmp_path / "full.json", TINY)) == expected()


def test_label_studio_tasks_without_annotation_are_left_out(tmp_path: Path) -> None:
    record = {**TASKS[0].fields(), "id": 1, "annotator": None, "annotation_id": None}
    (tmp_path / "min.json").write_text(json.dumps([record]))
    reading = read_coded(tmp_path / "min.json", TINY)
    assert not reading.rows
    assert any(has_facts(note, "1 task", "nobody coded") for note in reading.notes)


def test_label_studio_configuration_lists_the_choices() -> None:
    for codebook, choice, offered in (
        (TINY, "multiple", [*TINY.names, "none"]),
        (SINGLE, "single", list(SINGLE.names)),
    ):
        root = ElementTree.fromstring(label_studio.configuration(codebook))
        control = root.find("Choices")
        assert control is not None
        assert (control.get("choice"), control.get("required")) == (choice, "true")
        assert [c.get("value") for c in control] == offered
        text = root.find("Text")
        assert text is not None
        assert (text.get("value"), control.get("toName")) == ("$text", text.get("name"))


def test_model_labels_are_written_only_if_requested(tmp_path: Path) -> None:
    shown = [CodingTask("a", "t", "d", "en", labels=("criticism",)), CodingTask("b", "u", "d", "en", labels=())]
    label_studio.write_tasks(tmp_path / "l.json", shown, TINY)
    tasks = json.loads((tmp_path / "l.json").read_text(encoding="utf-8"))
    assert [t["predictions"][0]["result"][0]["value"]["choices"] for t in tasks] == [["criticism"], ["none"]]
    label_studio.write_tasks(tmp_path / "h.json", TASKS, TINY)
    assert "criticism" not in (tmp_path / "h.json").read_text(encoding="utf-8")
    for tool in (doccano, prodigy):
        tool.write_tasks(tmp_path / "s.jsonl", shown, TINY)
        tool.write_tasks(tmp_path / "h.jsonl", TASKS, TINY)
        key = "label" if tool is doccano else "accept"
        assert [json.loads(x)[key] for x in (tmp_path / "s.jsonl").read_text().splitlines()] == [
            ["criticism"],
            ["none"],
        ]
        assert all(key not in json.loads(x) for x in (tmp_path / "h.jsonl").read_text(encoding="utf-8").splitlines())


# --- doccano ---------------------------------------------------------------------------------------------------------------


def doccano_exports(tmp_path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the export of doccano by user: documents with a new id and the other fields unchanged."""
    doccano.write_tasks(tmp_path / "tasks.jsonl", TASKS, TINY)
    documents = [json.loads(line) for line in (tmp_path / "tasks.jsonl").read_text(encoding="utf-8").splitlines()]
    return {
        coder: [
            {
                "id": 50 + i,
                **document,
                "label": sorted(CHOSEN[coder][i] or []),
                "Comments": [COMMENTS[coder, i]] if (coder, i) in COMMENTS else [],
            }
            for i, document in enumerate(documents)
        ]
        for coder in CHOSEN
    }


def test_doccano_jsonl_exports_per_user_are_read(tmp_path: Path) -> None:
    readings = []
    for coder, rows in doccano_exports(tmp_path).items():
        path = tmp_path / f"{coder}.jsonl"
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        readings.append(read_coded(path, TINY))
    assert {r.format for r in readings} == {"doccano"}
    assert labels_of(*readings) == expected()
    assert comments_of(*readings) == {(c, TASKS[i].id): text for (c, i), text in COMMENTS.items()}
    assert texts_match(*readings)
    assert any(has_facts(note, "1 row", "without") for note in readings[0].notes)


def test_doccano_json_and_csv_exports_are_read(tmp_path: Path) -> None:
    rows = doccano_exports(tmp_path)["bob"]
    (tmp_path / "bob.json").write_text(json.dumps(rows), encoding="utf-8")
    with (tmp_path / "bob.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(
            {**row, "label": "#".join(row["label"]), "Comments": "#".join(row["Comments"])} for row in rows
        )
    own = {key: value for key, value in expected().items() if key[0] == "bob"}
    for name in ("bob.json", "bob.csv"):
        assert labels_of(read_coded(tmp_path / name, TINY)) == own


def test_doccano_shared_annotations_count_as_one_coder(tmp_path: Path) -> None:
    row = {"id": 1, **TASKS[0].fields(), "label": ["criticism"], "Comments": []}
    (tmp_path / "all.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    reading = read_coded(tmp_path / "all.jsonl", TINY)
    assert labels_of(reading) == {("all", "doc:0"): ("criticism",)}
    assert any("one coder" in note for note in reading.notes)


def test_doccano_labels_as_numbers_are_refused(tmp_path: Path) -> None:
    row = {"id": 1, **TASKS[0].fields(), "annotations": [{"label": 3, "user": 1}]}
    (tmp_path / "admin.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert has_facts(read_coded(tmp_path / "admin.jsonl", TINY).problems[0], "row 1", "label")


def test_joined_labels_are_split_unless_ambiguous() -> None:
    assert split_joined("for#a#b", "#", SINGLE) == ["for", "a#b"]
    ambiguous = SINGLE.model_copy(
        update={"labels": tuple(SINGLE.labels[0].model_copy(update={"name": n}) for n in ("a", "b", "a#b"))}
    )
    with pytest.raises(ValueError, match=facts("'a#b'", "several")):
        split_joined("a#b", "#", ambiguous)
    with pytest.raises(ValueError, match=facts("for#thanks")):
        split_joined("for#thanks", "#", SINGLE)


def test_a_doccano_export_without_a_field_of_labels_is_refused(tmp_path: Path) -> None:
    row = {"id": 1, **TASKS[0].fields(), "stance": ["criticism"], "Comments": []}
    (tmp_path / "anna.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=facts("'label'", "stance")):
        read_coded(tmp_path / "anna.jsonl", TINY)


# --- Prodigy ---------------------------------------------------------------------------------------------------------------


def test_prodigy_choices_are_read(tmp_path: Path) -> None:
    prodigy.write_tasks(tmp_path / "tasks.jsonl", TASKS, TINY)
    tasks = [json.loads(line) for line in (tmp_path / "tasks.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [option["id"] for option in tasks[0]["options"]] == [*TINY.names, "none"]
    rows = [
        task
        | {"answer": "ignore" if given is None else "accept", "accept": given or []}
        | ({"user_input": COMMENTS[coder, i]} if (coder, i) in COMMENTS else {})
        | {"_annotator_id": coder, "_session_id": coder, "_input_hash": i, "_task_hash": i}
        for coder in CHOSEN
        for i, (task, given) in enumerate(zip(tasks, CHOSEN[coder], strict=True))
    ]
    rows.append(rows[0] | {"answer": "reject", "_annotator_id": "carl"})
    path = tmp_path / "db-out.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    reading = read_coded(path, TINY)
    assert reading.format == "Prodigy"
    assert labels_of(reading) == expected()
    assert comments_of(reading) == {(c, TASKS[i].id): text for (c, i), text in COMMENTS.items()}
    assert texts_match(reading)
    assert [n.split(": ")[1] for n in reading.notes] == [
        "left out 1 task that the coder ignored",
        "left out 1 task that the coder rejected, because a rejected task has no label",
    ]


def test_prodigy_binary_answers_are_collected_per_text(tmp_path: Path) -> None:
    rows = [
        TASKS[0].fields() | {"label": name, "answer": "accept" if name == "criticism" else "reject", "_session_id": "s"}
        for name in TINY.names
    ]
    rows.append(TASKS[1].fields() | {"label": "criticism", "answer": "reject", "_session_id": "s"})
    path = tmp_path / "binary.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    reading = read_coded(path, TINY)
    assert labels_of(reading) == {("s", "doc:0"): ("criticism",)}
    assert any(has_facts(note, "1 text", "yes-or-no") for note in reading.notes)


# --- all of them -------------------------------------------------------------------------------------------------------------


def test_none_combined_with_a_label_is_an_error(tmp_path: Path) -> None:
    row = {"id": 1, **TASKS[0].fields(), "label": ["criticism", "none"], "Comments": []}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert has_facts(read_coded(tmp_path / "a.jsonl", TINY).problems[0], "row 1:", "'none'", "criticism")


@pytest.mark.parametrize("tool", [label_studio, doccano, prodigy])
def test_suffixes_that_a_tool_cannot_import_are_refused(tmp_path: Path, tool: Any) -> None:
    with pytest.raises(DataError, match="must end in"):
        tool.write_tasks(tmp_path / "tasks.txt", TASKS, TINY)


def test_other_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('[{"a": 1}]')
    with pytest.raises(DataError, match="not an export of Label Studio"):
        read_coded(tmp_path / "x.json", TINY)
    (tmp_path / "y.json").write_text('{"a": ')
    with pytest.raises(DataError, match="not JSON"):
        read_coded(tmp_path / "y.json", TINY)


def test_prodigy_answers_without_a_choice_are_left_out_and_counted(tmp_path: Path) -> None:
    row = {**TASKS[0].fields(), "answer": "accept", "_task_hash": 1}
    path = write_rows(tmp_path / "out.jsonl", [row | {"accept": []}, row | {"accept": ["none"], "_annotator_id": "b"}])
    reading = read_coded(path, TINY)
    assert labels_of(reading) == {("b", TASKS[0].id): ()}
    assert any(has_facts(note, "1 answer", "nothing was chosen", "'none'") for note in reading.notes)


def test_prodigy_tasks_of_other_interfaces_are_refused(tmp_path: Path) -> None:
    row = {**TASKS[0].fields(), "answer": "accept", "_task_hash": 1}
    for fields in ({"spans": [{"start": 0, "end": 2, "label": "criticism"}]}, {"cats": {"criticism": 1.0}}):
        with pytest.raises(DataError, match=facts("'accept'", next(iter(fields)))):
            read_coded(write_rows(tmp_path / "out.jsonl", [row | fields]), TINY)
    reading = read_coded(write_rows(tmp_path / "out.jsonl", [row | {"label": "praise"}]), TINY)
    assert has_facts(reading.problems[0], "row 1", "'praise'")
