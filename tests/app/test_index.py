"""Tests that the index of a project follows its files: documents, samples, labels and codings that are appended or edited."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from app_study import code_study, create_study, study_rows
from helpers import TINY, facts, has_facts, succeed, write_rows
from project_helpers import draw
from sqlalchemy import Connection, create_engine, func, select, text
from sqlalchemy.exc import DatabaseError

import communique.app.coding_index
from communique.app.coding import Desk, Given
from communique.app.coding_index import index_codings
from communique.app.context import OpenProject
from communique.app.index_errors import describe_index_error, error_name, is_damaged, is_of_index
from communique.app.indexing import is_current, rebuild
from communique.app.store import APP_FOLDER, CODINGS, INDEX_FILE, MEMBERS, PREDICTIONS, SEEN, SENTENCES, SKIPPED, Store
from communique.errors import DataError
from communique.project import Project
from communique.project.layout import PROJECT_FILE
from communique.sampling.population import display_sha256


@pytest.fixture
def project(tmp_path: Path) -> Project:
    TINY.dump(tmp_path / "tiny.yaml")
    return create_study(tmp_path / "study", codebook=tmp_path / "tiny.yaml")


def labels_of(store: Store) -> dict[tuple[str, str], list[str]]:
    """Return the latest labels in the index by coder and id."""
    with store.reading() as connection:
        return {(row.coder, row.id): row.labels for row in connection.execute(select(CODINGS))}


def test_rebuilding_reads_the_present_documents(project: Project, opened: OpenProject) -> None:
    assert opened.store.count() == 24
    assert is_current(project, opened.store)
    rows = study_rows()
    [document] = project.documents()
    write_rows(document, [*rows[1:], rows[0] | {"id": "new", "document": "new", "text": "A new sentence."}])
    assert not is_current(project, opened.store)
    rebuild(project, opened.store)
    assert is_current(project, opened.store)
    # The sentence that was removed is still a member of the sample, which the documents no longer contain.
    assert opened.store.count() == 24
    first = rebuild(project, opened.store)
    assert rebuild(project, opened.store) == first


def test_answers_are_recorded_while_the_index_is_built(
    project: Project, opened: OpenProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("communique.app.store.PATIENCE", 0.1)
    monkeypatch.setattr("communique.app.indexing._BATCH", 5)
    other = Store(project.folder)
    desk, found = Desk(project, other), []

    def meanwhile(text: str) -> str:
        """Answer in another process, so to speak, whenever the text of a sentence is hashed."""
        if (sentence := desk.next("anna", "sample-1")) is not None:
            desk.answer(Given("anna", "sample-1", sentence.key, ["criticism"]))
            found.append((other.count(), desk.progress("anna", "sample-1").own))
        return display_sha256(text)

    monkeypatch.setattr("communique.app.indexing.display_sha256", meanwhile)
    [document] = project.documents()
    write_rows(document, study_rows()[2:])
    rebuild(project, opened.store)
    # Until the new index is complete, the other process sees the old one.
    assert found == [(24, number + 1) for number in range(24)]
    assert (other.count(), desk.progress("anna", "sample-1").own) == (22, 22)
    assert len(project.log.read().codings) == 24
    other.close()


def test_what_an_interrupted_process_left_behind_is_deleted(
    project: Project, opened: OpenProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(Exception):
        pass

    def stop(*_: object) -> None:
        raise Stopped

    draw(project, 5, seed=1)
    with monkeypatch.context() as patch:
        patch.setattr("communique.app.indexing._add_predictions", stop)
        with pytest.raises(Stopped):
            rebuild(project, opened.store)
    assert not is_current(project, opened.store)
    assert opened.store.count() == 24
    for _ in range(2):
        rebuild(project, opened.store)
        assert opened.store.count() == 24
    with opened.store.reading() as connection:
        names = set(
            connection.scalars(text("SELECT name FROM sqlite_master WHERE name LIKE 'next%' OR name LIKE 'former%'"))
        )
        indexed = connection.scalar(
            text(
                "SELECT COUNT(*) FROM sqlite_master WHERE type = 'index' AND tbl_name = 'sentence' AND sql IS NOT NULL"
            )
        )
    assert names == set()
    assert indexed == 3


def test_a_new_sample_makes_the_index_out_of_date(project: Project, opened: OpenProject) -> None:
    draw(project, 5, seed=1)
    assert not is_current(project, opened.store)
    rebuild(project, opened.store)
    with opened.store.reading() as connection:
        members = connection.execute(select(MEMBERS.c.sample, func.count().label("n")).group_by(MEMBERS.c.sample))
        assert {row.sample: row.n for row in members} == {"sample-1": 24, "sample-2": 5}


def relabelled(project: Project) -> None:
    """Add a label to the codebook, and rename another one."""
    codebook = project.codebook
    first, *rest = codebook.labels
    renamed = first.model_copy(update={"name": "renamed"})
    added = first.model_copy(update={"name": "added"})
    codebook.model_copy(update={"labels": (renamed, *rest, added)}).dump(project.codebook_path)


@pytest.mark.parametrize("with_probabilities", [True, False])
def test_labels_of_a_model_for_another_label_set_do_not_keep_samples_out(
    project: Project, opened: OpenProject, with_probabilities: bool
) -> None:
    rows = [
        row if with_probabilities else {name: value for name, value in row.items() if name != "probabilities"}
        for row in study_rows()
    ]
    (project.folder / "labelled").mkdir(exist_ok=True)
    write_rows(project.folder / "labelled" / "model-1.jsonl", rows)
    assert rebuild(project, opened.store) == []
    relabelled(project)
    draw(project, 5, seed=1)
    notes = rebuild(project, opened.store)
    assert is_current(project, opened.store)
    assert opened.desk.progress("anna", "sample-2").total == 5
    with opened.store.reading() as connection:
        n = connection.scalar(select(func.count()).select_from(PREDICTIONS))
    if with_probabilities:
        assert (n, notes) == (24, [])
    else:
        assert n == 0
        assert has_facts(notes[0], "model-1.jsonl", "left out", "criticism")


def test_another_label_set_makes_the_index_out_of_date(project: Project, opened: OpenProject) -> None:
    relabelled(project)
    assert not is_current(project, opened.store)
    rebuild(project, opened.store)
    assert is_current(project, opened.store)
    # Nothing can be built until the codebook is corrected, so that trying again is of no use.
    project.codebook_path.write_text("labels: []\n", encoding="utf-8")
    assert is_current(project, opened.store)


def test_documents_that_are_added_to_project_yaml_are_indexed_once(project: Project, opened: OpenProject) -> None:
    rows = [row | {"id": f"new-{row['id']}", "document": f"new-{row['document']}"} for row in study_rows()]
    table = write_rows(project.folder / "more.jsonl", rows)
    [document] = project.documents()
    listed = project.file.model_copy(update={"documents": (str(document.resolve()), str(table.resolve()))})
    listed.dump(project.folder)
    assert opened.project.documents() == [document.resolve(), table.resolve()]
    assert not is_current(opened.project, opened.store)
    # A process of its own opens the project again.
    rebuild(Project.open(project.folder), opened.store)
    assert is_current(opened.project, opened.store)
    assert opened.store.count() == 48
    (project.folder / PROJECT_FILE).write_text("documents: 7\n", encoding="utf-8")
    assert is_current(opened.project, opened.store)
    with pytest.raises(DataError, match=PROJECT_FILE):
        opened.project.documents()


@pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_index_is_built_again(project: Project, content: bytes) -> None:
    code_study(project, "anna", n=3)
    store = Store(project.folder)
    rebuild(project, store)
    desk = Desk(project, store)
    seen, skipped = ((row["id"], display_sha256(row["text"])) for row in study_rows()[:2])
    assert desk.suggest("anna", "all", seen) is not None
    desk.skip("ben", "all", skipped)
    store.close()
    for suffix in ("-wal", "-shm"):
        store.path.with_name(INDEX_FILE + suffix).unlink(missing_ok=True)
    store.path.write_bytes(content)
    again = Store(project.folder)
    assert not is_current(project, again)
    rebuild(project, again)
    assert (again.count(), len(labels_of(again))) == (24, 3)
    for table, coder, key in ((SEEN, "anna", seen), (SKIPPED, "ben", skipped)):
        assert again.is_marked(table, coder, key)
        assert not again.is_marked(table, "carla", key)
    assert Desk(project, again).progress("ben", "all").skipped == 1
    again.close()


def test_an_index_that_cannot_be_used_now_is_not_deleted(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(project.folder).close()
    monkeypatch.setattr("communique.app.store.PATIENCE", 0)
    path = project.folder / APP_FOLDER / INDEX_FILE
    holder = sqlite3.connect(path, isolation_level=None)
    for command in ("PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE"):
        holder.execute(command)
    inode = path.stat().st_ino
    with pytest.raises(DataError, match=facts("locked", "Another process")):
        Store(project.folder)
    holder.close()
    assert path.stat().st_ino == inode
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match=facts("unable to open", ".app", "read and write")):
        Store(project.folder)
    assert path.is_dir()


def on_disk(path: Path, *commands: str) -> DatabaseError:
    """Return the error that SQLite reports for the last of some commands."""
    engine = create_engine(f"sqlite:///{path}")
    try:
        with engine.connect() as connection:
            for command in commands:
                connection.exec_driver_sql(command)
    except DatabaseError as error:
        return error
    finally:
        engine.dispose()
    raise AssertionError(commands)


def test_each_error_of_the_index_has_its_own_advice(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    growing = ("CREATE TABLE t (x)", "PRAGMA max_page_count = 3", "INSERT INTO t VALUES (randomblob(100000))")
    full = on_disk(path, *growing)
    read_only = on_disk(path, "PRAGMA query_only = ON", "INSERT INTO t VALUES (1)")
    missing = on_disk(tmp_path / "no folder" / "a.sqlite", "SELECT 1")
    other = on_disk(path, "SELECT * FROM no_table")
    path.write_bytes(b"not a database" * 100)
    damaged = on_disk(path, "SELECT * FROM sqlite_master")
    for error, name, advice in (
        (full, "SQLITE_FULL", "disk space"),
        (read_only, "SQLITE_READONLY", "permissions"),
        (missing, "SQLITE_CANTOPEN", "exists"),
        (other, "SQLITE_ERROR", "delete the file index.sqlite"),
        (damaged, "SQLITE_NOTADB", "delete the file index.sqlite"),
    ):
        assert error_name(error) == name
        assert str(error.orig) in describe_index_error(error)
        assert advice in describe_index_error(error)
        assert is_of_index(error)
        assert is_damaged(error) == (error is damaged)


def test_only_appended_lines_are_read(project: Project, opened: OpenProject) -> None:
    code_study(project, "anna", n=4)
    assert index_codings(opened.store, project.log) == 4
    assert index_codings(opened.store, project.log) == 0
    code_study(project, "anna", n=2, wrong=(0,))
    assert index_codings(opened.store, project.log) == 2
    code_study(project, "ben", n=3)
    assert index_codings(opened.store, project.log) == 3
    assert len(labels_of(opened.store)) == 7


def test_a_file_that_another_thread_has_indexed_meanwhile_is_not_read_again(
    project: Project, opened: OpenProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    code_study(project, "anna", n=4)
    assert index_codings(opened.store, project.log) == 4
    other, writing = Store(project.folder), opened.store.writing

    def late() -> AbstractContextManager[Connection]:
        """Let another thread append and index before this one may write."""
        code_study(project, "anna", n=6)
        assert index_codings(other, project.log) == 8
        return writing()

    code_study(project, "anna", n=2)
    monkeypatch.setattr(opened.store, "writing", late)
    assert index_codings(opened.store, project.log) == 0
    other.close()


def test_files_to_which_nothing_was_appended_are_not_opened(
    project: Project, opened: OpenProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    for coder in ("anna", "ben", "carla"):
        code_study(project, coder, n=2)
    index_codings(opened.store, project.log)
    read: list[str] = []
    index = communique.app.coding_index._index_file

    def record(connection: Connection, path: Path, before: Any) -> int:
        read.append(path.name)
        return index(connection, path, before)

    monkeypatch.setattr("communique.app.coding_index._index_file", record)
    code_study(project, "ben", n=1)
    assert index_codings(opened.store, project.log) == 1
    assert read == [project.log.path("ben").name]


def test_a_line_that_is_being_written_is_read_when_it_is_complete(project: Project, opened: OpenProject) -> None:
    code_study(project, "anna", n=3)
    [path] = project.log.folder.glob("*.jsonl")
    content = path.read_bytes()
    path.write_bytes(content[:-20])
    assert index_codings(opened.store, project.log) == 2
    with path.open("ab") as handle:
        handle.write(content[-20:])
    assert index_codings(opened.store, project.log) == 1
    assert len(labels_of(opened.store)) == 3


@pytest.mark.parametrize("length", ["same", "shorter", "longer", "longer and appended"])
def test_a_file_that_was_edited_in_place_is_read_again(project: Project, opened: OpenProject, length: str) -> None:
    code_study(project, "anna", n=4)
    index_codings(opened.store, project.log)
    [path] = project.log.folder.glob("*.jsonl")
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    edited, size = lines[1], path.stat().st_size
    comment = {"same": "", "shorter": ""}.get(length, "a long comment " * 5)
    edited |= {"labels": ["criticism"], "comment": comment}
    del edited["origin"]
    content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    if length == "same":
        content += " " * (size - 1 - len(content.encode())) + "\n"
    elif length == "longer and appended":
        content += json.dumps(lines[0] | {"coder": "ben"}, ensure_ascii=False) + "\n"
    with path.open("r+b") as handle:
        handle.write(content.encode())
        handle.truncate()
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert (path.stat().st_size == size) == (length == "same")
    index_codings(opened.store, project.log)
    assert labels_of(opened.store)["anna", edited["id"]] == ["criticism"]
    assert len(labels_of(opened.store)) == (5 if length == "longer and appended" else 4)


def test_a_deleted_file_takes_its_codings_with_it(project: Project, opened: OpenProject) -> None:
    code_study(project, "anna", n=4)
    code_study(project, "ben", n=2)
    index_codings(opened.store, project.log)
    next(project.log.folder.glob("ben-*.jsonl")).unlink()
    index_codings(opened.store, project.log)
    assert {coder for coder, _ in labels_of(opened.store)} == {"anna"}


def test_texts_are_read_as_samples_read_them(tmp_path: Path) -> None:
    TINY.dump(tmp_path / "tiny.yaml")
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "one.txt").write_text("Norland should act. We condemn this. The talks went on.\n", encoding="utf-8")
    long = " ".join(f"Sentence number {number} should be read." for number in range(40))
    write_rows(folder / "two.jsonl", [{"id": "a", "document": "a", "text": long}])
    project = Project.create(
        tmp_path / "study", codebook=tmp_path / "tiny.yaml", documents=[folder / "one.txt", folder / "two.jsonl"]
    )
    store = Store(project.folder)
    rebuild(project, store)
    assert store.count() == 43
    succeed("sample", "-n", "10", "--split", "--coder", "anna", "--project", project.folder)
    rebuild(project, store)
    with store.reading() as connection:
        members = connection.scalar(select(func.count()).select_from(MEMBERS))
        found = connection.scalar(
            select(func.count()).select_from(MEMBERS).join(SENTENCES, SENTENCES.c.sha256 == MEMBERS.c.sha256)
        )
    assert members == found == 10
    store.close()
