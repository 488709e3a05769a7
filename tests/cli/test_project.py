"""Tests of `communique init`, `merge` and `status`, and of other commands in the folder of a project."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers import TINY, has_facts, predictions, run, succeed
from project_helpers import code, draw

from communique.io.read import read_table
from communique.io.write import write_csv
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


def test_merge_without_any_coding_fails(study: Path) -> None:
    project = Project.open(study)
    sheet = draw(project, 30).with_name("sample-1-anna.csv")
    blank = run("merge", sheet, "--project", study)
    assert blank.exit_code == 1
    assert has_facts(blank.output, "error:", "no codings", "none")
    code(sheet, project.codebook)
    rows = [row | {"text": ""} for _, row in read_table(sheet).rows]
    write_csv(sheet, list(rows[0]), rows)
    edited = run("merge", sheet, "--project", study)
    assert edited.exit_code == 1
    assert has_facts(edited.output, "left out 30 rows", "error:", "no codings")


def test_merge_warns_of_coders_whose_names_differ_in_case_or_spaces(study: Path) -> None:
    project = Project.open(study)
    sheets = [draw(project, 30, seed=i, coders=(name,)) for i, name in enumerate(("anna", "Anna"))]
    for sheet, name in zip(sheets, ("anna", "Anna"), strict=True):
        code(sheet.with_name(f"{sheet.stem}-{name}.csv"), project.codebook)
    merged = [
        succeed("merge", path, "--project", study).output for path in sorted((study / "samples").glob("*nna.csv"))
    ]
    assert "count as different coders" not in merged[0]
    assert has_facts(merged[1], "warning:", "'Anna' and 'anna'", "count as different coders")


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


def test_the_walk_from_a_codebook_to_an_estimate(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study)
    project = Project.open()
    drawn = succeed("sample", "-n", 60, "--coder", "anna", "--coder", "ben", "--format", "sheet", "-o", "samples/s.csv")
    assert has_facts(drawn.stderr, "project study: communique sample ../labelled.jsonl", "--codebook codebook.yaml")
    assert has_facts(drawn.stderr, "-n 60 --coder anna --coder ben", "-o samples/s.csv")
    for coder, wrong in (("anna", 0.0), ("ben", 0.05)):
        code(Path(f"samples/s-{coder}.csv"), project.codebook, wrong=wrong, seed=1)
    assert "communique merge samples/s-anna.csv samples/s-ben.csv" in succeed("status").stdout
    succeed("merge", "samples/s-anna.csv", "samples/s-ben.csv")
    assert "Next: communique agree" in succeed("status").stdout
    agreed = succeed("agree")
    assert has_facts(agreed.output, "s-adjudication.xlsx", "communique merge", "Krippendorff")
    assert "communique agree again" not in agreed.output, "advice for loose files"
    assert agreed.output.rstrip().endswith("communique merge samples/s-adjudication.xlsx")
    refused = run("estimate")
    assert refused.exit_code == 1
    assert "differ" in refused.output or "disagree" in refused.output
    _adjudicate(Path("samples/s-adjudication.xlsx"), Path("decided.csv"))
    succeed("merge", "decided.csv")
    assert "Next: communique estimate" in succeed("status").stdout
    succeed("agree", "--gold", "gold.csv")
    estimated = succeed("estimate", "--target", "finite-population")
    assert "estimates/estimates-1" in estimated.stderr
    methods = (study / "estimates" / "estimates-1" / "methods.md").read_text(encoding="utf-8")
    assert "Krippendorff" in methods
    assert "estimates-1/report.html" in estimated.stderr


def _adjudicate(sheet: Path, out: Path) -> None:
    """Decide on each difference as the first coder did."""
    table = read_table(sheet)
    rows = []
    for _, row in table.rows:
        chosen = str(row["anna said"]).split("|")
        rows.append({**row, **{name: "yes" if name in chosen else "no" for name in TINY.names}})
    write_csv(out, table.columns, rows)


def test_loose_files_are_used_as_always_in_the_folder_of_a_project(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(study)
    table = study.parent / "labelled.jsonl"
    made = succeed("sample", table, "-n", 20, "-o", "mine.csv", "--codebook", "codebook.yaml")
    assert "project study" not in made.output
    assert Path("mine.csv").is_file()
    assert not list(Path("samples").iterdir())


def test_a_project_elsewhere_is_named_with_an_option(study: Path) -> None:
    drawn = succeed("sample", "--project", study, "-n", 20)
    # The command that is printed can be run as it is, so it does not contain --project.
    assert has_facts(drawn.stderr, "sample-1.xlsx -n 20")
    assert (study / "samples" / "sample-1.xlsx").is_file()
    both = run("sample", study.parent / "labelled.jsonl", "--project", study, "-n", 20)
    assert both.exit_code == 2
    assert has_facts(both.output, "--project", "input")
    wrong = run("sample", "--project", study.parent, "-n", 20)
    assert wrong.exit_code == 1
    assert has_facts(wrong.output, "project.yaml", "communique init")


@pytest.mark.parametrize("command", ["sample", "agree", "train", "label", "estimate"])
def test_outside_a_project_the_input_is_required(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    missing = run(command)
    assert missing.exit_code == 2
    assert "Missing argument" in missing.output
    assert "--project" in succeed(command, "--help").output


def test_of_several_processes_only_the_first_one_prints_what_a_project_provides(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("accelerate")
    project = Project.open(study)
    sheet = draw(project, 60, purpose="training").with_name("sample-1-anna.csv")
    code(sheet, project.codebook)
    succeed("merge", sheet, "--project", study)
    monkeypatch.setattr("communique.training.run.train", lambda recipe, out, **_: out)
    monkeypatch.setattr(
        "communique.models.folder.read_info", lambda *_: SimpleNamespace(kind="checkpoint", warnings=())
    )
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in (0, 1):
        monkeypatch.setenv("RANK", str(rank))
        said = succeed("train", "--project", study).output
        if rank:
            assert said == ""
        else:
            assert has_facts(said, "model-1.rows.jsonl", "2 processes", "checkpoint: ", "communique label")
