"""Tests of the folder of a project: creation, paths, final labels and gold."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from fakes import bundle_folder
from helpers import TINY, facts
from project_helpers import code, draw

from communique.data.codebook import Codebook
from communique.errors import CodebookError, CommuniqueError, DataError, NotFoundError, OutputError
from communique.io.atomic import new_folder
from communique.project import Project, merge
from communique.project.coding import now
from communique.project.evaluations import evaluation_files
from communique.project.layout import FOLDERS, PROJECT_FILE, ProjectFile, starter

Sampled = Callable[..., Path]


def test_a_new_project_has_a_valid_example_codebook_with_comments(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "housing")
    assert project.name == "housing"
    assert project.codebook.names == ("shortage", "measure", "objection")
    assert project.codebook_path.read_text().startswith("# ")
    assert {path.name for path in project.folder.iterdir()} == {*FOLDERS, "codebook.yaml", "project.yaml"}
    assert Project.open(project.folder) == Project.find(project.folder) == project
    assert Project.find(tmp_path) is None


def test_documents_are_referenced_by_a_path_that_survives_a_move(tmp_path: Path) -> None:
    texts = tmp_path / "work" / "texts"
    texts.mkdir(parents=True)
    (texts / "a.txt").write_text("A text.")
    project = Project.create(tmp_path / "work" / "study", documents=[texts])
    assert project.file.documents == ("../texts",)
    (tmp_path / "work").rename(tmp_path / "moved")
    moved = Project.open(tmp_path / "moved" / "study")
    assert [(path / "a.txt").read_text() for path in moved.documents()] == ["A text."]


def test_documents_elsewhere_keep_their_full_path(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("A text.")
    project = Project.create(tmp_path / "deep" / "study", documents=[tmp_path / "a.txt"])
    assert project.file.documents == (str((tmp_path / "a.txt").resolve()),)


def test_copied_documents_are_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("A text.")
    project = Project.create(tmp_path / "study", documents=[tmp_path / "texts"], copy=True)
    assert project.file.documents == ()
    assert (project.folder / "documents" / "texts" / "a.txt").read_text() == "A text."
    assert project.documents() == [project.folder / "documents"]


def test_hidden_files_are_no_documents(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "study")
    (project.folder / "documents" / ".DS_Store").touch()
    assert project.documents() == []


def test_an_existing_folder_keeps_its_files(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    TINY.dump(tmp_path / "codebook.yaml")
    before = (tmp_path / "codebook.yaml").read_bytes()
    project = Project.create(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "codebook.yaml").read_bytes() == before
    assert project.codebook == TINY


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    folder, other = tmp_path / "study", tmp_path / "other.yaml"
    TINY.dump(other)
    Project.create(folder)
    written = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(OutputError, match=facts("study", "already a project")):
        Project.create(folder, codebook=other)
    (folder / "project.yaml").unlink()
    with pytest.raises(OutputError, match=facts("codebook.yaml", "already exists")):
        Project.create(folder, codebook=other)
    (folder / "documents" / "other.yaml").write_text("mine")
    with pytest.raises(OutputError, match=facts("other.yaml", "already exists")):
        Project.create(folder, documents=[other], copy=True)
    del written[folder / "project.yaml"]
    assert {path: path.read_bytes() for path in written} == written
    assert not (folder / "project.yaml").exists()


def test_a_project_is_not_created_from_invalid_input(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("name: x\n")
    (tmp_path / "file").write_text("")
    cases: list[tuple[Path, dict[str, object], type[CommuniqueError]]] = [
        (tmp_path / "new", {"codebook": tmp_path / "bad.yaml"}, CodebookError),
        (tmp_path / "new", {"codebook": tmp_path / "none.yaml"}, CodebookError),
        (tmp_path / "new", {"documents": [tmp_path / "none.csv"]}, DataError),
        (tmp_path / "file", {}, OutputError),
        # The project's own files would be documents, and a copy would contain itself.
        (tmp_path / "new", {"documents": [tmp_path]}, DataError),
        (tmp_path / "new", {"documents": [tmp_path], "copy": True}, DataError),
    ]
    for folder, options, error in cases:
        with pytest.raises(error):
            Project.create(folder, **options)  # type: ignore[arg-type]
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("copy", [True, False])
def test_documents_that_contain_the_project_are_refused(copy: bool, tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "speech.txt").write_text("We condemn the attack.")
    for folder in (texts / "study", texts):
        with pytest.raises(DataError, match=facts("texts", "another folder")):
            Project.create(folder, documents=[texts], copy=copy)
    assert [path.name for path in texts.iterdir()] == ["speech.txt"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"format": 2, "name": "x", "created": "now"}, ("newer version", "format 2")),
        ({"format": 1, "created": "now"}, ("name", "missing")),
        ({"format": 1, "name": "x", "created": "now", "document": []}, ("document", "documents")),
        ([1], ("whole file",)),
    ],
)
def test_an_invalid_project_file_is_explained(content: object, message: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "project.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(DataError, match=facts("project.yaml", *message)):
        Project.open(tmp_path)


def test_a_folder_without_a_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=facts("project.yaml", "communique init")):
        Project.open(tmp_path)


def test_the_next_paths_are_numbered(project: Project, sampled: Sampled) -> None:
    folder = project.folder
    assert project.next_sample_path() == folder / "samples" / "sample-1.xlsx"
    sampled()
    assert project.next_sample_path() == folder / "samples" / "sample-2.xlsx"
    assert project.next_model_path() == folder / "models" / "model-1"
    (folder / "models" / "model-1.steps").mkdir()
    (folder / "models" / "model-1.rows.jsonl").touch()
    assert project.next_model_path() == folder / "models" / "model-1", "an interrupted training resumes"
    (folder / "models" / "model-1").mkdir()
    assert project.next_model_path() == folder / "models" / "model-2"
    assert project.next_labelled_path("model-1") == folder / "labelled" / "model-1.parquet"
    (folder / "labelled" / "model-1.parquet").touch()
    assert project.next_labelled_path("model-1") == folder / "labelled" / "model-1-1.parquet"
    assert project.next_estimates_path() == folder / "estimates" / "estimates-1"


def test_the_folder_in_which_a_model_is_written_is_not_a_model(project: Project) -> None:
    model = project.folder / "models" / "model-1"
    with new_folder(model, marker="bundle.json") as folder:
        shutil.copytree(bundle_folder(folder.with_name("model-2"), project.codebook), folder, dirs_exist_ok=True)
        assert [path.name for path in project.models().infos] == ["model-2"]
    assert sorted(path.name for path in project.models().infos) == ["model-1", "model-2"]


def test_samples_are_in_the_order_of_their_numbers(project: Project) -> None:
    for seed in range(11):
        draw(project, 3, seed=seed)
    assert list(project.designs()) == [f"sample-{i}" for i in range(1, 12)]


@pytest.mark.parametrize("name", ["sample-9", "", "../samples/sample-1", "sample-1.design.json"])
def test_an_unknown_sample_is_the_same_error_everywhere(project: Project, name: str) -> None:
    draw(project, 5)
    model = bundle_folder(project.folder / "models" / "model-1", project.codebook).name
    assert project.design("sample-1").rows
    for use in (
        project.design,
        project.codings,
        project.gold,
        lambda sample: evaluation_files(project, model, sample),
        lambda sample: evaluation_files(project, sample, "sample-1"),
    ):
        with pytest.raises(NotFoundError, match=facts(repr(name), "-1")):
            use(name)


def test_training_rows_are_those_on_which_coders_agree(project: Project) -> None:
    sample = draw(project, 40, coders=("anna", "ben"), purpose="training")
    sheets = [sample.with_name(f"{sample.stem}-{coder}.csv") for coder in ("anna", "ben")]
    code(sheets[0], project.codebook)
    code(sheets[1], project.codebook, wrong=0.1)
    merge(project, sheets)
    found = project.coded_corpus()
    assert 0 < found.differing == 40 - len(found.corpus)
    assert any(f"{found.differing} rows on which coders differ" in line for line in found.notes)
    differing = next(c for c in project.log.read().codings if c.id not in {s.id for s in found.corpus})
    project.log.append([differing.model_copy(update={"coder": "adjudication", "labels": (), "time": now()})])
    adjudicated = {s.id: s.labels for s in project.coded_corpus().corpus}
    assert adjudicated[differing.id] == ()
    assert len(adjudicated) == len(found.corpus) + 1


def test_a_sample_for_estimates_from_a_models_labels_does_not_train(project: Project, sampled: Sampled) -> None:
    for purpose in ("estimate", "training"):
        sample = sampled(purpose=purpose, seed=3)
        sheet = sample.with_name(f"{sample.stem}-anna.csv")
        code(sheet, project.codebook)
        merge(project, [sheet])
    reserved = {row.id for row in project.designs()["sample-1"].rows}
    found = project.coded_corpus()
    assert not reserved & {s.id for s in found.corpus}
    assert any("60 rows of samples that are reserved" in line for line in found.notes)
    assert reserved < {s.id for s in project.coded_corpus(reserved=True).corpus}


def test_gold_leaves_out_codings_made_with_the_model_in_view(project: Project, sampled: Sampled) -> None:
    sheet = sampled().with_name("sample-1-anna.csv")
    code(sheet, project.codebook)
    merge(project, [sheet])
    blind, _ = project.gold("sample-1")
    first = project.log.read().codings[0]
    later = first.model_copy(update={"labels": ("criticism",), "model_shown": True, "time": now() + timedelta(hours=1)})
    project.log.append([later])
    rows, notes = project.gold("sample-1")
    assert rows == blind
    assert any("1 coding made with the labels of a model in view" in line for line in notes)
    path, _ = project.write_gold("sample-1")
    assert path == project.folder / "samples" / "sample-1.gold.jsonl"


def test_gold_needs_a_coded_sample(project: Project, sampled: Sampled) -> None:
    with pytest.raises(NotFoundError, match=facts("sample-9", "Samples: none")):
        project.gold("sample-9")
    sampled()
    with pytest.raises(DataError, match=facts("sample-1", "communique merge")):
        project.gold("sample-1")


def test_codings_are_translated_when_a_label_is_renamed_and_left_out_when_one_is_added(
    project: Project, sampled: Sampled
) -> None:
    sheet = sampled(purpose="training").with_name("sample-1-anna.csv")
    code(sheet, project.codebook)
    merge(project, [sheet])
    old = project.codebook
    labels = [label.model_dump() for label in old.labels]
    labels[0]["name"] = "blame"
    Codebook.model_validate(old.model_dump() | {"labels": labels}).dump(project.codebook_path)
    renamed = project.coded_corpus()
    assert len(renamed.corpus) == 60
    assert any("blame" in (s.labels or ()) for s in renamed.corpus)
    labels.append({"name": "praise", "definition": "Somebody approves."})
    Codebook.model_validate(old.model_dump() | {"labels": labels}).dump(project.codebook_path)
    added = project.coded_corpus()
    assert len(added.corpus) == 0
    assert any("60 rows coded before the codebook changed" in line for line in added.notes)


def test_the_starter_is_about_another_topic_than_the_shipped_model(tmp_path: Path) -> None:
    assert "criticism" not in starter()


def test_samples_with_equal_probabilities_tune_thresholds(project: Project) -> None:
    for purpose in ("training", "estimate"):
        sample = draw(project, 20, purpose=purpose, seed=5)
        sheet = sample.with_name(f"{sample.stem}-anna.csv")
        code(sheet, project.codebook)
        merge(project, [sheet])
    drawn = {row.id for row in project.designs()["sample-2"].rows}
    for sentence in project.coded_corpus(reserved=True).corpus:
        assert sentence.sampling == ("random" if sentence.id in drawn else None)


_FILE = "# Our study.{end}format:\t1{end}name: Water  # working title{end}{pattern}created: '2026-01-01'{end}# The end{last}"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("", "{country}_{year}", None),
        ("columns_from_filename: '{a}_{b}'  # ours\n", "{c}: {d}", "columns_from_filename: '{c}: {d}'  # ours\n"),
        ("columns_from_filename: |-\n  {a}_{b}\n", "{c}_{d}", "columns_from_filename: '{c}_{d}'\n"),
        ("columns_from_filename: '{a}_{b}'  # ours\n", None, "# ours\n"),
        ("columns_from_filename: '{a}_{b}'\n", None, ""),
        ("columns_from_filename:\t'{a}_{b}'\t# ours\n", None, "# ours\n"),
        ("columns_from_filename: '{a}_{b}' # é\n", "{é}", "columns_from_filename: '{é}' # é\n"),
    ],
)
def test_a_changed_value_keeps_the_comments_of_the_file(
    tmp_path: Path, end: str, start: str, before: str, value: str | None, after: str | None
) -> None:
    def content(pattern: str, last: str = "") -> bytes:
        return (start + _FILE.format(end=end, pattern=pattern.replace("\n", end), last=last)).encode()

    path = tmp_path / PROJECT_FILE
    path.write_bytes(content(before))
    file = ProjectFile.load(path)
    file.change(tmp_path, "columns_from_filename", value)
    last = f"{end}columns_from_filename: '{value}'{end}"
    assert path.read_bytes() == (content("", last) if after is None else content(after))
    assert ProjectFile.load(path) == file.model_copy(update={"columns_from_filename": value})


@pytest.mark.parametrize(
    "content",
    [
        "{format: 1, name: Water, created: x}",
        "format: 1\nname: Water\ncreated: x\n...\n",
        "format: 1\nname: Water\ncreated: x\n? columns_from_filename\n: '{a}_{b}'\n",
        "format: 1\nname: &n Water\ncreated: x\ncolumns_from_filename: *n\n",
    ],
)
@pytest.mark.parametrize("value", ["{country}", "Water", None])
def test_a_value_is_changed_in_a_file_that_is_written_in_an_unusual_way(
    tmp_path: Path, content: str, value: str | None
) -> None:
    path = tmp_path / PROJECT_FILE
    path.write_text(content)
    file = ProjectFile.load(path)
    file.change(tmp_path, "columns_from_filename", value)
    assert ProjectFile.load(path) == file.model_copy(update={"columns_from_filename": value})
