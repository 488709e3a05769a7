"""Tests of adding files to the documents of a project."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from helpers import TINY, facts, predictions

import communique.project.documents
from communique.errors import DataError
from communique.labelling.reading import TextReading
from communique.project import Project
from communique.project.defaults import fill
from communique.project.documents import (
    Added,
    AddedFile,
    add_documents,
    columns_of_names,
    document_files,
    name_columns,
    read_documents,
)
from communique.reporting.progress import ProgressReporter
from communique.sampling.design import draw_sample


@pytest.fixture
def project(tmp_path: Path) -> Project:
    TINY.dump(tmp_path / "tiny.yaml")
    return Project.create(tmp_path / "study", codebook=tmp_path / "tiny.yaml")


def add(project: Project, **files: str | bytes) -> dict[str, AddedFile]:
    """Add files. A double underscore in a name stands for a slash, and a single one for a full stop."""
    given = [(name.replace("__", "/").replace("_", "."), content) for name, content in files.items()]
    return add_named(project, given)


def add_named(project: Project, files: list[tuple[str, str | bytes]]) -> dict[str, AddedFile]:
    return {one.name: one for one in add_files(project, files).files}


def add_files(project: Project, files: list[tuple[str, str | bytes]]) -> Added:
    sent = project.folder.parent / "sent"
    sent.mkdir(exist_ok=True)
    given = []
    for number, (name, text) in enumerate(files):
        (sent / str(number)).write_bytes(text.encode() if isinstance(text, str) else text)
        given.append((name, sent / str(number)))
    return add_documents(project, given, scratch=sent, progress=ProgressReporter.silent())


def rows(*texts: str, **extra: object) -> str:
    return "".join(json.dumps({"text": text, **extra}) + "\n" for text in texts)


def stored(project: Project) -> list[str]:
    folder = project.folder / "documents"
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_texts_are_stored_and_counted(project: Project) -> None:
    found = add(project, a_txt="We condemn it. The river is long.", b__c_txt="One sentence only.")
    assert {name: (one.state, one.documents, one.sentences) for name, one in found.items()} == {
        "a.txt": ("added", 1, 2),
        "b/c.txt": ("added", 1, 1),
    }
    assert stored(project) == ["a.txt", "b", "b/c.txt"]
    assert [*document_files(project)] == ["documents/a.txt", "documents/b/c.txt"]
    assert read_documents(project)[0].ids.to_pylist() == ["a:0", "a:1", "b/c:0"]
    assert not list((project.folder.parent / "sent").glob("adding-*"))


def test_rows_that_cannot_be_read_are_reported_with_their_reason(project: Project) -> None:
    found = add(project, t_jsonl=rows("We condemn it.") + "{not json\n" + rows("The river is long."))
    assert (found["t.jsonl"].state, found["t.jsonl"].sentences) == ("added", 2)
    notes = "\n".join(found["t.jsonl"].notes)
    assert "t.jsonl, row 2" in notes or "line 2" in notes
    assert "unreadable 1" in notes
    assert str(project.folder) not in notes


def test_the_same_bytes_are_not_added_twice(project: Project) -> None:
    add(project, a_txt="We condemn it.")
    found = add(project, other_txt="We condemn it.", new_txt="A new text.", same_txt="A new text.")
    assert [one.state for one in found.values()] == ["known", "added", "known"]
    assert "same content as a.txt" in found["other.txt"].notes[0]
    assert stored(project) == ["a.txt", "new.txt"]
    assert [one.state for one in add(project, a_txt="We condemn it.").values()] == ["known"]


def test_no_file_is_overwritten(project: Project) -> None:
    add(project, a_txt="We condemn it.")
    # Ids begin with the name without its suffix, so the ids of a.txt would change as well.
    found = add(project, a_txt="Another text.", A_md="Another text again.", b_txt="A new text.")
    assert [one.state for one in found.values()] == ["refused", "refused", "added"]
    assert "another document has this name" in found["a.txt"].notes[0]
    assert (project.folder / "documents" / "a.txt").read_text() == "We condemn it."


def test_files_that_cannot_be_read_are_refused_and_others_are_added(project: Project) -> None:
    found = add(project, a_txt="We condemn it.", b_zip="x", c_docx="no archive", d_txt="", e_doc="x")
    assert [one.state for one in found.values()] == ["added", *["refused"] * 4]
    assert "unpack it" in found["b.zip"].notes[0]
    assert "c.docx" in found["c.docx"].notes[0]
    assert "save it as .docx" in found["e.doc"].notes[0]
    assert stored(project) == ["a.txt"]


def test_if_all_files_are_refused_all_reasons_are_reported(project: Project) -> None:
    with pytest.raises(DataError) as caught:
        add(project, b_zip="x", d_txt="")
    assert len(caught.value.problems) == 2
    assert stored(project) == []
    with pytest.raises(DataError, match="No file is chosen"):
        add_files(project, [])


def test_a_table_next_to_documents_is_refused_because_it_would_not_be_read(project: Project) -> None:
    found = add(project, a_txt="We condemn it.", t_jsonl=rows("A row."))
    assert "would not be read" in found["t.jsonl"].notes[0]
    other = Project.create(project.folder.parent / "tables", codebook=project.codebook_path)
    add(other, t_jsonl=rows("A row."))
    with pytest.raises(
        DataError, match=r"a\.txt: is one of the documents, but documents/ is read as a folder of tables"
    ):
        add(other, a_txt="We condemn it.")


def test_ids_of_other_tables_stay_the_same(project: Project) -> None:
    add(project, s_jsonl=rows("A row.", id="1"), t_jsonl=rows("Another row.", id="2"))
    before = read_documents(project)[0].ids.to_pylist()
    with pytest.raises(DataError, match="contains an id that another table"):
        add(project, u_jsonl=rows("A third row.", id="1"))
    assert stored(project) == ["s.jsonl", "t.jsonl"]
    add(project, v_jsonl=rows("A third row.", id="3"), w_jsonl=rows("A row without an id."))
    assert read_documents(project)[0].ids.to_pylist() == [*before, "3", "w:1"]


def test_a_file_that_changes_how_others_are_read_is_taken_back(project: Project) -> None:
    (project.folder / "documents" / "a.json").write_text('[{"text": "A row."}]')
    # A folder with a file of this name is read as a dataset that the library `datasets` saved.
    with pytest.raises(DataError, match="Nothing was added"):
        add(project, sub__t_json='[{"text": "Another row."}]', state_json='[{"text": "A third row."}]')
    assert stored(project) == ["a.json"]


def test_names_never_lead_out_of_the_documents(project: Project) -> None:
    given: list[tuple[str, str | bytes]] = [
        ("../../codebook.yaml", "name: x"),
        ("../../../a.txt", "We condemn it."),
        ("/etc/b.txt", "The river is long."),
        ("..\\c.txt", "A text."),
        (".hidden/.d.txt", "Another text."),
    ]
    before = project.codebook_path.read_bytes()
    found = add_named(project, given)
    assert [one.state for one in found.values()] == ["refused", *["added"] * 4]
    assert stored(project) == ["a.txt", "c.txt", "etc", "etc/b.txt", "hidden", "hidden/d.txt"]
    assert project.codebook_path.read_bytes() == before


def test_a_decompression_bomb_is_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("communique.io.documents.limits.SUSPICIOUS", 100_000)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"<w>" + b" " * 2_000_000 + b"</w>")
    with pytest.raises(DataError, match=r"bomb\.docx"):
        add(project, bomb_docx=packed.getvalue())
    assert stored(project) == []


def test_too_many_files_are_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(communique.project.documents, "MAX_FILES", 1)
    with pytest.raises(DataError, match="2 files are too many"):
        add(project, a_txt="A text.", b_txt="A text again.")


def test_nothing_is_added_to_a_table_with_labels(tmp_path: Path) -> None:
    TINY.dump(tmp_path / "tiny.yaml")
    table = predictions(tmp_path / "labelled.jsonl", documents=2, per_document=2)
    project = Project.create(tmp_path / "study", codebook=tmp_path / "tiny.yaml", documents=[table])
    with pytest.raises(DataError, match="must be the only document"):
        add(project, a_txt="We condemn it.")


def test_what_to_do_about_earlier_samples_and_labels_is_said(project: Project) -> None:
    assert add_files(project, [("a.txt", "We condemn it. The river is long.")]).notes == ()
    design = draw_sample(read_documents(project)[0], 1, project.codebook)
    design.dump(project.design_path("sample-1"))
    predictions(project.folder / "labelled" / "model-1.jsonl", documents=1, per_document=1)
    notes = add_files(project, [("b.txt", "A new text.")]).notes
    assert len(notes) == 2
    assert "Label the documents again" in notes[0]
    assert "draw another sample" in notes[1]


def test_edited_options_in_a_design_are_refused_with_the_name_of_its_file(project: Project) -> None:
    add_files(project, [("a.txt", "We condemn it. The river is long.")])
    path = project.design_path("sample-1")
    draw_sample(read_documents(project)[0], 1, project.codebook).dump(path)
    content = json.loads(path.read_text())
    path.write_text(
        json.dumps(content | {"texts": [{"name": "a.txt", "sha256": "0" * 64}], "reading": ["--langage", "de"]})
    )
    with pytest.raises(DataError, match=facts(path, "'--langage'", "'--language'")):
        project.reading()


def test_columns_are_read_from_the_names_of_documents(project: Project) -> None:
    texts = {"speeches/USA_1962.txt": "We condemn it.", "speeches/CHN_2020.txt": "We support it.", "x.txt": "Nothing."}
    add_named(project, list(texts.items()))
    assert columns_of_names(project) is None
    name_columns(project, " {country}_{year} ")
    found = columns_of_names(project)
    assert found is not None
    assert found.columns == ("country", "year")
    assert found.values == {"speeches/CHN_2020": ("CHN", "2020"), "speeches/USA_1962": ("USA", "1962")}
    assert found.others == ("x",)
    groups = read_documents(project)[0].columns
    assert {"country", "year"} <= set(groups)
    expected = ["--columns-from-filename", "{country}_{year}"]
    assert fill("sample", project, {"n": 1}).arguments[1:3] == expected
    assert project.reading().arguments() == expected
    name_columns(project, "")
    assert project.reading() == TextReading()


def test_a_pattern_that_matches_no_name_is_refused(project: Project) -> None:
    add(project, a_txt="We condemn it.")
    for pattern, reason in (("{country}-{year}", "none of the names"), ("country", "a column name is missing")):
        with pytest.raises(DataError, match=reason):
            name_columns(project, pattern)
    assert project.file.columns_from_filename is None
