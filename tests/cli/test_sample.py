"""Tests of `communique sample` on unlabelled texts, of plans per group, and of what is left out of samples."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import bundle_folder, open_cue_model
from helpers import TINY, has_facts, predictions, run, succeed, write_rows

import communique.load
from communique.data.sentence import Sentence
from communique.estimation.inputs import NO_VALUE, read
from communique.io.read import read_table
from communique.io.write import write_csv
from communique.sampling.design import Design, draw_sample
from communique.sampling.population import MISSING_GROUP, read_population

WORDS = ("We condemn the attack", "The port should be open", "We pledge ten ships", "The river is long")


def speeches(folder: Path, documents: int = 24, sentences: int = 12) -> Path:
    """Write a table whose rows are whole speeches, with a country and a year."""
    rows = []
    for document in range(documents):
        text = " ".join(
            f"{WORDS[(document + 3 * i * i) % 4]}, said delegate {document} in part {i} of the long debate that day."
            for i in range(sentences)
        )
        rows.append(
            {
                "document": f"s{document}",
                "country": ("FR", "DE", "IT")[document % 3],
                "year": 2020 + document % 4,
                "text": text,
            }
        )
    write_csv(folder / "speeches.csv", list(rows[0]), rows)
    return folder / "speeches.csv"


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    TINY.dump(tmp_path / "mine.yaml")
    return speeches(tmp_path)


@pytest.fixture
def cue_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        communique.load, "load_model", lambda folder, *, threads=None, info=None: open_cue_model(folder)
    )


def drawn(path: Path, *options: object, out: str = "sheet.csv") -> tuple[Path, Design]:
    sheet = path.parent / out
    succeed("sample", path, "--codebook", path.parent / "mine.yaml", "-o", sheet, *options)
    return sheet, Design.load(sheet.with_suffix(".design.json"))


def code(sheet: Path) -> None:
    """Fill in a sheet with the true labels, which the cue words of `helpers.CUES` determine."""
    cues = dict(zip(TINY.names, ("condemn", "should", "pledge"), strict=True))
    with sheet.open(encoding="utf-8-sig", newline="") as handle:
        rows = list(csv.DictReader(handle))
    for row in rows:
        row.update({name: "yes" if cue in row["text"] else "no" for name, cue in cues.items()})
    write_csv(sheet, list(rows[0]), rows)


def label(path: Path, model: Path, *options: object) -> Path:
    out = path.parent / "labelled.jsonl"
    succeed("label", path, "--model", model, "-o", out, *options)
    return out


# --- texts that are not labelled yet ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("cue_model")
@pytest.mark.parametrize("design", ["simple", "stratified", "two-stage"])
def test_a_sample_of_texts_can_be_estimated_with_predictions_made_later(texts: Path, design: str) -> None:
    folder = texts.parent
    by = () if design == "simple" else ("--by", "country")
    sheet, plan = drawn(texts, "--split", "-n", 90, "--design", design, *by)
    assert (plan.predictions, plan.predictions_sha256) == (None, None)
    assert [source.name for source in plan.texts] == [str(texts)]
    assert plan.reading == ("--split",)
    assert all(row.labels == () for row in plan.rows)
    code(sheet)
    succeed("agree", sheet, "--gold", folder / "gold.csv")
    model = bundle_folder(folder / "model")
    labelled = label(texts, model, "--split")
    succeed("agree", sheet, "--model", labelled)
    printed = succeed(
        "estimate", labelled, folder / "gold.csv", "--model", model, "--by", "country", "--design",
        sheet.with_suffix(".design.json"), "--target", "finite-population", "-o", folder / "results",
    ).output  # fmt: skip
    assert "country=FR" in printed
    assert "other ids" not in printed
    coded = read(labelled, folder / "gold.csv", TINY, design=plan)
    assert len(coded.ids) == plan.population
    written = {row.id: row.inclusion_probability for row in plan.rows}
    assert coded.sample.probability == pytest.approx(
        [written[i] for i in coded.ids.take(coded.sample.gold).to_pylist()]
    )


@pytest.mark.usefixtures("cue_model")
@pytest.mark.parametrize(
    ("inputs", "options"),
    [
        ("speeches.csv", ("--split",)),
        ("speeches.csv", ("--split", "--document-column", "country")),
        ("rows.jsonl", ()),
        ("folder", ("--columns-from-filename", "{country}_{year}")),
        ("folder/*.txt", ("--language", "fr")),
        ("a/t.txt b/t.txt rows.jsonl", ("--no-split",)),
    ],
)
def test_the_ids_are_those_of_the_labelled_output(texts: Path, inputs: str, options: tuple[str, ...]) -> None:
    folder = texts.parent
    rows: list[dict[str, Any]] = [{"text": f"{word}. Now we wait.", "country": "FR"} for word in WORDS]
    write_rows(folder / "rows.jsonl", [*rows, {"text": "- 12 -", "country": "FR"}, {"text": "", "country": "FR"}])
    for name in ("folder/FR_2020.txt", "folder/DE_2021.txt", "a/t.txt", "b/t.txt"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n\n".join(f"{word}. They left {name} early.\n\n3" for word in WORDS), encoding="utf-8")
    paths = [folder / name for name in inputs.split()]
    sheet = folder / "sheet.csv"
    succeed("sample", *paths, "-n", 4, "-o", sheet, "--codebook", folder / "mine.yaml", *options)
    plan = Design.load(folder / "sheet.design.json")
    labelled = folder / "labelled.jsonl"
    succeed("label", *paths, "-o", labelled, "--model", bundle_folder(folder / "model"), *options)
    later = read_population(labelled)
    assert plan.ids_sha256 == later.ids_sha256
    assert plan.check_frame(plan.frame(later)) == []
    place = {identity: row for row, identity in enumerate(later.ids.to_pylist())}
    for member in plan.rows:
        sentence = later.sentence(place[member.id])
        assert (sentence.sha256, sentence.document, sentence.index) == (member.sha256, member.document, member.index)
        assert sentence.language == member.language


def test_the_next_step_is_to_label_with_a_model_for_the_codebook_of_the_sample(texts: Path) -> None:
    printed = succeed(
        "sample", texts, "--split", "-n", 4, "-o", texts.parent / "s.csv", "--codebook", texts.parent / "mine.yaml"
    )
    assert has_facts(printed.output, "--model FOLDER", "mine.yaml", "communique train")
    model = bundle_folder(texts.parent / "model")
    printed = succeed("sample", texts, "--split", "-n", 4, "-o", texts.parent / "t.csv", "--model", model)
    assert f"--model {model}" in " ".join(printed.output.split())
    assert "FOLDER" not in printed.output


def test_units_that_would_not_be_labelled_are_left_out_and_counted(texts: Path) -> None:
    rows = [
        {"id": f"r{i}", "text": text} for i, text in enumerate(("We agree.", "We agree.", "* * *", "", "Page 3 of 9"))
    ]
    write_rows(texts.parent / "rows.jsonl", rows)
    printed = succeed(
        "sample", texts.parent / "rows.jsonl", "-n", 2, "-o", texts.parent / "s.csv", "--codebook", texts.parent / "mine.yaml"
    ).output  # fmt: skip
    assert has_facts(printed, "2 sentences", "without letters 1", "empty 1", "page headers", "earlier sentence 1")
    assert Design.load(texts.parent / "s.design.json").population == 2


def test_whole_texts_are_refused_until_the_user_decides(texts: Path) -> None:
    options = ("-n", 5, "-o", texts.parent / "s.csv", "--codebook", texts.parent / "mine.yaml")
    refused = run("sample", texts, *options)
    assert refused.exit_code == 2
    assert has_facts(refused.output, "24 of the first 24", "--split", "--no-split")
    succeed("sample", texts, *options, "--no-split")
    assert Design.load(texts.parent / "s.design.json").population == 24


@pytest.mark.parametrize(
    "options",
    [
        ("--strata", "predicted"),
        ("--strata", "uncertainty"),
        ("--by", "country", "--allocation", "optimal"),
        ("--for", "training"),
        ("--show-model",),
    ],
)
def test_options_that_need_predictions_name_the_command_to_run_first(texts: Path, options: tuple[str, ...]) -> None:
    out = ("-o", texts.parent / "s.csv", "--codebook", texts.parent / "mine.yaml")
    refused = run("sample", texts, "--split", "-n", 60, *out, *options)
    assert refused.exit_code == 1
    assert has_facts(refused.output, "needs predictions", "communique label", " ".join(options[-2:]))
    assert not (texts.parent / "s.csv").exists()


@pytest.mark.parametrize("complete", [True, False])
def test_a_table_of_labels_contains_predictions_only_if_it_has_all_their_columns(texts: Path, complete: bool) -> None:
    rows = [{"id": f"r{i}", "text": f"{WORDS[i % 4]} {i}.", "labels": "criticism"} for i in range(8)]
    rows = [row | ({"document": f"d{i}"} if complete else {}) for i, row in enumerate(rows)]
    write_csv(texts.parent / "other.csv", list(rows[0]), rows)
    _, plan = drawn(texts.parent / "other.csv", "-n", 4)
    assert plan.predictions == ("other.csv" if complete else None)
    assert {row.labels for row in plan.rows} == {("criticism",) if complete else ()}


def test_labels_whose_codebook_is_not_named_are_reported_as_texts(texts: Path) -> None:
    rows = [{"id": f"r{i}", "document": "d", "text": f"{WORDS[i % 4]} {i}.", "labels": "criticism"} for i in range(8)]
    write_csv(texts.parent / "other.csv", list(rows[0]), rows)
    printed = succeed("sample", texts.parent / "other.csv", "-n", 4, "-o", texts.parent / "s.csv").output
    assert has_facts(printed, "other.csv", "read as texts", "--codebook")


def test_predictions_refuse_options_for_texts_and_other_paths(texts: Path) -> None:
    labelled = predictions(texts.parent / "p.jsonl")
    out = ("-n", 5, "-o", texts.parent / "s.csv", "--codebook", texts.parent / "mine.yaml")
    assert has_facts(run("sample", labelled, "--split", *out).output, "p.jsonl", "--split has no effect")
    assert has_facts(run("sample", texts, labelled, *out).output, "p.jsonl", "only")
    assert run("sample", texts, labelled, *out).exit_code == 2


def test_different_predictions_than_those_of_the_texts_cause_a_warning(texts: Path) -> None:
    _, plan = drawn(texts, "--split", "-n", 20)
    other = read_population(predictions(texts.parent / "p.jsonl"))
    (warning,) = plan.check_frame(plan.frame(other))
    assert has_facts(warning, "288 sentences", "p.jsonl", len(other))


def test_predictions_in_another_order_are_those_of_the_sample(tmp_path: Path) -> None:
    labelled = predictions(tmp_path / "p.jsonl")
    population = read_population(labelled)
    plan = draw_sample(population, 20, TINY)
    lines = labelled.read_text(encoding="utf-8").splitlines()
    write_rows(tmp_path / "sorted.jsonl", [json.loads(line) for line in reversed(lines)])
    assert plan.check_frame(read_population(tmp_path / "sorted.jsonl")) == []


# --- plans ------------------------------------------------------------------------------------------------------------


def test_a_width_with_groups_plans_each_group_and_draws_that_many(tmp_path: Path) -> None:
    TINY.dump(tmp_path / "mine.yaml")
    labelled = predictions(tmp_path / "p.jsonl", documents=80)
    out = ("--codebook", tmp_path / "mine.yaml", "-o", tmp_path / "s.csv")
    printed = succeed("sample", labelled, "--width", "0.1", "--by", "country", *out).stdout
    plan = Design.load(tmp_path / "s.design.json")
    for stratum in plan.strata:
        assert f"{stratum.stratum}: {stratum.drawn} of {stratum.population} sentences" in printed
    assert f"all groups: {len(plan.rows)} sentences" in printed
    overall = succeed("sample", labelled, "--width", "0.1").stdout
    assert int(overall.split("all labels: ")[1].split()[0]) < len(plan.rows)


def test_groups_that_are_too_small_for_the_width_are_coded_as_a_whole(tmp_path: Path) -> None:
    TINY.dump(tmp_path / "mine.yaml")
    labelled = predictions(tmp_path / "p.jsonl")
    out = ("--codebook", tmp_path / "mine.yaml", "-o", tmp_path / "s.csv")
    printed = succeed("sample", labelled, "--width", "0.01", "--by", "document", *out).output
    plan = Design.load(tmp_path / "s.design.json")
    assert len(plan.rows) == plan.population
    assert "document=d3: all 10 sentences, from 1 document" in printed
    assert {row.inclusion_probability for row in plan.rows} == {1.0}


def test_without_predictions_a_plan_assumes_proportions(texts: Path) -> None:
    options = ("--split", "--codebook", texts.parent / "mine.yaml", "--width")
    worst = succeed("sample", texts, *options, "20%").stdout
    size = 288
    # The sample size for a proportion of 0.5, with the finite population correction (Cochran 1977, 4.2).
    first = 0.25 * (2 * 1.959964 / 0.2) ** 2
    assert f"all labels: {int(np.ceil(first / (1 + first / size)))} sentences" in worst
    rare = succeed("sample", texts, *options, "0.2", "--prevalence", "0.05").stdout
    assert int(rare.split("all labels: ")[1].split()[0]) < int(worst.split("all labels: ")[1].split()[0])
    one = succeed("sample", texts, *options, "0,2", "--prevalence", "0.05", "--prevalence", "criticism=0.4").stdout
    assert "criticism 0.4, policy_claim 0.05" in one
    for wrong in ("2", "criticism", "other=0.1", "0"):
        refused = run("sample", texts, *options, "0.2", "--prevalence", wrong)
        assert (refused.exit_code, has_facts(refused.output, "--prevalence", wrong)) == (2, True)


@pytest.mark.parametrize("width", ["5", "0", "wide", "120%"])
def test_a_width_must_be_between_0_and_1(texts: Path, width: str) -> None:
    refused = run("sample", texts, "--split", "--width", width)
    assert refused.exit_code == 2
    assert has_facts(refused.output, width, "0.05", "5%")


def test_groups_that_estimate_would_refuse_or_doubt_cause_warnings_before_coding(texts: Path) -> None:
    folder = texts.parent
    panel = [{"document": f"c{i}", "country": f"c{i}", "year": 2020, "text": " ".join(
        f"{WORDS[(i + j) % 4]}, said delegate {j} of country {i}." for j in range(30))} for i in range(5)]  # fmt: skip
    write_csv(folder / "panel.csv", list(panel[0]), panel)
    options = ("--split", "--codebook", folder / "mine.yaml", "-o", folder / "s.csv", "--by", "country,year")
    printed = succeed("sample", folder / "panel.csv", "-n", 60, *options).output
    assert has_facts(printed, "10 of 12 groups", "country=c0, year=2020", "fewer than 2 documents")
    assert has_facts(printed, "--target finite-population", "superpopulation, refuses")
    assert has_facts(printed, "fewer than 20 sentences")
    plan = Design.load(folder / "s.design.json")
    assert {s.stratum: s.drawn for s in plan.strata} == {f"country=c{i}; year=2020": 12 for i in range(5)}
    simple = succeed("sample", folder / "panel.csv", "-n", 4, "--design", "simple", "--overwrite", *options).output
    assert has_facts(simple, "fewer than 2 sentences would be coded")
    rare = succeed(
        "sample", texts, "--split", "--codebook", folder / "mine.yaml", "--width", "0.3", "--by", "country",
        "--prevalence", "0.01",
    ).output  # fmt: skip
    assert has_facts(rare, "fewer than 10 coded sentences are expected to have the label criticism")


# --- rows without a group ---------------------------------------------------------------------------------------------


@pytest.fixture
def gaps(tmp_path: Path) -> Path:
    """Write predictions, with an empty country in 30 rows of document d0 and 10 rows of document d6."""
    TINY.dump(tmp_path / "mine.yaml")
    path = predictions(tmp_path / "p.jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return write_rows(path, [row | ({"country": None} if row["document"] in ("d0", "d6") else {}) for row in rows])


def test_empty_groups_are_refused_before_anyone_codes(gaps: Path) -> None:
    out = ("-n", 80, "-o", gaps.parent / "s.csv", "--codebook", gaps.parent / "mine.yaml")
    refused = run("sample", gaps, "--by", "country,year", *out)
    assert refused.exit_code == 1
    assert has_facts(refused.output, "'country'", "40 of 420 rows", "first: row 1", "--missing-group drop", "keep")
    assert not (gaps.parent / "s.csv").exists()
    assert succeed("sample", gaps, "--by", "year", *out)


@pytest.mark.parametrize(
    ("choice", "size", "levels"), [("drop", 380, {"DE", "FR"}), ("keep", 420, {"DE", "FR", MISSING_GROUP})]
)
def test_estimate_uses_the_groups_of_the_sample(gaps: Path, choice: str, size: int, levels: set[str]) -> None:
    folder = gaps.parent
    sheet, plan = drawn(gaps, "--by", "country", "--missing-group", choice, "-n", 80)
    assert plan.population == size
    assert {row.columns["country"] for row in plan.rows} == levels
    assert any("40 sentences from 2 documents" in line for line in plan.describe()) == (choice == "drop")
    code(sheet)
    succeed("agree", sheet, "--gold", folder / "gold.csv")
    coded = read(gaps, folder / "gold.csv", TINY, columns=("country",), design=plan)
    assert len(coded.ids) == size
    assert set(coded.columns["country"].levels) == {"DE", "FR"}
    assert int((coded.columns["country"].codes == NO_VALUE).sum()) == size - 380
    assert float(coded.sample.weights.sum()) == pytest.approx(size)
    without = run("estimate", gaps, folder / "gold.csv", "--codebook", folder / "mine.yaml", "--by", "country")
    if choice == "drop":
        assert without.exit_code == 1
        assert has_facts(without.output, "380 of the 420", "--design")
    else:
        assert has_facts(without.output, "40 rows have no value", "'country'", f"country={MISSING_GROUP}")


# --- what is left out -------------------------------------------------------------------------------------------------


def trained_on(labelled: Path, document: str, text: str) -> list[Sentence]:
    return [Sentence("a", "Another sentence of it.", document), Sentence("b", text, "elsewhere")]


def test_training_data_are_left_out_of_the_population_and_listed(tmp_path: Path) -> None:
    labelled = predictions(tmp_path / "p.jsonl")
    model = bundle_folder(tmp_path / "model", trained_on=trained_on(labelled, "d2", "Sentence 3 of document 5."))
    sheet = tmp_path / "sheet.csv"
    printed = succeed("sample", labelled, "-n", 80, "-o", sheet, "--model", model).output
    assert has_facts(printed, "left out 11 sentences from 2 documents", "trained", model)
    plan = Design.load(tmp_path / "sheet.design.json")
    assert plan.population == 409
    listed = [row for _, row in read_table(tmp_path / "sheet.left-out.csv").rows]
    assert [row["id"] for row in listed] == [*(f"d2:{i}" for i in range(10)), "d5:3"]
    assert {row["document"] for row in listed} == {"d2", "d5"}
    assert not {row.id for row in plan.rows} & {row["id"] for row in listed}

    code(sheet)
    succeed("agree", sheet, "--gold", tmp_path / "gold.csv")
    options = ("estimate", labelled, tmp_path / "gold.csv", "--model", model)
    refused = run(*options)
    assert refused.exit_code == 1
    assert has_facts(refused.output, "409 of the 420", "--design")
    printed = succeed(*options, "--design", tmp_path / "sheet.design.json", "-o", tmp_path / "results").output
    assert "left out 11 sentences from 2 documents" in printed
    written = (tmp_path / "results" / "methods.md").read_text(encoding="utf-8")
    assert "They do not include 11 sentences from 2 documents" in written.partition("# Replication appendix")[0]
    assert "left out 11 sentences" in written


def test_an_overwritten_sample_without_left_out_rows_has_no_list_of_them(tmp_path: Path) -> None:
    labelled = predictions(tmp_path / "p.jsonl")
    model = bundle_folder(tmp_path / "model", trained_on=trained_on(labelled, "d2", "Sentence 3 of document 5."))
    options = ("sample", labelled, "-n", 80, "-o", tmp_path / "sheet.csv", "--model")
    succeed(*options, model)
    assert (tmp_path / "sheet.left-out.csv").exists()
    succeed(*options, bundle_folder(tmp_path / "another"), "--overwrite")
    assert not (tmp_path / "sheet.left-out.csv").exists()


def test_a_row_after_a_left_out_row_keeps_its_preceding_sentence(tmp_path: Path) -> None:
    population = read_population(predictions(tmp_path / "p.jsonl"))
    kept = np.array([i for i in range(len(population)) if i != 3], np.int64)
    part = population.take(kept)
    assert [part.sentence(i) for i in range(len(part))] == [population.sentence(int(i)) for i in kept]


def test_a_sample_for_training_leaves_out_coded_and_trained_sentences(tmp_path: Path) -> None:
    TINY.dump(tmp_path / "mine.yaml")
    labelled = predictions(tmp_path / "p.jsonl", documents=6)
    model = bundle_folder(tmp_path / "model", trained_on=trained_on(labelled, "d2", "Sentence 3 of document 5."))
    _, one = drawn(labelled, "-n", 20, out="first.csv")
    second, two = drawn(labelled, "-n", 20, "--seed", 9, out="second.csv")
    code(second)
    printed = succeed(
        "sample", labelled, "-n", 15, "-o", tmp_path / "t.csv", "--for", "training", "--model", model, "--codebook",
        tmp_path / "mine.yaml", "--coded", tmp_path / "first.design.json", "--coded", second,
    ).output  # fmt: skip
    coded = {row.id for row in (*one.rows, *two.rows)}
    assert has_facts(printed, f"left out {len(coded - {'d5:3'})} sentences", "already coded")
    chosen = {row.id for row in Design.load(tmp_path / "t.design.json").rows}
    assert len(chosen) == 15
    assert not chosen & (coded | {"d5:3"})
    # Other sentences of a training document can be informative.
    reached = Design.load(tmp_path / "t.design.json").left_out
    assert {part.reason: len(part.ids) for part in reached}["trained"] == 1


def test_a_sample_for_training_can_keep_the_other_documents_for_estimates(tmp_path: Path) -> None:
    TINY.dump(tmp_path / "mine.yaml")
    labelled = predictions(tmp_path / "p.jsonl", documents=6)
    model = bundle_folder(tmp_path / "model", trained_on=trained_on(labelled, "d2", "Sentence 3 of document 5."))
    command = ("sample", labelled, "-n", 8, "--for", "training", "--model", model, "--codebook", tmp_path / "mine.yaml")
    anywhere = succeed(*command, "-o", tmp_path / "a.csv").output
    reached = {row.document for row in Design.load(tmp_path / "a.design.json").rows} - {"d2"}
    assert reached
    assert has_facts(
        anywhere, f"{len(reached)} documents of this sample", f"{5 - len(reached)} of 6 remain", "--trained-documents"
    )
    kept = succeed(*command, "--trained-documents", "-o", tmp_path / "b.csv").output
    assert {row.document for row in Design.load(tmp_path / "b.design.json").rows} == {"d2"}
    assert "remain" not in kept
    untrained = bundle_folder(tmp_path / "other", trained_on=[Sentence("a", "A text.", "elsewhere")])
    nothing = run(*command[:6], "--model", untrained, *command[8:], "--trained-documents", "-o", tmp_path / "c.csv")
    assert nothing.exit_code == 1
    assert has_facts(nothing.output, "no row can be selected", "omit --trained-documents")


def test_documents_for_estimates_are_not_those_of_training(texts: Path) -> None:
    refused = run("sample", texts, "-n", 5, "-o", texts.parent / "s.csv", "--trained-documents")
    assert (refused.exit_code, has_facts(refused.output, "--trained-documents", "--for training")) == (2, True)


def test_coded_files_are_refused_for_estimates(texts: Path) -> None:
    refused = run("sample", texts, "-n", 5, "-o", texts.parent / "s.csv", "--coded", texts)
    assert (refused.exit_code, has_facts(refused.output, "--coded", "--for training")) == (2, True)


# --- names of files ---------------------------------------------------------------------------------------------------


def test_names_that_nearly_exist_are_suggested(texts: Path) -> None:
    folder = texts.parent
    texts.rename(folder / "my speeches.csv")
    (folder / "wrong.cvs").write_text("text\na\n")
    out = ("-n", 5, "-o", folder / "s.csv", "--codebook", folder / "mine.yaml")
    assert has_facts(
        run("sample", folder / "my", folder / "speeches.csv", *out).output, "quotation", "my speeches.csv'"
    )
    assert has_facts(run("sample", folder / "wrong.cvs", *out).output, "wrong.csv?", "--input-format")
    assert has_facts(run("sample", folder / "my speches.csv", *out).output, "no such file", "my speeches.csv?")
    output = ("sample", folder / "my speeches.csv", "--split", "-n", 5, "-o", folder / "sheet.xslx")
    assert has_facts(run(*output).output, "sheet.xslx", "sheet.xlsx?")
    gold = run("estimate", folder / "my speeches.csv", folder / "gold.cvs", "--codebook", folder / "mine.yaml")
    assert has_facts(gold.output, "gold.cvs", "gold.csv?")


@pytest.mark.usefixtures("cue_model")
def test_a_page_of_labels_is_refused_with_the_formats_to_use(texts: Path) -> None:
    page = texts.parent / "labels.html"
    succeed("label", texts, "--split", "--model", bundle_folder(texts.parent / "model"), "-o", page)
    refused = run("sample", page, "-n", 5, "-o", texts.parent / "s.csv")
    assert refused.exit_code == 1
    assert has_facts(refused.output, "labels.html", "labelled.parquet")
