"""Tests of the files to which codings are appended."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from helpers import PATIENCE, ROOT, has_facts

from communique.data.sentence import text_sha256
from communique.project.coding import Coding, CodingLog, latest

START = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def coding(number: int = 0, **changed: Any) -> Coding:
    text = f"The council approved levy {number}."
    values: dict[str, Any] = {
        "id": f"a:{number}",
        "text": text,
        "sha256": text_sha256(text),
        "document": "a",
        "labels": ("measure",),
        "coder": "anna",
        "time": START + timedelta(seconds=number),
        "codebook": "housing 1",
        "codebook_sha256": "0" * 64,
    }
    return Coding(**values | changed)


@pytest.fixture
def log(tmp_path: Path) -> CodingLog:
    return CodingLog(tmp_path / "codings")


def test_codings_are_read_back_in_order_of_time(log: CodingLog) -> None:
    made = [coding(2), coding(0, coder="Ben Öz", comment="unsure\nwhy"), coding(1, model_shown=True, labels=())]
    assert log.append(made) == 3
    found = log.read()
    assert found.codings == [made[1], made[2], made[0]]
    assert found.notes == []


def test_each_coder_has_a_file_and_no_name_leaves_the_folder(log: CodingLog) -> None:
    log.append([coding(0, coder=name) for name in ("anna", "../../anna", "Åsa Ek", "///")])
    files = sorted(path.name for path in log.folder.iterdir())
    assert len(files) == 3, "two names that differ only in characters that file names cannot have share a file"
    assert any(name.startswith("Åsa-Ek-") for name in files)
    assert {c.coder for c in log.read().codings} == {"anna", "../../anna", "Åsa Ek", "///"}


def test_another_copy_of_the_folder_appends_to_another_file(tmp_path: Path) -> None:
    one, other = CodingLog(tmp_path / "one" / "codings"), CodingLog(tmp_path / "other" / "codings")
    assert one.path("anna").name != other.path("anna").name


def test_a_later_coding_counts_and_the_earlier_one_is_kept(log: CodingLog) -> None:
    first, second = coding(), coding(labels=(), time=START + timedelta(hours=1))
    log.append([second])
    log.append([first])
    codings = log.read().codings
    assert codings == [first, second]
    assert latest(codings) == {("anna", first.sentence): second}


def test_a_torn_last_line_is_reported_and_does_not_damage_the_next_coding(log: CodingLog) -> None:
    log.append([coding(0), coding(1)])
    path = log.path("anna")
    content = path.read_bytes()
    path.write_bytes(content[:-30])
    found = log.read()
    assert found.codings == [coding(0)]
    assert has_facts(found.notes[0], path, "1 line", "line 2", "incomplete")
    log.append([coding(2)])
    assert path.read_bytes().startswith(content[:-30]), "nothing is rewritten"
    found = log.read()
    assert found.codings == [coding(0), coding(2)]
    assert has_facts(found.notes[0], "1 line", "line 2")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"id": "a:9"}', "missing"),
        ('{"id": "a:9", "sha256": "x"}', "sha256"),
        ("[1, 2]", "first: line 1"),
        ("not json", "incomplete"),
        ("\udcff", "first: line 1"),
    ],
)
def test_a_line_that_somebody_damaged_is_counted_with_its_number(log: CodingLog, line: str, reason: str) -> None:
    log.append([coding()])
    path = log.path("anna")
    path.write_bytes(line.encode("utf-8", "surrogateescape") + b"\n" + path.read_bytes())
    found = log.read()
    assert found.codings == [coding()]
    assert has_facts(found.notes[0], "1 line", "line 1", reason)


def test_unknown_keys_of_a_newer_version_are_ignored(log: CodingLog) -> None:
    log.append([coding()])
    path = log.path("anna")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"seconds": 4}) + "\n")
    assert log.read().codings == [coding()]


def test_two_processes_append_at_the_same_time_without_losing_a_line(log: CodingLog) -> None:
    code = """
import sys
from pathlib import Path
sys.path[:0] = [str(Path(sys.argv[3]) / "project"), sys.argv[3]]
from test_coding import CodingLog, coding
log = CodingLog(Path(sys.argv[1]))
for number in range(200):
    log.append([coding(number, comment=sys.argv[2] * 5000)])
"""
    arguments = [sys.executable, "-c", code, str(log.folder)]
    running = [subprocess.Popen([*arguments, name, str(ROOT / "tests")]) for name in ("x", "y")]
    assert [process.wait(PATIENCE) for process in running] == [0, 0]
    found = log.read()
    assert found.notes == []
    assert len(list(log.folder.glob("*.jsonl"))) == 1
    for name in ("x", "y"):
        assert [int(c.id[2:]) for c in found.codings if c.comment[0] == name] == list(range(200))
