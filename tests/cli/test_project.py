"""Tests of `communique init`, `merge` and `status`, and of other commands in the folder of a project."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from helpers import TINY, has_facts, predictions, run, succeed
from project_helpers import code, draw

from communique.project import Project


@pytest.fixture
def study(tmp_path: Path) -> Path:
    TINY.dump(tmp_path / "tiny.yaml")
    table = predictions(tmp_path / "labelled.jsonl")
    succeed("init", tmp_path / "study", "--codebook", tmp_path / "tiny.yaml", "--documents", table)
    return tmp_path / "study"


def test_init_creates_a_project_and_says_what_to_do(tmp_path: Path) -> None:
    made = succeed("init", tmp_path / "housing")
    assert (tmp_path / "housing" / "project.yaml").is_file()
    assert has_facts(made.output, "housing", "codebook.yaml", "edit")


def test_init_refuses_an_existing_project_and_changes_nothing(study: Path) -> None:
    before = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    again = run("init", study)
    assert again.exit_code == 2
    assert has_facts(again.output, "error:", "study", "already a project")
    assert {path: path.read_bytes() for path in study.rglob("*") if path.is_file()} == before


def test_status_and_merge_need_a_project(tmp_path: Path) -> None:
    for arguments in (("status", tmp_path), ("merge", tmp_path / "x.csv", "--project", tmp_path)):
        refused = run(*arguments)
        assert refused.exit_code == 1
        assert has_facts(refused.output, "error:", "project.yaml", "communique init")


def test_merge_prints_what_was_added_and_which_answers_differ(study: Path) -> None:
    project = Project.open(study)
    sheet = draw(project, 30).with_name("sample-1-anna.csv")
    code(sheet, project.codebook, wrong=0.3)
    assert has_facts(succeed("merge", sheet, "--project", study).stdout, "anna: 30 new codings")
    code(sheet, project.codebook)
    second = succeed("merge", sheet, "--project", study)
    assert has_facts(second.stdout, "different answers of the same coder", "replaces", "already in the project")
    assert "no new codings" in succeed("merge", sheet, "--project", study).stdout


def test_merge_warns_of_a_changed_codebook(study: Path) -> None:
    project = Project.open(study)
    sheet = draw(project, 30).with_name("sample-1-anna.csv")
    code(sheet, project.codebook)
    changed = project.codebook.model_copy(update={"labels": project.codebook.labels[:2]})
    changed.dump(project.codebook_path)
    merged = succeed("merge", sheet, "--project", study)
    assert has_facts(merged.stderr, "warning: 30 codings", "tiny 1", "'cooperation_pledge' was removed")
    assert has_facts(succeed("status", study).stdout, "another codebook", "'cooperation_pledge' was removed")


def test_status_as_json(study: Path) -> None:
    found = json.loads(succeed("status", study, "--json").stdout)
    assert found["name"] == "study"
    assert found["next"]["command"].startswith("communique sample")


def test_texts_and_names_are_never_terminal_codes(study: Path, tmp_path: Path) -> None:
    table = tmp_path / "evil.jsonl"
    row = {"id": "e\x1b[2J", "text": "A \x1b[31m text.", "labels": ["criticism"], "coder": "x\x1b[2J"}
    table.write_text(json.dumps(row) + "\n")
    assert "\x1b" not in succeed("merge", table, "--project", study).output
    assert "\x1b" not in succeed("status", study).output
    table.write_text(json.dumps(row | {"labels": ["policy_claim"]}) + "\n")
    changed = succeed("merge", table, "--project", study)
    assert "replaces" in changed.output
    assert "\x1b" not in changed.output


def test_two_coders_work_on_copies_and_merge(study: Path, tmp_path: Path) -> None:
    project = Project.open(study)
    sample = draw(project, 60, coders=("anna", "ben"))
    shutil.copytree(study, tmp_path / "copy")
    other = Project.open(tmp_path / "copy")
    for where, coder in ((project, "anna"), (other, "ben")):
        sheet = where.folder / "samples" / f"{sample.stem}-{coder}.csv"
        code(sheet, where.codebook, wrong=0.05 if coder == "ben" else 0)
        succeed("merge", sheet, "--project", where.folder)
    assert "ben: 60 new codings" in succeed("merge", tmp_path / "copy", "--project", study).stdout
    assert has_facts(succeed("status", study).stdout, "anna 60, ben 60", "Krippendorff")
