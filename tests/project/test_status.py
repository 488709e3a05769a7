"""Tests of the status of a project, the learning curve and the advice on the next step."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import bundle_folder, open_cue_model
from helpers import CODEBOOK, TINY, has_facts, tiny_rows, write_rows
from project_helpers import code, draw

from communique.annotation.agreement_report import AgreementReport
from communique.data.codebook import Codebook
from communique.data.corpus import Corpus
from communique.errors import DataError
from communique.io.paths import find_files
from communique.labelling.options import Options
from communique.labelling.reader import ShardReader
from communique.labelling.run import FileSink, LocalEngine, describe_run, label_files
from communique.labelling.shard_folder import ShardFolder
from communique.labelling.write import OutputForm
from communique.project import Project, merge, project_status
from communique.project.advice import Facts, describe_projection, next_step
from communique.project.curve import Curve, Point, Projection, compute_curve, curve_of_models, extrapolate, nested
from communique.project.defaults import write_codings
from communique.project.status import ModelStatus, is_labelled, model_curve, quick_curve
from communique.reporting.progress import ProgressReporter

Sampled = Callable[..., Path]


def double_coded(project: Project, wrong: float = 0.1) -> None:
    sample = draw(project, 60, coders=("anna", "ben"), purpose="training")
    for coder, share in (("anna", 0.0), ("ben", wrong)):
        sheet = sample.with_name(f"{sample.stem}-{coder}.csv")
        code(sheet, project.codebook, wrong=share, rows=60 if coder == "anna" else 55)
        merge(project, [sheet])


def test_the_status_counts_rows_labels_coders_and_differences(project: Project) -> None:
    double_coded(project)
    status = project_status(project, resamples=200)
    (sample,) = status.samples
    assert (sample.drawn, sample.coded, dict(sample.coders)) == (60, 60, {"anna": 60, "ben": 55})
    assert sample.differing == status.differing > 0
    assert status.coders == {"anna": 60, "ben": 55}
    final = project.coded_corpus().corpus
    assert status.training_rows == len(final) == 60 - status.differing
    assert status.labels["criticism"] == sum("criticism" in (s.labels or ()) for s in final)
    assert status.labels["none"] == sum(not s.labels for s in final)
    assert status.agreement is not None
    assert 0 < status.agreement.alphas[0].alpha.low < status.agreement.alphas[0].alpha.value < 1
    assert status.next.command == "communique agree"
    text = status.to_markdown()
    assert "| sample-1 | training | training | 60 | 60 | anna 60, ben 55 |" in text
    assert text.rstrip().splitlines()[-3] == "Next: communique agree"
    assert json.loads(json.dumps(status.to_dict()))["next"]["command"] == "communique agree"


def test_a_sheet_for_adjudication_is_merged_next_unless_something_was_coded_since(project: Project) -> None:
    double_coded(project)
    sheet = project.folder / "samples" / "sample-1-adjudication-2.xlsx"
    older, other = sheet.with_name("sample-1-adjudication.xlsx"), sheet.with_name("sample-12-adjudication.xlsx")
    logs = list((project.folder / "codings").glob("*.jsonl"))
    written = max(log.stat().st_mtime for log in logs)
    for path, seconds in ((older, 1), (sheet, 2), (other, 3)):
        path.touch()
        os.utime(path, (written + seconds, written + seconds))
    found = project_status(project, resamples=100).next
    assert found.command == "communique merge samples/sample-1-adjudication-2.xlsx"
    assert f"{project_status(project, resamples=100).differing} sentences" in found.reason
    os.utime(logs[0], (written + 2.5, written + 2.5))
    assert project_status(project, resamples=100).next.command == "communique agree"


def test_an_empty_project_says_what_to_do_first(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "study")
    assert "edit codebook.yaml" in project_status(project).next.command
    TINY.dump(project.codebook_path)
    assert "documents" in project_status(project).next.reason
    write_rows(project.folder / "documents" / "texts.jsonl", tiny_rows(2))
    assert project_status(project).next.command.startswith("communique sample -n ")
    assert "Next: " in project_status(project).to_markdown()


def test_uncoded_sentences_name_the_sheets_to_merge(project: Project, sampled: Sampled) -> None:
    sampled(coders=("anna", "ben"))
    found = project_status(project)
    assert found.next.command == "communique merge samples/sample-1-anna.csv samples/sample-1-ben.csv"
    assert "60 sentences" in found.next.reason


def test_tables_that_commands_write_are_not_sheets_to_merge(project: Project, sampled: Sampled) -> None:
    sheet = sampled().with_name("sample-1-anna.csv")
    code(sheet, project.codebook, rows=40)
    merge(project, [sheet])
    write_codings(project, "sample-1")
    assert project_status(project).next.command == "communique merge samples/sample-1-anna.csv"


def test_labels_and_agreement_are_those_of_the_codebook_in_use(project: Project, sampled: Sampled) -> None:
    sample = sampled(coders=("anna", "ben"))
    for coder in ("anna", "ben"):
        code(sample.with_name(f"sample-1-{coder}.csv"), project.codebook)
        merge(project, [sample.with_name(f"sample-1-{coder}.csv")])
    before = project_status(project)
    labels = [dict(label) for label in CODEBOOK["labels"]]
    labels[0]["name"] = "blame"
    Codebook.model_validate(CODEBOOK | {"labels": labels}).dump(project.codebook_path)
    after = project_status(project)
    assert after.samples[0].labels == {
        "blame" if name == "criticism" else name: n for name, n in before.samples[0].labels.items()
    }
    assert before.agreement is not None
    assert after.agreement is not None
    assert [a.uses for a in after.agreement.alphas] == [a.uses for a in before.agreement.alphas]
    labels.append({"name": "praise", "definition": "Somebody approves."})
    Codebook.model_validate(CODEBOOK | {"labels": labels}).dump(project.codebook_path)
    outdated = project_status(project)
    assert outdated.agreement is None
    assert (outdated.samples[0].coded, outdated.samples[0].labels["blame"]) == (60, 0)


def test_status_and_agree_report_the_same_intervals(project: Project, sampled: Sampled) -> None:
    sample = sampled(coders=("anna", "ben"))
    for coder, wrong in (("anna", 0.0), ("ben", 0.2)):
        sheet = sample.with_name(f"sample-1-{coder}.csv")
        code(sheet, project.codebook, wrong=wrong)
        # Coders need not code in the order of the sample.
        header, *rows = sheet.read_text(encoding="utf-8-sig").splitlines()
        sheet.write_text("\n".join([header, *sorted(rows)]), encoding="utf-8")
        merge(project, [sheet])
    found = project_status(project).agreement
    assert found is not None
    assert list(project.codings().units) != list(project.codings("sample-1").units)
    compared = AgreementReport.compare(project.codings("sample-1"), project.codebook)
    assert compared.alphas == found.alphas
    assert compared.sets == found.sets
    assert compared.pairs == found.pairs


def test_only_sheets_are_named_to_be_merged(project: Project, sampled: Sampled) -> None:
    sampled()
    for name in ("left-out.csv", "codings.jsonl", "agreement.md"):
        (project.folder / "samples" / f"sample-1.{name}").write_text("id\n")
    assert project_status(project).next.command == "communique merge samples/sample-1-anna.csv"


def test_files_that_commands_wrote_are_not_named_as_sheets(project: Project, sampled: Sampled) -> None:
    sheet = sampled(coders=("anna lee",)).with_name("sample-1-anna lee.csv")
    for name in ("sample-1.codings.jsonl", "sample-1.gold.jsonl", "sample-1.left-out.csv"):
        (sheet.parent / name).write_text("")
    assert project_status(project).next.command == "communique merge 'samples/sample-1-anna lee.csv'"


def test_a_changed_codebook_is_shown_with_the_affected_codings(project: Project, sampled: Sampled) -> None:
    sheet = sampled(purpose="training").with_name("sample-1-anna.csv")
    code(sheet, project.codebook)
    merge(project, [sheet])
    with_label = sum("criticism" in c.labels for c in project.log.read().codings)
    labels = [dict(label) for label in CODEBOOK["labels"]]
    labels[0]["definition"] = "Somebody blames."
    labels.append({"name": "praise", "definition": "Somebody approves."})
    Codebook.model_validate(CODEBOOK | {"version": "2", "labels": labels}).dump(project.codebook_path)
    status = project_status(project)
    (other,) = status.changes
    assert (other.title, other.sha256, other.codings, other.outdated) == ("tiny 1", TINY.sha256, 60, 60)
    lines = "\n".join(other.changes)
    assert f"Somebody blames.' ({with_label} codings with this label)" in lines
    assert "'praise' was added (affects all 60 codings)" in lines
    assert "60 codings were made with another codebook, tiny 1" in status.to_markdown()
    assert status.next.command.startswith("communique sample")


def test_a_codebook_that_nobody_kept_is_named_as_unknown(project: Project, sampled: Sampled) -> None:
    sheet = sampled().with_name("sample-1-anna.csv")
    code(sheet, project.codebook)
    merge(project, [sheet])
    lost = project.log.read().codings[0].model_copy(update={"codebook_sha256": "f" * 64, "coder": "eve"})
    project.log.append([lost])
    (other,) = project_status(project).changes
    assert other.codings == 1
    assert "not known" in other.changes[0]


FACTS = Facts(
    starter=False,
    documents=1,
    sample="sample-1",
    missing=0,
    sheets=(),
    differing=0,
    adjudication=None,
    outdated=0,
    rows=200,
    trained_rows=200,
    labelled=True,
    unlabelled=0,
    reserved=False,
    estimated=False,
    curve=None,
)


def curve_with(gain: float, low: float, high: float) -> Curve:
    points = (Point(50, 0.4, 0.3, 0.5), Point(100, 0.5, 0.4, 0.6), Point(200, 0.6, 0.5, 0.7))
    return Curve("tfidf", points, Projection(400, 0.6 + gain, 0.5, 0.7, gain, low, high), None, 200)


@pytest.mark.parametrize(
    ("changed", "action", "command"),
    [
        ({"starter": True}, "codebook", "edit codebook.yaml, then run: communique status"),
        (
            {"documents": 0},
            "documents",
            "copy texts or tables into documents/, or list them in project.yaml, then run: communique status",
        ),
        ({"missing": 5, "sheets": ["samples/sample-1.xlsx"]}, "code", "communique merge samples/sample-1.xlsx"),
        ({"differing": 2}, "adjudicate", "communique agree"),
        ({"differing": 2, "adjudication": "samples/a.xlsx"}, "adjudicate", "communique merge samples/a.xlsx"),
        ({"trained_rows": None}, "train", "communique train"),
        ({"rows": 240}, "train", "communique train"),
        ({"rows": 210}, "curve", "communique status --curve"),
        ({"labelled": False}, "label", "communique label"),
        ({"unlabelled": 2}, "label", "communique label"),
        (
            {"curve": curve_with(0.08, 0.03, 0.13)},
            "sample",
            "communique sample --for training -n 50 --trained-documents --coder NAME",
        ),
        (
            {"curve": curve_with(0.03, -0.02, 0.08)},
            "sample",
            "communique sample --for training -n 50 --trained-documents --coder NAME",
        ),
        ({"curve": curve_with(0.005, 0.0, 0.015)}, "sample", "communique sample -n 300 --coder NAME"),
        (
            {"curve": curve_with(0.005, 0.0, 0.015), "rows": 240, "trained_rows": 240},
            "curve",
            "communique status --curve",
        ),
        ({"reserved": True}, "estimate", "communique estimate"),
        ({"reserved": True, "estimated": True}, "read_estimates", "read the report in estimates/"),
        ({"sample": None}, "curve", "communique status --curve"),
        ({"sample": None, "rows": 0}, "sample", "communique sample -n 200 --design two-stage --coder NAME"),
        (
            {"outdated": 12, "rows": 0, "trained_rows": None},
            "sample",
            "communique sample -n 200 --design two-stage --coder NAME",
        ),
        # Codings of an older codebook stay in the log, and must not ask for new ones forever.
        ({"outdated": 300, "trained_rows": None}, "train", "communique train"),
    ],
)
def test_the_next_step_is_one_command(changed: dict[str, object], action: str, command: str) -> None:
    step = next_step(replace(FACTS, **changed))  # type: ignore[arg-type]
    assert (step.action, step.command) == (action, command)
    assert step.reason


def test_advice_to_stop_rests_on_the_learning_curve() -> None:
    assert "unlikely" in describe_projection(curve_with(0.005, 0.0, 0.015))
    assert "is likely" in describe_projection(curve_with(0.08, 0.03, 0.13))
    assert "too uncertain" in describe_projection(curve_with(0.03, 0.0, 0.08))
    assert "not known" in describe_projection(None)
    assert "not known: there are 2" in describe_projection(Curve("", (), None, "there are 2 points", 9))


def power_law(rows: list[int], exponent: float, noise: float, seed: int = 0) -> tuple[list[Point], np.ndarray]:
    draw = np.random.default_rng(seed)
    values = [0.8 - 2 * n**-exponent + draw.normal(0, noise) for n in rows]
    points = [Point(n, v, v - 1.96 * noise, v + 1.96 * noise) for n, v in zip(rows, values, strict=True)]
    return points, np.array(values) + draw.normal(0, noise, (2000, len(rows)))


@pytest.mark.parametrize("exponent", [0.2, 0.5, 0.9])
def test_the_projection_contains_the_continuation_of_a_power_law(exponent: float) -> None:
    truth = 2 * 800**-exponent - 2 * 1600**-exponent
    inside = 0
    for seed in range(50):
        projection, _ = extrapolate(*power_law([100, 200, 400, 800], exponent, 0.01, seed))
        assert projection is not None
        assert projection.rows == 1600
        inside += projection.gain_low <= truth <= projection.gain_high
    assert inside >= 45


def test_a_flat_curve_advises_to_stop_and_a_steep_one_to_code() -> None:
    flat = [Point(n, 0.7, 0.695, 0.705) for n in (100, 200, 400, 800)]
    steep = [Point(n, v, v - 0.005, v + 0.005) for n, v in ((100, 0.3), (200, 0.4), (400, 0.5), (800, 0.6))]
    advice = []
    for points in (flat, steep):
        curve = curve_of_models(points, 800)
        assert curve.projection is not None
        advice.append(curve.projection.advice)
    assert advice == ["stop", "code"]


@pytest.mark.parametrize(
    "points",
    [
        [],
        [Point(100, 0.5, 0.4, 0.6), Point(200, 0.6, 0.5, 0.7)],
        [Point(100, 0.5, None, None), Point(200, 0.6, 0.5, 0.7), Point(400, 0.6, 0.5, 0.7)],
        [Point(100, 0.5, 0.4, 0.6), Point(105, 0.5, 0.4, 0.6), Point(110, 0.5, 0.4, 0.6)],
    ],
)
def test_few_points_give_no_projection_but_a_reason(points: list[Point]) -> None:
    curve = curve_of_models(points, 200)
    assert curve.projection is None
    assert curve.reason


def test_of_models_with_the_same_rows_the_last_one_counts() -> None:
    curve = curve_of_models([Point(200, 0.6, 0.5, 0.7), Point(100, 0.5, 0.4, 0.6), Point(200, 0.7, 0.6, 0.8)], 200)
    assert [(p.rows, p.value) for p in curve.points] == [(100, 0.5), (200, 0.7)]


def test_subsets_are_nested_and_consist_of_whole_documents(tmp_path: Path) -> None:
    corpus = Corpus.read(write_rows(tmp_path / "rows.jsonl", tiny_rows(20)), TINY)
    allowed = np.arange(len(corpus)) >= 50
    smaller = np.zeros(len(corpus), np.bool_)
    for fraction in (0.125, 0.25, 0.5, 1.0):
        chosen = nested(corpus, allowed, fraction, seed=1)
        assert not (smaller & ~chosen).any()
        assert not (chosen & ~allowed).any()
        assert abs(chosen.sum() - fraction * allowed.sum()) <= 10
        documents = {s.document for s, yes in zip(corpus, chosen, strict=True) if yes}
        assert chosen.sum() == 10 * len(documents)
        smaller = chosen


def test_the_quick_curve_rises_and_is_stored(project: Project, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "coded.jsonl", tiny_rows(20))
    merge(project, [rows])
    curve = quick_curve(project)
    values = [point.value or 0 for point in curve.points]
    assert values[-1] > values[0]
    assert [point.rows for point in curve.points] == sorted(point.rows for point in curve.points)
    assert all((p.low or 0) < (p.value or 0) < (p.high or 1.1) for p in curve.points)
    assert Curve.load(project.folder / "models" / "learning-curve.json") == curve
    status = project_status(project, resamples=100)
    assert status.curve == curve
    assert f"| {curve.points[-1].rows} | {values[-1]:.3f} [" in status.to_markdown()
    project.log.append([project.log.read().codings[0].model_copy(update={"id": "new", "document": "new"})])
    assert any("200 of now 201" in line for line in project_status(project, resamples=100).notes)


def test_a_curve_needs_several_documents(tmp_path: Path) -> None:
    corpus = Corpus.read(write_rows(tmp_path / "rows.jsonl", tiny_rows(4)), TINY)
    with pytest.raises(DataError, match="4"):
        compute_curve(corpus, TINY)


def test_a_damaged_curve_counts_as_missing(tmp_path: Path) -> None:
    for content in ("", "[]", "{}", '{"points": [{"rows": 1}]}', '{"points": 1}'):
        (tmp_path / "curve.json").write_text(content)
        assert Curve.load(tmp_path / "curve.json") is None


def test_another_classifier_is_no_point_of_the_learning_curve() -> None:
    def model(name: str, classifier: str, rows: int, value: float) -> ModelStatus:
        return ModelStatus(name, classifier, rows, "macro_f1", value, value - 0.1, value + 0.1, False, ())

    first, second = model("model-1", "tfidf-logreg", 150, 0.5), model("model-2", "frozen-encoder", 200, 0.8)
    assert model_curve([first, second], 200) is None
    curve = model_curve([first, second, model("model-3", "frozen-encoder", 260, 0.81)], 260)
    assert curve is not None
    assert [point.rows for point in curve.points] == [200, 260]


def test_files_that_were_added_after_labelling_are_counted(tmp_path: Path) -> None:
    TINY.dump(tmp_path / "tiny.yaml")
    project = Project.create(tmp_path / "study", codebook=tmp_path / "tiny.yaml")
    documents = project.folder / "documents"
    (documents / "a.txt").write_text("We condemn it.", encoding="utf-8")
    model = open_cue_model(bundle_folder(tmp_path / "model"))
    reader = ShardReader(find_files([documents]), Options(labels=model.info.labels))
    out = project.folder / "labelled" / "model-1.parquet"
    form = OutputForm(out.name, ".parquet", None, model.info, model.codebook, files=reader.files)
    sink = FileSink(ShardFolder(out, describe_run(model.info, reader, None), resume=None), form)
    label_files(reader, LocalEngine(model), sink, ProgressReporter.silent())
    status = project_status(project)
    assert (status.unlabelled, status.notes) == (0, ())
    (documents / "b.txt").write_text("The river is long.", encoding="utf-8")
    status = project_status(project)
    assert status.unlabelled == 1
    assert has_facts(status.to_markdown(), "do not contain 1 file of the documents", "communique label")


def test_labels_come_from_the_command_or_from_a_document(project: Project, tmp_path: Path) -> None:
    assert is_labelled(project), "its document contains labels"
    (tmp_path / "texts.jsonl").write_text('{"text": "We condemn it."}\n')
    other = Project.create(tmp_path / "other", codebook=project.codebook_path, documents=[tmp_path / "texts.jsonl"])
    assert not is_labelled(other)
    assert not is_labelled(Project.create(tmp_path / "empty", codebook=project.codebook_path))
    shutil.copy(project.documents()[0], other.folder / "labelled" / "model-1.jsonl")
    assert is_labelled(other)
