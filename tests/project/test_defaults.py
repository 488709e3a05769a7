"""Tests of the arguments that a project provides to other commands."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import bundle_folder
from helpers import ROOT, facts, run
from project_helpers import age, code, draw

from communique.annotation.detect import read_coded
from communique.data.codebook import Codebook
from communique.errors import BundleError, DataError
from communique.io.read import read_table
from communique.labelling.made_by import origin_metadata
from communique.models.folder import read_info
from communique.models.predictor import MODEL_VARIABLE
from communique.project import Coding, Project, merge, project_status
from communique.project.coding import now
from communique.project.defaults import _with_columns, fill
from communique.project.status import used_to_label
from communique.sampling.design import Source

Sampled = Callable[..., Path]


def coded(project: Project, *, wrong: float = 0.0, purpose: str = "estimate") -> None:
    sample = draw(project, 60, coders=("anna", "ben"), purpose=purpose)  # type: ignore[arg-type]
    for coder, share in (("anna", 0.0), ("ben", wrong)):
        sheet = sample.with_name(f"{sample.stem}-{coder}.csv")
        code(sheet, project.codebook, wrong=share)
        merge(project, [sheet])


def test_sample_draws_from_the_documents_into_the_next_file(project: Project) -> None:
    filled = fill("sample", project, {"n": 10})
    table, codebook = project.documents()[0], project.codebook_path
    out = project.folder / "samples" / "sample-1.xlsx"
    assert filled.arguments == [str(table), "--codebook", str(codebook), "--out", str(out)]
    draw(project, 10)
    again = fill("sample", project, {"n": 10, "form": "doccano"}).arguments
    assert again[-4:] == ["--out", str(project.folder / "samples" / "sample-2.jsonl"), "--seed", "1"]


def test_sample_draws_from_the_labels_of_the_shipped_model(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = bundle_folder(tmp_path / "shipped-model", project.codebook)
    monkeypatch.setenv(MODEL_VARIABLE, str(shipped))
    documents = str(project.documents()[0])
    assert fill("sample", project, {"n": 10}).arguments[0] == documents
    [note] = fill("sample", project, {"n": 10, "purpose": "training"}).notes
    assert "communique label" in note
    labelled = project.folder / "labelled" / "shipped-model.jsonl"
    labelled.write_bytes(project.documents()[0].read_bytes())
    arguments = fill("sample", project, {"n": 10, "purpose": "training"}).arguments
    assert arguments[:3] == [str(labelled), "--model", str(shipped)]
    # The labels of a model of the project come first, once there are any.
    model = bundle_folder(project.folder / "models" / "model-1", project.codebook)
    filled = fill("sample", project, {"n": 10})
    assert filled.arguments[:3] == [str(labelled), "--model", str(shipped)]
    assert "model-1 has not labelled the documents yet" in filled.notes[0]
    own = project.folder / "labelled" / "model-1.jsonl"
    own.write_bytes(project.documents()[0].read_bytes())
    age(own, 100)
    filled = fill("sample", project, {"n": 10})
    assert (filled.arguments[:3], filled.notes) == ([str(own), "--model", str(model)], [])


def test_labels_that_the_codebook_lacks_are_not_drawn_from(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = bundle_folder(tmp_path / "shipped-model", Codebook.load(ROOT / "data" / "codebook.yaml"))
    monkeypatch.setenv(MODEL_VARIABLE, str(shipped))
    (project.folder / "labelled" / "shipped-model.jsonl").write_text("{}\n")
    book = Codebook.load(project.codebook_path)
    fewer = book.model_copy(update={"labels": book.labels[:2]})
    fewer.dump(project.codebook_path)
    assert fill("sample", project, {"n": 10}).arguments[0] == str(project.documents()[0])


def test_planning_without_a_number_draws_nothing(project: Project) -> None:
    assert "--out" not in fill("sample", project, {"width": 0.05}).arguments


def test_options_that_are_named_are_kept(project: Project) -> None:
    given = {"n": 10, "out": "mine.csv", "codebook": "mine.yaml", "seed": 4, "model": "m"}
    assert fill("sample", project, given).arguments == [str(project.documents()[0])]


def test_a_sample_for_training_leaves_out_what_is_coded(project: Project, tmp_path: Path) -> None:
    draw(project, 10)
    table = tmp_path / "earlier.csv"
    table.write_text("id,text,labels\ne1,Rents rose.,criticism\n")
    merge(project, [table])
    arguments = fill("sample", project, {"n": 5, "purpose": "training"}).arguments
    values = [arguments[i + 1] for i, one in enumerate(arguments) if one == "--coded"]
    assert values == [str(project.design_path("sample-1")), str(project.folder / "samples" / "other.codings.jsonl")]
    assert [row["text"] for _, row in read_table(values[1]).rows] == ["Rents rose."]


def test_agree_reads_the_codings_of_the_newest_sample_and_asks_for_adjudication(project: Project) -> None:
    coded(project, wrong=0.1)
    arguments = fill("agree", project, {}).arguments
    reading = read_coded(arguments[0], project.codebook)
    assert {row.coder for row in reading.rows} == {"anna", "ben"}
    assert len(reading.rows) == 120
    sheet = project.folder / "samples" / "sample-1-adjudication.xlsx"
    assert arguments[1:] == ["--design", str(project.design_path("sample-1")), "--adjudicate", str(sheet)]
    sheet.touch()
    assert fill("agree", project, {}).arguments[-1] == str(sheet.with_name("sample-1-adjudication-2.xlsx"))


def test_agree_asks_for_no_adjudication_if_coders_agree(project: Project) -> None:
    coded(project)
    assert "--adjudicate" not in fill("agree", project, {}).arguments


def test_the_sample_can_be_chosen_by_its_design_file(project: Project) -> None:
    coded(project)
    coded(project, purpose="training")
    assert "sample-1" in fill("agree", project, {}).arguments[0]
    design = str(project.design_path("sample-2"))
    assert "sample-2.codings" in fill("agree", project, {"design": design}).arguments[0]
    with pytest.raises(DataError, match=facts("other.design.json")):
        fill("agree", project, {"design": "other.design.json"})


def test_train_uses_the_coded_rows_and_the_next_folder(project: Project) -> None:
    coded(project, purpose="training")
    filled = fill("train", project, {})
    rows, folder = project.folder / "models" / "model-1.rows.jsonl", project.folder / "models" / "model-1"
    codebook = str(project.codebook_path)
    assert filled.arguments == [str(rows), "--codebook", codebook, "--out", str(folder), "--name", "model-1"]
    assert len(read_table(rows).rows) == 60
    before = rows.read_bytes()
    fill("train", project, {})
    assert rows.read_bytes() == before, "an interrupted training can resume"


def test_train_and_agree_warn_of_a_changed_codebook(project: Project) -> None:
    coded(project, purpose="training")
    changed = project.codebook.model_copy(update={"version": "2", "labels": project.codebook.labels[:2]})
    changed.dump(project.codebook_path)
    for command in ("train", "agree"):
        assert any("'cooperation_pledge' was removed" in line for line in fill(command, project, {}).notes)


def test_estimate_uses_the_labels_that_the_sample_was_drawn_from(project: Project) -> None:
    coded(project)
    newer = project.folder / "labelled" / "other.jsonl"
    newer.write_text("{}\n")
    arguments = fill("estimate", project, {}).arguments
    assert arguments[:2] == [str(project.documents()[0]), str(project.folder / "samples" / "sample-1.gold.jsonl")]
    assert arguments[2:] == [
        "--design",
        str(project.design_path("sample-1")),
        "--codebook",
        str(project.codebook_path),
        "--agreement",
        str(project.folder / "samples" / "sample-1.agreement.md"),
        "--out",
        str(project.folder / "estimates" / "estimates-1"),
    ]
    agreement = (project.folder / "samples" / "sample-1.agreement.md").read_text(encoding="utf-8")
    assert "Krippendorff" in agreement


def test_estimate_names_the_model_that_labelled_the_population_of_the_sample(project: Project) -> None:
    coded(project)
    labelled = project.folder / "labelled" / "model-1.jsonl"
    labelled.write_bytes(project.documents()[0].read_bytes())
    for number in (1, 2):
        created = f"2026-01-0{number}T00:00:00+00:00"
        bundle_folder(project.folder / "models" / f"model-{number}", project.codebook, created=created)
    arguments = fill("estimate", project, {}).arguments
    assert arguments[0] == str(labelled)
    assert arguments[arguments.index("--model") + 1] == str(project.folder / "models" / "model-1")


def test_labels_of_an_earlier_model_of_the_same_name_are_not_used(project: Project) -> None:
    model = bundle_folder(project.folder / "models" / "model-1", project.codebook, created="2026-01-01T00:00:00+00:00")
    table = pa.table({"id": ["a"]}).replace_schema_metadata(origin_metadata(read_info(model), []))
    labelled = project.folder / "labelled" / "model-1.parquet"
    labelled.parent.mkdir(exist_ok=True)
    pq.write_table(table, labelled)
    assert used_to_label(labelled, model)
    assert fill("sample", project, {"n": 5}).arguments[0] == str(labelled)
    # Somebody deletes the model and trains it again.
    shutil.rmtree(model)
    bundle_folder(model, project.codebook, created="2026-02-02T00:00:00+00:00")
    assert not used_to_label(labelled, model)
    assert fill("sample", project, {"n": 5}).arguments[0] == str(project.documents()[0])
    assert used_to_label(labelled.with_name("model-1-2.csv"), model), "only the name of this table is known"
    # The name does not matter if the hash is known.
    table = table.replace_schema_metadata(origin_metadata(read_info(model), []))
    pq.write_table(table, other := labelled.with_name("by-hand.parquet"))
    assert used_to_label(other, model)


def test_estimate_states_no_agreement_of_a_single_coder(project: Project) -> None:
    sheet = draw(project, 60).with_name("sample-1-anna.csv")
    code(sheet, project.codebook)
    merge(project, [sheet])
    assert "--agreement" not in fill("estimate", project, {}).arguments


def test_a_sample_for_training_leaves_out_the_documents_of_a_sample_for_estimates(project: Project) -> None:
    draw(project, 10)
    draw(project, 10, purpose="training")
    arguments = fill("sample", project, {"n": 5, "purpose": "training"}).arguments
    assert [arguments[i + 1] for i, one in enumerate(arguments) if one == "--exclude"] == [
        str(project.design_path("sample-1"))
    ]


def test_each_command_is_followed_by_the_next_step(project: Project) -> None:
    given = {"n": 10, "coder": ("anna", "ben")}
    samples = project.folder / "samples"
    sheets = f"{samples / 'sample-1-anna.xlsx'} {samples / 'sample-1-ben.xlsx'}"
    assert fill("sample", project, given).afterwards[0].endswith(f"communique merge {sheets}")
    assert "EXPORT" in fill("sample", project, {"n": 10, "form": "prodigy"}).afterwards[0]
    assert fill("sample", project, {"width": "0.1"}).afterwards == []
    coded(project, wrong=0.1)
    sheet = samples / "sample-1-adjudication.xlsx"
    assert fill("agree", project, {}).afterwards == [f"Fill in {sheet}, then run: communique merge {sheet}"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("agree", ("communique sample", "communique merge")),
        ("estimate", ("communique sample", "communique merge")),
        ("train", ("no coded rows", "communique merge")),
        ("label", ("no model", "communique train", "--model")),
    ],
)
def test_a_missing_step_is_named(command: str, message: tuple[str, ...], project: Project) -> None:
    with pytest.raises(DataError, match=facts(*message)):
        fill(command, project, {})


@pytest.mark.parametrize("command", ["sample", "label"])
def test_a_project_without_documents_says_where_to_put_them(command: str, tmp_path: Path) -> None:
    project = Project.create(tmp_path / "study")
    with pytest.raises(DataError, match=facts("documents/", "project.yaml")):
        fill(command, project, {})


def test_texts_are_labelled_with_the_options_with_which_they_were_drawn(project: Project) -> None:
    path = project.design_path(draw(project, 10).stem)
    drawn = project.designs()["sample-1"]
    texts = Source(name="labelled.jsonl", sha256="0" * 64)
    drawn.model_copy(update={"texts": (texts,), "reading": ("--split", "--language", "en")}).dump(path)
    table, chat = str(project.documents()[0]), {"labeler": "chat"}
    assert fill("label", project, chat).arguments[:4] == [table, "--split", "--language", "en"]
    assert "--language" not in fill("label", project, chat | {"split": True}).arguments


@pytest.mark.parametrize("command", ["sample", "label"])
def test_documents_that_were_moved_are_named_with_the_file_that_lists_them(command: str, project: Project) -> None:
    (project.folder.parent / "labelled.jsonl").unlink()
    with pytest.raises(DataError, match=facts("project.yaml", "labelled.jsonl", "moved")):
        fill(command, project, {})


def test_labels_of_a_chat_model_need_the_codebook(project: Project) -> None:
    arguments = fill("label", project, {"labeler": "chat"}).arguments
    out = project.folder / "labelled" / "chat.parquet"
    assert arguments[1:] == ["--codebook", str(project.codebook_path), "--out", str(out)]


def test_label_continues_an_interrupted_output_and_otherwise_begins_a_new_one(project: Project) -> None:
    def out(**given: object) -> str:
        return Path(fill("label", project, {"model": "models/m", **given}).arguments[-1]).name

    labelled = project.folder / "labelled"
    assert out(resume=True) == "m.parquet"
    (labelled / "m.parquet").touch()
    # A complete output may have rows without an answer, about which --resume asks again.
    assert (out(resume=True), out(), out(resume=False)) == ("m.parquet", "m-1.parquet", "m-1.parquet")
    (labelled / "m-1.parquet.shards").mkdir()
    assert (out(resume=True), out()) == ("m-1.parquet", "m-1.parquet")


def test_files_next_to_the_labels_are_not_labels(project: Project) -> None:
    for name in ("chat.parquet", "chat.parquet.answers.sqlite", "chat.parquet.chat.json", "page.html", ".hidden.csv"):
        (project.folder / "labelled" / name).touch()
    assert [path.name for path in project.labelled()] == ["chat.parquet"]


def shown_later(labels: tuple[str, ...], *, old: Coding) -> Coding:
    """Return a coding that changes an old one after the coder saw the labels of a model."""
    changed = {"time": now(), "model_shown": True, "labels": labels}
    return old.model_copy(update=changed)


def test_agree_learns_that_coders_saw_the_labels_of_a_model(project: Project) -> None:
    sample = draw(project, 60, shown=True)
    sheet = sample.with_name(f"{sample.stem}-anna.csv")
    code(sheet, project.codebook)
    merge(project, [sheet])
    assert read_coded(fill("agree", project, {}).arguments[0], project.codebook).model_shown


def test_a_command_stops_at_a_model_that_cannot_be_read(project: Project) -> None:
    bundle_folder(project.folder / "models" / "model-1", project.codebook)
    (damaged := project.folder / "models" / "model-2").mkdir()
    (damaged / "bundle.json").write_text("{")
    with pytest.raises(BundleError) as caught:
        fill("label", project, {})
    assert "model-2" in str(caught.value), "the newest model must not be replaced with an older one without a word"


def test_agree_compares_the_codings_from_which_gold_is_made(project: Project) -> None:
    coded(project)
    first, second = (one for one in project.log.read().codings if one.id == project.log.read().codings[0].id)
    other = ("criticism",) if "criticism" not in first.labels else ()
    # Blind, the coders differ. Then one of them sees the model, and gives in.
    project.log.append([second.model_copy(update={"time": now(), "labels": other})])
    project.log.append([shown_later(first.labels, old=second)])
    filled = fill("agree", project, {})
    assert "--adjudicate" in filled.arguments
    assert "left out 1 coding made with the labels of a model in view" in filled.notes
    assert project_status(project).differing == project_status(project).samples[0].differing == 1
    codings = read_coded(filled.arguments[0], project.codebook)
    assert not codings.model_shown
    given = {row.coder: row.labels for row in codings.rows if row.id == first.id}
    assert given == {first.coder: first.labels, second.coder: other}
    with pytest.raises(DataError, match=facts("disagree", "1 sentence", "Agreement")):
        project.gold("sample-1")
    # The other way round, there is nothing to adjudicate.
    project.log.append([second.model_copy(update={"time": now()}), shown_later(other, old=second)])
    assert "--adjudicate" not in fill("agree", project, {}).arguments
    assert project_status(project).differing == 0
    assert project.gold("sample-1")[0]


class Stopped(BaseException):
    """Stops a training, as Ctrl-C would."""


def stop_training(project: Project, monkeypatch: pytest.MonkeyPatch, *options: str) -> Path:
    """Begin to train model-1 with the real command, and stop. Return the folder with its steps."""

    def stopped(*_: object, **__: object) -> None:
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr("communique.selection.select._predict", stopped)
        with pytest.raises(Stopped):
            run("train", "--project", project.folder, "--kind", "tfidf", *options)
    return project.folder / "models" / "model-1.steps"


CHANGES = ["nothing", "kind", "name", "codebook", "rows", "no record"]


@pytest.mark.parametrize("change", CHANGES)
def test_an_interrupted_training_that_cannot_be_resumed_is_passed_by(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    coded(project, purpose="training")
    steps = stop_training(project, monkeypatch)
    own = steps.with_name("model-1.rows.jsonl")
    before = own.read_bytes()
    given = {"kind": "tfidf"}
    if change == "kind":
        given["kind"] = "frozen-encoder"
    elif change == "name":
        given["name"] = "other"
    elif change == "codebook":
        given["codebook"] = str(tmp_path / "other.yaml")
        project.codebook.model_copy(update={"version": "2"}).dump(Path(given["codebook"]))
    elif change == "rows":
        log = project.log.read().codings
        project.log.append([one.model_copy(update={"time": now(), "labels": ()}) for one in log if one.labels])
    elif change == "no record":
        (steps / "run.json").rename(steps / "vectors.npz")
    filled = fill("train", project, given)
    name = "model-1" if change == "nothing" else "model-2"
    assert filled.arguments[filled.arguments.index("--out") + 1] == str(project.folder / "models" / name)
    assert Path(filled.arguments[0]).name == f"{name}.rows.jsonl"
    assert any("model-1" in note for note in filled.notes) == (change != "nothing")
    assert steps.is_dir(), "the interrupted training can be resumed with its own command"
    assert own.read_bytes() == before, "and has its own rows"


def test_an_interrupted_training_with_options_for_tables_is_resumed_by_the_same_command(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    coded(project, purpose="training")
    options = {"text_column": "text", "label_map": ["blame=criticism"], "encoding": "utf-8", "sheet": "1"}
    typed = ("--text-column", "text", "--label-map", "blame=criticism", "--encoding", "utf-8", "--sheet", "1")
    steps = stop_training(project, monkeypatch, *typed)
    filled = fill("train", project, {"kind": "tfidf", **options})
    assert filled.arguments[filled.arguments.index("--out") + 1] == str(steps.with_suffix(""))
    assert filled.notes == []


def test_an_interrupted_training_in_several_processes_is_resumed_by_as_many(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from communique.training.recipe import Recipe
    from communique.training.splits import DataSplits
    from communique.training.trainer import prepare_steps

    def out() -> str:
        arguments = fill("train", project, {}).arguments
        return Path(arguments[arguments.index("--out") + 1]).name

    coded(project, purpose="training")
    monkeypatch.setattr("communique.training.distributed.world_size", lambda: 2)
    rows = fill("train", project, {}).arguments[0]
    recipe = Recipe.for_tables([rows], project.codebook_path, "model-1")
    steps = project.folder / "models" / "model-1.steps"
    prepare_steps(steps, recipe, project.codebook, DataSplits.read(recipe, project.codebook).train)
    (steps / "checkpoint-100").mkdir()
    assert out() == "model-1"
    monkeypatch.setattr("communique.training.distributed.world_size", lambda: 1)
    assert out() == "model-2", "a single process compares classifiers"


def test_an_interrupted_training_without_finished_steps_is_not_passed_by(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    coded(project, purpose="training")
    steps = stop_training(project, monkeypatch)
    (steps / "plan.json").unlink()
    filled = fill("train", project, {"kind": "frozen-encoder"})
    assert filled.arguments[filled.arguments.index("--out") + 1] == str(steps.with_suffix(""))
    assert filled.notes == []


def test_the_rows_of_an_interrupted_training_are_kept_if_another_folder_is_named(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coded(project, purpose="training")
    own = stop_training(project, monkeypatch).with_name("model-1.rows.jsonl")
    before = own.read_bytes()
    log = project.log.read().codings
    project.log.append([one.model_copy(update={"time": now(), "labels": ()}) for one in log if one.labels])
    filled = fill("train", project, {"kind": "tfidf", "out": str(tmp_path / "elsewhere")})
    assert Path(filled.arguments[0]).read_bytes() != before == own.read_bytes()
    assert filled.notes == []


def test_estimates_use_newer_labels_of_the_same_sentences_that_have_the_columns_of_groups(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("communique.project.defaults._labelled_by", lambda *_: tmp_path)
    monkeypatch.setattr("communique.project.defaults.used_to_label", lambda path, _: path.name != "other.parquet")
    old = {"id": ["a", "b"], "text": ["A.", "B."]}
    tables = {
        "model-1.parquet": old,
        "other.parquet": old | {"country": ["x", "y"]},
        "model-1-1.parquet": old | {"country": ["x", "y"]},
        "model-1-2.parquet": {"id": ["a"], "text": ["A."], "country": ["x"]},
    }
    for number, (name, table) in enumerate(tables.items()):
        pq.write_table(pa.table(table), path := project.folder / "labelled" / name)
        age(path, len(tables) - number)
    drawn = project.folder / "labelled" / "model-1.parquet"
    assert _with_columns(project, drawn, []) == drawn
    assert _with_columns(project, drawn, ["country"]).name == "model-1-1.parquet"
    assert _with_columns(project, drawn, ["year"]) == drawn
