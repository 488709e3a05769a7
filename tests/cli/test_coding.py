"""Tests of the way from predictions to gold: `communique sample`, coders, `communique agree`."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import CODEBOOK, TINY, facts, has_facts, predictions, run, succeed, write_rows

from communique.data.codebook import Codebook
from communique.data.leakage import Fingerprint
from communique.errors import DataError
from communique.io.read import read_table
from communique.io.write import write_csv
from communique.sampling.design import Design
from communique.sampling.population import read_population


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    TINY.dump(tmp_path / "codebook.yaml")
    return predictions(tmp_path / "labelled.jsonl")


def drawn(labelled: Path, out: str, *options: object, n: int = 80) -> Path:
    path = labelled.parent / out
    succeed("sample", labelled, "-n", n, "-o", path, "--codebook", labelled.parent / "codebook.yaml", *options)
    return path


def code(sheet: Path, *, wrong: float = 0.0, seed: int = 0, leave: int = 0) -> dict[str, set[str]]:
    """Fill in a CSV sheet with labels that depend on the number of the sentence.

    A proportion `wrong` of the labels is flipped, and the last `leave` rows are left blank.
    """
    with sheet.open(encoding="utf-8-sig", newline="") as handle:
        rows = list(csv.DictReader(handle))
    draw = np.random.default_rng(seed)
    answers: dict[str, set[str]] = {}
    for row in rows[: len(rows) - leave]:
        number = int(row["id"].split(":")[1])
        chosen = {name for i, name in enumerate(TINY.names) if (number % (i + 2) == 0) ^ (draw.random() < wrong)}
        row.update({name: "yes" if name in chosen else "no" for name in TINY.names})
        answers[row["id"]] = chosen
    write_csv(sheet, list(rows[0]), rows)
    return answers


def test_sample_writes_a_sheet_and_a_design_file(labelled: Path) -> None:
    sheet = drawn(labelled, "sheet.csv", "--by", "country", "--strata", "predicted", "--allocation", "optimal")
    plan = Design.load(labelled.parent / "sheet.design.json")
    table = read_table(sheet)
    assert len(table.rows) == len(plan.rows) == 80
    assert plan.sampling == "stratified"
    assert not set(table.columns) & {"inclusion_probability", "stratum", "probabilities", "model_labels"}
    order = [str(row["id"]) for _, row in table.rows]
    assert sorted(order) == sorted(row.id for row in plan.rows)
    assert order != [row.id for row in plan.rows], "rows are shuffled"


def test_sample_does_not_replace_an_existing_sheet(labelled: Path) -> None:
    drawn(labelled, "sheet.csv")
    again = run(
        "sample",
        labelled,
        "-n",
        5,
        "-o",
        labelled.parent / "sheet.csv",
        "--codebook",
        labelled.parent / "codebook.yaml",
    )
    assert again.exit_code == 2
    assert has_facts(again.output, "error:", "sheet.csv", "already exists", "--overwrite")


@pytest.mark.parametrize("name", ["s.csv", "s.design.json", "s.codebook.md", "s-anna.csv", "s-anna.codebook.md"])
def test_sample_replaces_existing_files_only_with_overwrite(name: str, labelled: Path) -> None:
    path, coders = labelled.parent / name, ("--coder", "anna") if "anna" in name else ()
    path.write_text("work")
    options = ("-n", 5, "-o", labelled.parent / "s.csv", "--codebook", labelled.parent / "codebook.yaml", *coders)
    refused = run("sample", labelled, *options)
    assert (refused.exit_code, path.read_text()) == (2, "work")
    assert has_facts(refused.output, name, "already exists", "--overwrite")
    succeed("sample", labelled, *options, "--overwrite")
    assert path.read_text() != "work"


def test_agree_never_writes_to_its_inputs_and_replaces_files_only_with_overwrite(labelled: Path) -> None:
    folder = labelled.parent
    drawn(labelled, "sheet.csv")
    code(folder / "sheet.csv")
    sheet = (folder / "sheet.csv").read_bytes()
    for option in ("--gold", "--adjudicate", "--json", "--markdown"):
        refused = run("agree", folder / "sheet.csv", option, folder / "sheet.csv", "--overwrite")
        assert (refused.exit_code, (folder / "sheet.csv").read_bytes()) == (2, sheet)
        assert has_facts(refused.output, "sheet.csv", "also an input")
    for option, name in (("--gold", "g.csv"), ("--json", "r.json"), ("--markdown", "r.md"), ("--adjudicate", "a.csv")):
        (folder / name).write_text("work")
        assert run("agree", folder / "sheet.csv", option, folder / name).exit_code == 2
        succeed("agree", folder / "sheet.csv", option, folder / name, "--overwrite")


def test_the_name_of_a_coder_may_be_in_any_script(labelled: Path) -> None:
    names = ("مریم\u200cسادات", "हिन्दी", "éva")
    drawn(labelled, "sheet.csv", *(part for name in names for part in ("--coder", name)))
    for name in names:
        assert {row["coder"] for _, row in read_table(labelled.parent / f"sheet-{name}.csv").rows} == {name}


@pytest.mark.parametrize("names", [("anna\u200c",), ("a\u202eb",), ("\u3164",), ("anna", "Anna"), ("اب", "ا\u200cب")])
def test_coders_whose_names_look_the_same_are_refused(labelled: Path, names: tuple[str, ...]) -> None:
    coders = (part for name in names for part in ("--coder", name))
    refused = run("sample", labelled, "-n", 5, "-o", labelled.parent / "s.csv", *coders)
    assert refused.exit_code == 2
    assert has_facts(refused.output, "--coder", repr(names[0]))


def test_the_sheets_of_coders_differ_only_in_order(labelled: Path) -> None:
    drawn(labelled, "sheet.csv", "--coder", "anna", "--coder", "bob")
    orders = [
        [row["id"] for _, row in read_table(labelled.parent / f"sheet-{name}.csv").rows] for name in ("anna", "bob")
    ]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])


def test_sample_refuses_a_codebook_with_other_labels(labelled: Path) -> None:
    result = run("sample", labelled, "-n", 5, "-o", labelled.parent / "s.csv", "--codebook", _other(labelled.parent))
    assert result.exit_code == 1
    assert has_facts(result.output, "error:", "codebook")


def _other(folder: Path) -> Path:
    labels = [{"name": n, "definition": n} for n in ("pro", "contra")]
    Codebook.model_validate({**CODEBOOK, "labels": labels}).dump(folder / "other.yaml")
    return folder / "other.yaml"


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-n", 5),
        ("--width", 2),
        ("--width", 0.1, "--for", "training"),
        ("-n", 5, "-o", "x.csv", "--exclude", "y.design.json"),
        ("-n", 5, "-o", "x.jsonl", "--format", "prodigy", "--coder", "anna"),
    ],
)
def test_options_that_contradict_each_other_exit_with_2(labelled: Path, options: tuple[object, ...]) -> None:
    assert run("sample", labelled, *options).exit_code == 2


def test_width_prints_the_required_number_of_sentences(labelled: Path) -> None:
    result = succeed("sample", labelled, "--width", 0.2)
    for name in TINY.names:
        assert f"{name}: " in result.output
    assert "estimate --target " in result.output
    assert not list(labelled.parent.glob("*.design.json"))


def test_width_is_reported_even_if_n_is_set(labelled: Path) -> None:
    sheet = drawn(labelled, "sheet.csv", "--width", 0.2, n=7)
    assert len(read_table(sheet).rows) == 7
    assert "without the model's predictions" in succeed("sample", labelled, "-n", 7, "--width", 0.2).output


def test_sample_leaves_out_sentences_on_which_the_model_was_trained(
    labelled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = read_population(labelled).sentence(3)
    for texts, left_out in ((frozenset[str](), False), (Fingerprint.of([seen]).texts, True)):
        training = SimpleNamespace(fingerprint=Fingerprint(frozenset(), texts))
        monkeypatch.setattr(
            "communique.models.folder.read_info", lambda _, training=training: SimpleNamespace(training=training)
        )
        output = succeed("sample", labelled, "--width", 0.2).output
        assert (f"first: id {seen.id!r}" in output) == left_out


def test_agreement_and_adjudication_produce_gold(labelled: Path) -> None:
    folder = labelled.parent
    drawn(labelled, "sheet.csv", "--coder", "anna", "--coder", "bob", "--by", "country,year")
    first = code(folder / "sheet-anna.csv", wrong=0.0)
    second = code(folder / "sheet-bob.csv", wrong=0.1, seed=1)
    files = [folder / "sheet-anna.csv", folder / "sheet-bob.csv"]
    differ = {id for id in first if first[id] != second[id]}
    assert differ

    result = succeed(
        "agree",
        *files,
        "--model",
        labelled,
        "--adjudicate",
        folder / "adjudicated.csv",
        "--json",
        folder / "agreement.json",
    )
    assert f"Coders differ on {len(differ)} sentences" in result.output.replace("\n", " ")
    report = json.loads((folder / "agreement.json").read_text(encoding="utf-8"))
    assert [a["label"] for a in report["alphas"]] == list(TINY.names)
    assert report["sets"]["uses"] == sum(map(bool, first.values())) + sum(map(bool, second.values()))
    assert all(0 < a["alpha"]["low"] < a["alpha"]["value"] < a["alpha"]["high"] <= 1 for a in report["alphas"])
    assert {p["second"] for p in report["model"]} == {"model"}

    refused = run("agree", *files, "--gold", folder / "gold.csv")
    assert refused.exit_code == 1
    assert re.search(rf"disagree.* {len(differ)} sentences", refused.output)

    assert {row["id"] for _, row in read_table(folder / "adjudicated.csv").rows} == differ
    adjudicated = code(folder / "adjudicated.csv")
    assert set(adjudicated) == differ
    for name in ("gold.csv", "gold.jsonl", "gold.parquet"):
        printed = succeed("agree", *files, folder / "adjudicated.csv", "--gold", folder / name).output
        assert f"{len(differ)} sentences, of which all are adjudicated" in " ".join(printed.split())
        rows = [row for _, row in read_table(folder / name).rows]
        assert len(rows) == 80
        for row in rows:
            labels = row["labels"].split("|") if isinstance(row["labels"], str) else row["labels"]
            assert set(labels) - {"none"} == first[row["id"]]
            assert row["coder"] == ("adjudication" if row["id"] in differ else "anna|bob")
            assert 0 < float(row["inclusion_probability"]) <= 1


@pytest.mark.parametrize("design", ["simple", "stratified", "two-stage"])
def test_estimate_can_read_the_gold_of_every_design(labelled: Path, design: str) -> None:
    from communique.estimation.inputs import read

    folder = labelled.parent
    options = ("--strata", "predicted") if design == "stratified" else ()
    code(drawn(labelled, "sheet.csv", "--design", design, *options))
    succeed("agree", folder / "sheet.csv", "--gold", folder / "gold.csv")
    coded = read(labelled, folder / "gold.csv", TINY)
    plan = Design.load(folder / "sheet.design.json")
    written = {row.id: row.inclusion_probability for row in plan.rows}
    ids = coded.ids.take(coded.sample.gold).to_pylist()
    assert coded.sample.probability == pytest.approx([written[id] for id in ids])
    assert coded.sample.two_stage == (design == "two-stage")
    assert set(coded.sampling) == {design}
    assert len(set(coded.sample.strata.tolist())) == len(plan.strata)


def test_a_sample_for_training_is_refused_as_gold(labelled: Path) -> None:
    from communique.estimation.inputs import read

    folder = labelled.parent
    gold = drawn(labelled, "gold-sheet.csv")
    picked = folder / "train.csv"
    succeed(
        "sample", labelled, "-n", 30, "-o", picked, "--for", "training", "--exclude", folder / "gold-sheet.design.json",
        "--codebook", folder / "codebook.yaml",
    )  # fmt: skip
    assert not {r["document"] for _, r in read_table(picked).rows} & {r["document"] for _, r in read_table(gold).rows}
    code(picked)
    succeed("agree", picked, "--design", folder / "train.design.json", "--gold", folder / "g.csv")
    assert {row["purpose"] for _, row in read_table(folder / "g.csv").rows} == {"training"}
    with pytest.raises(DataError, match="training"):
        read(labelled, folder / "g.csv", TINY)


def test_unmatched_edited_and_repeated_rows_are_reported(labelled: Path) -> None:
    sheet = drawn(labelled, "sheet.csv")
    code(sheet, leave=7)
    rows = [row for _, row in read_table(sheet).rows]
    rows[0] = rows[0] | {"text": "Something else entirely."}
    rows[1] = rows[1] | {"text": "   " + str(rows[1]["text"]).replace(" ", "\n")}
    rows[2] = rows[2] | {"id": "3e+05"}
    rows.append(rows[3] | dict.fromkeys(TINY.names, "no") | {"criticism": "yes"})
    rows.append(rows[4] | {"id": "other:1", "text": "Of another study."})
    write_csv(sheet, list(rows[0]), rows)
    result = succeed("agree", sheet, "--gold", labelled.parent / "gold.csv")
    printed = result.output.replace("\n", " ")
    for words in (
        r"\b1 rows? .{0,30}edited",
        r"\b1 rows? without an id",
        r"\b1 rows? .{0,30}not in the sample",
        r"\b1 rows? .{0,30}twice",
        r"\b7 rows? .{0,30}nobody coded",
        r"\b8 of 80 .{0,40}not coded",
    ):
        assert re.search(words, printed), words


def test_a_column_that_was_sorted_without_the_others_is_an_error(labelled: Path) -> None:
    sheet = drawn(labelled, "sheet.csv")
    code(sheet)
    rows = [row for _, row in read_table(sheet).rows]
    texts = sorted(str(row["text"]) for row in rows)
    write_csv(sheet, list(rows[0]), [row | {"text": text} for row, text in zip(rows, texts, strict=True)])
    result = run("agree", sheet)
    assert result.exit_code == 1
    assert has_facts(result.output, "error:", "sorted")


def test_agree_warns_of_single_coders_copied_sheets_and_shared_names(labelled: Path) -> None:
    folder = labelled.parent
    drawn(labelled, "sheet.csv", "--coder", "anna", "--coder", "bob", "--show-model")
    code(folder / "sheet-anna.csv")
    alone = succeed("agree", folder / "sheet-anna.csv").output
    assert "agreement cannot be measured" in alone
    code(folder / "sheet-bob.csv")
    both = succeed("agree", folder / "sheet-anna.csv", folder / "sheet-bob.csv").output.replace("\n", " ")
    assert "anna and bob assigned the same labels to all of the 80 sentences" in both
    assert "The coders saw the model's labels" in both

    rows = [row for _, row in read_table(folder / "sheet-bob.csv").rows]
    write_csv(folder / "sheet-bob.csv", list(rows[0]), [row | {"coder": "anna"} for row in rows])
    shared = succeed("agree", folder / "sheet-anna.csv", folder / "sheet-bob.csv").output.replace("\n", " ")
    assert "coder 'anna' appears in 2 files" in shared


def test_one_coder_has_no_differences_and_no_sheet_for_adjudication(labelled: Path) -> None:
    sheet = drawn(labelled, "sheet.csv")
    code(sheet)
    result = succeed("agree", sheet, "--adjudicate", labelled.parent / "a.xlsx")
    assert "differ" not in result.stdout
    assert "95 %" not in result.stdout
    assert has_facts(result.output, "a.xlsx", "not written", "one coder")
    assert not (labelled.parent / "a.xlsx").exists()


def test_coders_who_agree_leave_nothing_to_adjudicate(labelled: Path) -> None:
    folder = labelled.parent
    drawn(labelled, "sheet.csv", "--coder", "a", "--coder", "b")
    sheets = [folder / f"sheet-{name}.csv" for name in "ab"]
    for sheet in sheets:
        code(sheet)
    assert "not written" in succeed("agree", *sheets, "--adjudicate", folder / "d.csv").output
    assert not (folder / "d.csv").exists()


@pytest.mark.parametrize("n", [30, 80])
def test_a_sheet_of_another_sample_is_refused(labelled: Path, n: int) -> None:
    """Two samples of the same corpus share some sentences, and the others would be left out."""
    folder = labelled.parent
    sheet = drawn(labelled, "first.csv")
    code(sheet)
    drawn(labelled, "second.csv", "--seed", 1, n=n)
    both = {row.id for row in Design.load(folder / "second.design.json").rows}
    foreign = sum(row["id"] not in both for _, row in read_table(sheet).rows)
    result = run("agree", sheet, "--design", folder / "second.design.json", "--gold", folder / "gold.csv")
    assert result.exit_code == 1
    assert has_facts(
        result.output, "first.csv", f"{foreign} of 80 rows", f"{n} sentences", "second.design.json", "--design"
    )
    assert not (folder / "gold.csv").exists()


def test_ids_of_another_corpus_do_not_make_its_sheet_part_of_the_sample(labelled: Path) -> None:
    sheet = drawn(labelled, "sheet.csv")
    code(sheet)
    rows = [row | {"text": f"Of another corpus, {i}."} for i, (_, row) in enumerate(read_table(sheet).rows)]
    write_csv(sheet, list(rows[0]), rows)
    result = run("agree", sheet)
    assert (result.exit_code, has_facts(result.output, "80 of 80 rows", "sheet.design.json")) == (1, True)


def test_the_output_of_a_model_is_not_a_coder(labelled: Path) -> None:
    drawn(labelled, "sheet.csv")
    renamed = labelled.parent / "ben.jsonl"
    renamed.write_bytes(labelled.read_bytes())
    result = run("agree", renamed, "--design", labelled.parent / "sheet.design.json")
    assert result.exit_code == 1
    assert has_facts(result.output, "ben.jsonl", "output of a model", "--model")


def test_codings_made_in_view_of_the_model_are_marked_and_refused_as_gold(labelled: Path) -> None:
    from communique.estimation.inputs import read

    folder = labelled.parent
    sheet = drawn(labelled, "sheet.csv", "--show-model")
    code(sheet)
    for name in ("gold.csv", "gold.jsonl", "gold.parquet"):
        output = succeed("agree", sheet, "--gold", folder / name).output
        assert has_facts(output, "model_shown", "estimate", "refuses")
        with pytest.raises(DataError, match="model_shown"):
            read(labelled, folder / name, TINY)

    drawn(labelled, "blind.csv")
    blind = folder / "blind.csv"
    code(blind)
    design = ("--design", folder / "blind.design.json")
    succeed("agree", blind, *design, "--gold", folder / "blind-gold.csv")
    assert read(labelled, folder / "blind-gold.csv", TINY).notes is not None
    # Somebody pasted the model's labels into a sheet that was written without them.
    rows = [row | {"model_labels": "none"} for _, row in read_table(blind).rows]
    write_csv(blind, list(rows[0]), rows)
    succeed("agree", blind, *design, "--gold", folder / "shown.csv")
    assert {row["model_shown"] for _, row in read_table(folder / "shown.csv").rows} == {"True"}


def test_the_output_of_a_model_is_refused_as_gold_of_an_estimate(labelled: Path) -> None:
    from communique.estimation.inputs import read

    rows = [row | {"inclusion_probability": 1.0} for _, row in read_table(labelled).rows]
    gold = write_rows(labelled.parent / "gold.jsonl", rows)
    with pytest.raises(DataError, match=facts("gold.jsonl", "output of a model")):
        read(labelled, gold, TINY)


def test_labels_without_probabilities_can_be_sampled_compared_and_estimated_from(labelled: Path) -> None:
    """A table that a chat model made has labels only. The whole way works if the codebook is named."""
    folder, book = labelled.parent, labelled.parent / "codebook.yaml"
    rows = [
        {k: v for k, v in row.items() if k not in ("probabilities", "truncated")}
        for _, row in read_table(labelled).rows
    ]
    gpt = write_rows(folder / "gpt.jsonl", rows)
    sheet = folder / "s.csv"
    succeed("check", gpt, "--predictions", "--codebook", book)
    succeed("sample", gpt, "-n", 60, "--strata", "predicted", "--codebook", book, "-o", sheet)
    code(sheet)
    assert "model" in succeed("agree", sheet, "--model", gpt, "--gold", folder / "gold.csv").stdout
    output = succeed("estimate", gpt, folder / "gold.csv", "--codebook", book).output
    assert has_facts(output, "420 rows", "no probabilities")
    refused = (("--strata", "uncertainty"), ("--by", "country", "--allocation", "optimal"), ("--for", "training"))
    for options in refused:
        result = run("sample", gpt, "-n", 60, *options, "--codebook", book, "-o", folder / "x.csv")
        assert (result.exit_code, "needs probabilities" in result.output) == (1, True), options
    # A plan does not trust the labels: it needs as many sentences as without predictions.
    assert "all labels" in succeed("sample", gpt, "--width", 0.1, "--codebook", book).output


def test_sheets_in_which_only_yes_was_marked_are_explained(labelled: Path) -> None:
    folder = labelled.parent
    sheet = drawn(labelled, "sheet.csv")
    code(sheet)
    rows = [row for _, row in read_table(sheet).rows]
    for row in rows:
        row.update({name: "yes" if row[name] == "yes" else "" for name in TINY.names})
    write_csv(sheet, list(rows[0]), rows)
    blank = sum(not any(row[name] for name in TINY.names) for row in rows)
    assert blank
    output = succeed("agree", sheet, "--gold", folder / "gold.csv").output
    assert has_facts(output, "warning", f"{80 - blank} coded rows", f"{blank} rows are blank", "answer no")
    book = ("--codebook", folder / "codebook.yaml")
    for design in ((), ("--design", folder / "sheet.design.json")):
        refused = run("estimate", labelled, folder / "gold.csv", *book, *design)
        assert refused.exit_code == 1
        assert has_facts(refused.output, "very gold sentence has a label", "'no'")
        assert "use --missing random" not in refused.output
        risky = succeed("estimate", labelled, folder / "gold.csv", *book, *design, "--missing", "random")
        assert has_facts(risky.output, "warning", "very gold sentence has a label")


def test_unequal_sampling_rates_are_reported_unless_they_come_from_rounding(labelled: Path) -> None:
    for name, *options in (("even", "--by", "country"), ("uneven", "--strata", "predicted", "--allocation", "equal")):
        sheet = drawn(labelled, f"{name}.csv", *options, n=81)
        code(sheet)
        output = succeed("agree", sheet, "--design", sheet.with_suffix(".design.json")).output
        assert ("drawn at different rates" in output) == (name == "uneven")


def test_agree_warns_of_too_few_sentences(labelled: Path) -> None:
    folder = labelled.parent
    drawn(labelled, "sheet.csv", "--coder", "a", "--coder", "b", n=20)
    code(folder / "sheet-a.csv")
    code(folder / "sheet-b.csv", wrong=0.2, seed=2)
    assert "too few" in succeed("agree", folder / "sheet-a.csv", folder / "sheet-b.csv").output


def test_coders_can_use_different_tools(labelled: Path) -> None:
    """One coder uses a sheet and another one Prodigy, with the same sample."""
    folder = labelled.parent
    sheet = drawn(labelled, "sheet.csv", "--coder", "anna")
    drawn(labelled, "tasks.jsonl", "--format", "prodigy")
    first = code(folder / "sheet-anna.csv")
    assert not sheet.exists()
    tasks = [json.loads(line) for line in (folder / "tasks.jsonl").read_text(encoding="utf-8").splitlines()]
    out = folder / "db-out.jsonl"
    out.write_text(
        "".join(
            json.dumps(
                task
                | {"answer": "accept", "accept": sorted(first[task["sentence_id"]]) or ["none"], "_annotator_id": "b"}
            )
            + "\n"
            for task in tasks
        ),
        encoding="utf-8",
    )
    result = succeed("agree", folder / "sheet-anna.csv", out, "--design", folder / "sheet.design.json")
    assert "Coders differ on 0 sentences" in result.output.replace("\n", " ")


def test_agreement_can_be_measured_without_a_design_file(tmp_path: Path) -> None:
    TINY.dump(tmp_path / "codebook.yaml")
    for name in ("x", "y"):
        rows = [
            {"id": i, "text": f"t{i}", "labels": "criticism" if i % 3 else "none", "coder": name} for i in range(60)
        ]
        write_csv(tmp_path / f"{name}.csv", list(rows[0]), rows)
    result = succeed("agree", tmp_path / "x.csv", tmp_path / "y.csv", "--codebook", tmp_path / "codebook.yaml")
    assert re.search(r"120 rows .*document", result.output)
    assert run("agree", tmp_path / "x.csv", "--gold", tmp_path / "g.csv").exit_code == 2


def test_an_empty_sheet_is_refused(labelled: Path) -> None:
    result = run("agree", drawn(labelled, "sheet.csv"))
    assert result.exit_code == 1
    assert re.search(r"80 rows .*nobody coded", result.output)


def test_an_adjudicated_sheet_is_enough_for_gold(labelled: Path) -> None:
    folder = labelled.parent
    sheet = drawn(labelled, "sheet.csv")
    rows = [row | {"coder": "adjudication"} for _, row in read_table(sheet).rows]
    write_csv(sheet, list(rows[0]), rows)
    code(sheet)
    result = succeed("agree", sheet, "--gold", folder / "gold.csv")
    assert re.search(r"80 .*gold", result.output)
    assert {row["coder"] for _, row in read_table(folder / "gold.csv").rows} == {"adjudication"}


def test_a_coder_named_model_is_a_coder_like_others(labelled: Path) -> None:
    drawn(labelled, "sheet.csv", "--coder", "model", "--coder", "ben")
    folder = labelled.parent
    for number, name in enumerate(("model", "ben")):
        code(folder / f"sheet-{name}.csv", wrong=0.1, seed=number)
    succeed("agree", folder / "sheet-model.csv", folder / "sheet-ben.csv", "--json", folder / "report.json")
    report = json.loads((folder / "report.json").read_text())
    assert [one["n"] for one in report["alphas"]] == [80, 80, 80]
    assert {(one["first"], one["second"], one["n"]) for one in report["pairs"]} == {("model", "ben", 80)}


def test_a_coder_named_model_is_refused_if_the_model_is_compared(labelled: Path) -> None:
    sheet = drawn(labelled, "model.csv")
    code(sheet)
    succeed("agree", sheet)
    result = run("agree", sheet, "--model", labelled)
    assert result.exit_code == 1
    assert has_facts(result.output, "coder", "'model'")
    assert result.output.splitlines()[-1].startswith("error:")


def test_sample_warns_if_sentences_have_no_position_in_their_document(labelled: Path) -> None:
    rows = [json.loads(line) for line in labelled.read_text(encoding="utf-8").splitlines()]
    labelled.write_text("".join(json.dumps({**row, "index": 0}) + "\n" for row in rows), encoding="utf-8")
    options = ("-n", 20, "--codebook", labelled.parent / "codebook.yaml")
    printed = succeed("sample", labelled, "-o", labelled.parent / "a.csv", *options).output
    assert "no row has a position in its document" in printed
    numbered = [{**row, "index": 0, "input_index": row["index"]} for row in rows]
    labelled.write_text("".join(json.dumps(row) + "\n" for row in numbered), encoding="utf-8")
    assert "has a position" not in succeed("sample", labelled, "-o", labelled.parent / "b.csv", *options).output
    with (labelled.parent / "b.csv").open(encoding="utf-8-sig", newline="") as handle:
        shown = {row["id"]: row["previous"] for row in csv.DictReader(handle)}
    before = {row["id"]: rows[i - 1]["text"] if row["index"] else "" for i, row in enumerate(rows)}
    assert shown == {identity: before[identity] for identity in shown}
    assert any(shown.values())


def test_width_uses_measured_error_rates(labelled: Path) -> None:
    rows = [{"label": n, "precision": {"value": 0.7}, "recall": {"value": 0.9}} for n in TINY.names]
    report = labelled.parent / "report.json"
    report.write_text(json.dumps({"groups": [{"labels": rows}]}), encoding="utf-8")
    plain = succeed("sample", labelled, "--width", 0.2).output
    measured = succeed("sample", labelled, "--width", 0.2, "--report", report).output
    assert "relies on the model's probabilities" in plain
    assert f"if the model makes as many errors here as in {report}" in measured
    assert "precision 0.70, recall 0.90" in measured
    assert run("sample", labelled, "-n", 5, "-o", labelled.parent / "x.csv", "--report", report).exit_code == 2


def test_sample_compares_sentences_with_the_training_data_of_the_named_model(labelled: Path, tmp_path: Path) -> None:
    import shutil

    from communique.data.sentence import text_sha256
    from communique.models.folder import read_info
    from communique.models.predictor import default_model

    folder = tmp_path / "own-model"
    shutil.copytree(default_model(), folder, ignore=shutil.ignore_patterns("*.bin", "*.xml", "tokenizer.json"))
    info = read_info(folder)
    known = text_sha256("Sentence 3 of document 2.")[:16]
    training = info.training.model_copy(update={"text_hashes": (known,)})
    (folder / "bundle.json").write_text(
        info.model_copy(update={"training": training}).model_dump_json(), encoding="utf-8"
    )
    printed = succeed("sample", labelled, "--width", 0.2, "--model", folder).output
    assert has_facts(printed, "left out 1 sentence", "trained", "'d2:3'", folder)
    assert "left out" not in succeed("sample", labelled, "--width", 0.2).output


def test_many_coders_are_not_compared_in_pairs(tmp_path: Path) -> None:
    rows = "".join(f"{i % 5},t{i % 5},c{i},criticism\n" for i in range(60))
    (tmp_path / "coded.csv").write_text("id,text,coder,labels\n" + rows, encoding="utf-8")
    output = succeed("agree", tmp_path / "coded.csv").output
    assert "60 coders. Pairs of coders are compared only if there are at most 50" in output
    assert "Cohen's kappa" not in output


def test_a_different_coder_in_each_row_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("communique.annotation.agreement_report.MAX_CODES", 300)
    rows = "".join(f"{i},t{i},c{i},criticism\n" for i in range(20))
    (tmp_path / "coded.csv").write_text("id,text,coder,labels\n" + rows, encoding="utf-8")
    refused = run("agree", tmp_path / "coded.csv")
    assert refused.exit_code == 1
    assert "column 'coder'" in refused.output
