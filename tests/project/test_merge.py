"""Tests of merging sheets, exports and other copies of a project."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import facts
from project_helpers import age, code, draw

from communique.errors import DataError
from communique.io.read import read_table
from communique.io.write import write_csv
from communique.project import Project, merge

Sampled = Callable[..., Path]


def sheet_of(sample: Path, coder: str = "anna") -> Path:
    return sample.with_name(f"{sample.stem}-{coder}.csv")


def test_merging_a_sheet_twice_adds_nothing(project: Project, sampled: Sampled) -> None:
    sheet = sheet_of(sampled())
    code(sheet, project.codebook)
    assert merge(project, [sheet]).added == {"anna": 60}
    before = project.log.read().codings
    again = merge(project, [sheet])
    assert (again.added, again.known) == ({}, 60)
    assert project.log.read().codings == before


def test_a_coding_records_its_sample_codebook_and_origin(project: Project, sampled: Sampled) -> None:
    sheet = sheet_of(sampled(shown=True))
    code(sheet, project.codebook)
    merge(project, [sheet])
    design = project.designs()["sample-1"]
    members = {row.id: row for row in design.rows}
    for coding in project.log.read().codings:
        member = members[coding.id]
        assert (coding.sha256, coding.index, coding.document) == (member.sha256, member.index, member.document)
        assert (coding.sample, coding.model_shown, coding.origin) == ("sample-1", True, sheet.name)
        assert coding.codebook_sha256 == project.codebook.sha256
    assert project.used_codebook(project.codebook.sha256) == project.codebook
    assert [path.stem for path in (project.folder / "codebooks").iterdir()] == [project.codebook.sha256[:12]]


def test_the_later_of_two_different_answers_counts_in_any_order(project: Project, sampled: Sampled) -> None:
    sheet = sheet_of(sampled())
    older = sheet.with_name("older.csv")
    shutil.copy(sheet, older)
    code(older, project.codebook, wrong=0.2, seed=1)
    code(sheet, project.codebook)
    age(older, 3600)
    merge(project, [sheet])
    truth = {c.id: c.labels for c in project.log.read().codings}
    merged = merge(project, [older])
    assert 0 < len(merged.conflicts) == merged.added["anna"] < 60
    for conflict in merged.conflicts:
        assert conflict.kept == truth[conflict.id] != conflict.other
    assert dict(project.codings("sample-1").labels["anna"]) == truth
    assert merge(project, [older, sheet]).added == {}


def test_an_older_sheet_that_was_only_copied_changes_nothing(project: Project, sampled: Sampled) -> None:
    sheet = sheet_of(sampled())
    code(sheet, project.codebook, wrong=0.2)
    age(sheet, 3600)
    first = sheet.with_name("first.csv")
    shutil.copy2(sheet, first)
    code(sheet, project.codebook)
    merge(project, [first])
    merge(project, [sheet])
    kept = project.codings("sample-1").labels["anna"]
    copied = sheet.with_name("copied.csv")
    shutil.copyfile(first, copied)
    age(copied, -3600)
    assert merge(project, [copied]).added == {}
    assert project.codings("sample-1").labels["anna"] == kept


def test_two_copies_of_a_project_are_merged_in_both_directions(project: Project, tmp_path: Path) -> None:
    sample = draw(project, coders=("anna", "ben"))
    copy = tmp_path / "copy"
    shutil.copytree(project.folder, copy)
    other = Project.open(copy)
    code(sheet_of(sample), project.codebook)
    merge(project, [sheet_of(sample)])
    theirs = copy / "samples" / sheet_of(sample, "ben").name
    code(theirs, other.codebook, wrong=0.1)
    merge(other, [theirs])
    # The second samples of the two copies have the same name, but different rows.
    draw(project, 10, seed=1)
    second = draw(other, 12, coders=("cleo",), seed=2)
    code(sheet_of(second, "cleo"), other.codebook)
    merge(other, [sheet_of(second, "cleo")])

    merged = merge(project, [copy])
    assert merged.added == {"ben": 60, "cleo": 12}
    assert merged.samples == ["sample-2-2"]
    assert len(project.designs()["sample-2-2"].rows) == 12
    assert {c.sample for c in project.log.read().codings} == {"sample-1", "sample-2-2"}
    assert set(project.codings("sample-1").labels) >= {"anna", "ben"}
    assert merge(project, [copy]).added == merge(project, [copy]).added == {}
    assert merge(other, [project.folder]).added == {"anna": 60}
    assert {c.line() for c in other.log.read().codings if c.coder == "ben"} == {
        c.line() for c in project.log.read().codings if c.coder == "ben"
    }
    assert merge(project, [copy]).added == {}


def test_rows_outside_every_sample_are_kept_for_training_only(project: Project, tmp_path: Path) -> None:
    table = tmp_path / "earlier.csv"
    rows = [
        {"id": f"e{i}", "document": f"d{i % 3}", "text": f"Rents rose {i}.", "labels": "criticism"} for i in range(9)
    ]
    write_csv(table, ["id", "document", "text", "labels"], rows)
    merged = merge(project, [table])
    assert merged.added == {"earlier": 9}
    assert any("9 rows in no sample" in line for line in merged.notes)
    assert [s.labels for s in project.coded_corpus().corpus] == [("criticism",)] * 9


def test_halves_of_characters_in_an_export_are_replaced(project: Project, tmp_path: Path) -> None:
    export = tmp_path / "export.jsonl"
    row = {"id": "e1", "text": "A \ud800 text.", "labels": ["criticism"], "coder": "x\ud800", "comment": "\udfff"}
    export.write_text(json.dumps(row) + "\n")
    assert merge(project, [export]).added == {"x\ufffd": 1}
    (coding,) = project.log.read().codings
    assert (coding.text, coding.comment) == ("A \ufffd text.", "\ufffd")
    assert merge(project, [export]).added == {}


def test_a_file_of_codings_names_no_sample_that_lacks_the_sentence(
    project: Project, sampled: Sampled, tmp_path: Path
) -> None:
    sheet = sheet_of(sampled())
    code(sheet, project.codebook)
    merge(project, [sheet])
    logs = list((project.folder / "codings").glob("*.jsonl"))
    other = Project.create(tmp_path / "other", codebook=tmp_path / "tiny.yaml", documents=project.documents())
    draw(other, 20, seed=5)
    inside = {row.id for row in other.designs()["sample-1"].rows}
    merge(other, logs)
    assert {c.id for c in other.log.read().codings if c.sample == "sample-1"} == inside & {
        c.id for c in project.log.read().codings
    }


def test_the_same_sheet_under_two_names_is_merged_once(project: Project, sampled: Sampled, tmp_path: Path) -> None:
    sheet = sheet_of(sampled())
    code(sheet, project.codebook, wrong=0.2)
    first, again = tmp_path / "anna-first.csv", tmp_path / "anna-again.csv"
    shutil.copy(sheet, first)
    code(sheet, project.codebook)
    shutil.copy(first, again)
    age(first, 200)
    age(sheet, 100)
    merged = merge(project, [first, sheet, again])
    assert merged.added["anna"] == 60 + len(merged.conflicts)
    log = project.log.read().codings
    assert log[-1].origin == sheet.name


def test_edited_texts_and_blank_rows_are_counted(project: Project, sampled: Sampled) -> None:
    sheet = sheet_of(sampled())
    code(sheet, project.codebook, rows=50)
    table = read_table(sheet)
    rows = [dict(row) for _, row in table.rows]
    rows[3]["text"] = "Something else entirely."
    write_csv(sheet, table.columns, rows)
    merged = merge(project, [sheet])
    assert merged.added == {"anna": 49}
    assert any("1 row with an edited" in line for line in merged.notes)
    assert any("10 rows that nobody coded" in line for line in merged.notes)


def test_a_sheet_of_an_older_codebook_is_read_with_that_codebook(project: Project, sampled: Sampled) -> None:
    sheet, old = sheet_of(sampled()), project.codebook
    code(sheet, old)
    newer = old.model_copy(update={"version": "2", "labels": old.labels[:2]})
    newer.dump(project.codebook_path)
    merge(project, [sheet])
    codings = project.log.read().codings
    assert {c.codebook_sha256 for c in codings} == {old.sha256}
    assert any("cooperation_pledge" in c.labels for c in codings)
    assert project.used_codebook(old.sha256) == old


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.csv", None, ("missing.csv", "no such file")),
        ("empty.csv", "", ("empty.csv",)),
        ("other.csv", "a,b\n1,2\n", ("other.csv", "labels")),
        ("sheet.txt", "text", ("sheet.txt", ".csv")),
        ("bad.csv", "id,text,labels\n1,Hello,nonsense\n", ("bad.csv, row 2", "nonsense")),
    ],
)
def test_unusable_files_are_refused_before_anything_is_written(
    name: str, content: str | None, message: tuple[str, ...], project: Project, sampled: Sampled, tmp_path: Path
) -> None:
    sheet, path = sheet_of(sampled()), tmp_path / name
    code(sheet, project.codebook)
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=facts(*message)):
        merge(project, [sheet, path])
    assert project.log.read().codings == []


def test_a_folder_that_is_no_project_is_refused(project: Project, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(DataError, match=facts("other", "project.yaml")):
        merge(project, [tmp_path / "other"])


def test_a_file_of_codings_keeps_its_times(project: Project, sampled: Sampled, tmp_path: Path) -> None:
    sheet = sheet_of(sampled())
    code(sheet, project.codebook)
    merge(project, [sheet])
    (path,) = (project.folder / "codings").glob("*.jsonl")
    sent = tmp_path / "from-anna.jsonl"
    lines = [json.loads(line) | {"time": "2025-01-02T03:04:05Z"} for line in path.read_text().splitlines()]
    sent.write_text("".join(json.dumps(line) + "\n" for line in lines))
    other = Project.create(tmp_path / "other", codebook=tmp_path / "tiny.yaml")
    assert merge(other, [sent]).added == {"anna": 60}
    assert {c.time.year for c in other.log.read().codings} == {2025}
    assert merge(other, [sent]).added == {}
