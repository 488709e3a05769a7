"""Tests of the files that record what coders saw and skipped."""

from __future__ import annotations

from pathlib import Path

from communique.project import Project, merge
from communique.project.coding import now
from communique.project.marks import Mark, MarkKind


def mark(kind: MarkKind, coder: str, id: str = "a") -> Mark:
    return Mark(kind=kind, coder=coder, id=id, sha256="0" * 64, time=now())


def test_marks_are_appended_to_one_file_per_coder(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "study")
    assert project.marks.read() == []
    given = [mark("seen", "anna"), mark("skipped", "anna", "b"), mark("seen", "Żaneta / أنا")]
    project.marks.append(given[:1])
    project.marks.append(given[1:])
    assert len(project.marks.paths()) == 2
    assert sorted(project.marks.read(), key=lambda one: one.time) == given
    # They are no codings.
    assert project.log.read().codings == []
    assert project.log.read().notes == []


def test_an_interrupted_line_does_not_swallow_the_next_one(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "study")
    project.marks.append([mark("seen", "anna")])
    [path] = project.marks.paths()
    with path.open("ab") as handle:
        handle.write(b'{"kind": "se')
    project.marks.append([mark("skipped", "anna")])
    assert [one.kind for one in project.marks.read()] == ["seen", "skipped"]


def test_merging_a_copy_adds_its_marks_once(tmp_path: Path) -> None:
    project, other = (Project.create(tmp_path / name) for name in ("study", "copy"))
    project.marks.append([mark("seen", "anna")])
    other.marks.append([mark("seen", "anna"), mark("seen", "ben"), mark("skipped", "anna")])
    for _ in range(2):
        merge(project, [other.folder])
        found = sorted((one.kind, one.coder) for one in project.marks.read())
        assert found == [("seen", "anna"), ("seen", "ben"), ("skipped", "anna")]
