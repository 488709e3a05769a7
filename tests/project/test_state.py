"""Tests that files of a project are read again if, and only if, they changed, and that codings are read and translated once."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import TINY, TINY_MULTICLASS
from project_helpers import code, draw

from communique.data.codebook import Codebook
from communique.errors import CodebookError
from communique.io.file_state import file_state, kept_while_unchanged
from communique.project import Project, merge, project_status
from communique.project.training import training_rows

load = kept_while_unchanged(8)(Codebook.load)


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often the codings are read and translated, and how often other files are read."""
    found: Counter[str] = Counter()

    def count(place: str, name: str) -> None:
        original: Callable[..., Any] = getattr(__import__(place, fromlist=["_"]), name)

        def counted(*given: Any, **named: Any) -> Any:
            found[name] += 1
            return original(*given, **named)

        monkeypatch.setattr(f"{place}.{name}", counted)

    count("communique.project.coding", "read_codings")
    count("communique.project.rows", "in_terms_of")
    count("communique.data.codebook", "load_yaml")
    count("communique.sampling.design", "load_json")
    return found


def coded(project: Project) -> Project:
    sample = draw(project, 30, coders=("anna", "ben"), purpose="training")
    for coder in ("anna", "ben"):
        sheet = sample.with_name(f"{sample.stem}-{coder}.csv")
        code(sheet, project.codebook, wrong=0.1 * (coder == "ben"))
        merge(project, [sheet])
    return project


def test_a_file_is_read_again_only_if_it_changed(tmp_path: Path, counts: Counter[str]) -> None:
    path = tmp_path / "codebook.yaml"
    TINY.dump(path)
    first = load(path)
    assert load(path) is first
    assert counts["load_yaml"] == 1
    TINY_MULTICLASS.dump(path)
    assert load(path).sha256 == TINY_MULTICLASS.sha256
    edited = path.read_text(encoding="utf-8").replace("multiclass", "multilabel")
    path.write_text(edited, encoding="utf-8")
    assert load(path).multilabel
    path.write_text("no codebook", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(CodebookError, match=r"codebook\.yaml"):
            load(path)


def test_a_file_of_the_same_size_and_time_is_recognised_as_another_file(tmp_path: Path) -> None:
    path, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    for each, name in ((path, "A codebook"), (other, "B codebook")):
        TINY.model_copy(update={"name": name}).dump(each)
    before = path.stat()
    assert load(path).name == "A codebook"
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)
    assert load(path).name == "B codebook"


def test_a_missing_file_has_no_state_and_the_error_of_its_type(tmp_path: Path) -> None:
    assert file_state(tmp_path / "none.yaml") is None
    with pytest.raises(CodebookError, match=r"none\.yaml"):
        load(tmp_path / "none.yaml")


def test_status_training_and_agreement_share_one_reading_and_one_translation(
    project: Project, counts: Counter[str]
) -> None:
    coded(project)
    counts.clear()
    status = project_status(project, resamples=10)
    rows = training_rows(project)
    codings = project.codings("sample-1")
    assert (counts["read_codings"], counts["in_terms_of"]) == (1, 1)
    assert status.training_rows == rows.rows
    assert status.differing == len(codings.differing()) > 0
    project_status(Project.open(project.folder), resamples=10)
    assert (counts["read_codings"], counts["in_terms_of"]) == (1, 1)


def test_what_another_program_changes_is_noticed(project: Project, counts: Counter[str]) -> None:
    coded(project)
    before, kept = project_status(project, agreement=False), project.codebook
    # Another program has an object of its own.
    other = Project.open(project.folder)
    last = other.log.read().codings[-1]
    other.log.append([last.model_copy(update={"coder": "carla"})])
    counts.clear()
    after = project_status(project, agreement=False)
    assert after.coders == {**before.coders, "carla": 1}
    assert (counts["read_codings"], counts["in_terms_of"], counts["load_json"]) == (1, 1, 0)
    labels = [label.model_dump() for label in kept.labels]
    labels[0]["name"] = "blame"
    Codebook.model_validate(kept.model_dump() | {"labels": labels}).dump(project.codebook_path)
    assert "blame" in project_status(project, agreement=False).labels
    draw(other, 5, seed=9)
    assert [sample.name for sample in project_status(project, agreement=False).samples] == ["sample-1", "sample-2"]
    # Without the old version, its codings cannot be translated any more.
    for path in (project.folder / "codebooks").glob("*.yaml"):
        path.unlink()
    project.design_path("sample-1").unlink()
    assert any("not in the project" in str(change) for change in project_status(project, agreement=False).changes)
    assert project_status(project, agreement=False).training_rows < before.training_rows


def test_the_agreement_is_measured_on_request(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    coded(project)
    assert project_status(project, resamples=10).agreement is not None
    monkeypatch.setattr("communique.project.status._agreement", None)
    assert project_status(project, agreement=False).agreement is None
