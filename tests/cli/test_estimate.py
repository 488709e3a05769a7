"""Tests of `communique estimate` on files: refusals with reason and remedy, tables, figures and methods."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers import NO_CELLS, ROOT, YES_CELLS, Run, facts, has_facts
from numpy.typing import NDArray
from simulated_corpus import draw_simple, draw_two_stage, population

from communique.data.codebook import Codebook
from communique.data.leakage import Fingerprint
from communique.data.sentence import text_sha256
from communique.errors import DataError, LeakError
from communique.estimation.analysis import analyse
from communique.estimation.inputs import EstimationData, read
from communique.estimation.report import Provenance, methods
from communique.io.write import write_csv, write_jsonl, write_parquet
from communique.reporting.format import is_formula
from communique.sampling.design import draw_sample
from communique.sampling.population import read_population

COUNTRIES = ("DE", "FR")
LABELS = ("criticism", "pledge")

Row = dict[str, Any]
Made = tuple[Path, list[Row], list[Row], NDArray[np.float64], Codebook]


def make(
    folder: Path, *, n: int = 300, seed: int = 0, two_stage: bool = False, suffix: str = ".jsonl"
) -> tuple[list[Row], list[Row], NDArray[np.float64], Codebook]:
    """Write a codebook, predictions for about 1,500 sentences from two countries and three years, and gold for n of them."""
    codebook = Codebook.model_validate(
        {
            "name": "tiny",
            "version": "1",
            "task": "multilabel",
            "labels": [{"name": name, "definition": name} for name in LABELS],
        }
    )
    codebook.dump(folder / "codebook.yaml")
    rng = np.random.default_rng(seed)
    made = [population(rng, share=share, accuracy=0.85, documents=150) for share in (0.3, 0.1)]
    size = min(len(p.y) for p in made)
    documents = made[0].documents[:size]
    y = np.stack([p.y[:size] for p in made], axis=1)
    prediction = np.stack([p.prediction[:size] for p in made], axis=1)
    rows: list[Row] = [
        {
            "id": f"s{i}",
            "document": f"d{documents[i]}",
            "text": f"Sentence {i}.",
            "labels": [name for k, name in enumerate(LABELS) if prediction[i, k] >= 0.5],
            "probabilities": {name: float(prediction[i, k]) for k, name in enumerate(LABELS)},
            "country": COUNTRIES[documents[i] % 2],
            "year": int(2020 + documents[i] // 2 % 3),
        }
        for i in range(size)
    ]
    sample = draw_two_stage(rng, documents, n) if two_stage else draw_simple(rng, documents, n)
    gold: list[Row] = [
        {
            "id": f"s{i}",
            "text": f"Sentence {i}.",
            "labels": [name for k, name in enumerate(LABELS) if y[i, k]],
            "inclusion_probability": float(p),
            "sampling": "two-stage" if two_stage else "simple",
            "purpose": "estimate",
        }
        for i, p in zip(sample.gold.tolist(), sample.probability, strict=True)
    ]
    save(folder / f"predictions{suffix}", rows)
    save(folder / f"gold{suffix}", gold)
    return rows, gold, y, codebook


def save(path: Path, rows: list[Row]) -> None:
    if path.suffix == ".jsonl":
        write_jsonl(path, rows)
    elif path.suffix == ".parquet":
        write_parquet(path, rows)
    else:
        flat = [
            {k: v for k, v in r.items() if k != "probabilities"}
            | {"labels": r["labels"] or ["none"]}
            | {f"probability_{name}": p for name, p in r.get("probabilities", {}).items()}
            for r in rows
        ]
        write_csv(path, list(flat[0]), flat)


def load(folder: Path, codebook: Codebook, **kwargs: Any) -> EstimationData:
    kwargs.setdefault("columns", ("country", "year"))
    return read(folder / "predictions.jsonl", folder / "gold.jsonl", codebook, **kwargs)


def run(folder: Path, *options: object) -> Run:
    suffix = next(folder.glob("predictions.*")).suffix
    files = [folder / f"predictions{suffix}", folder / f"gold{suffix}"]
    return helpers.run("estimate", *files, "--codebook", folder / "codebook.yaml", *options)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    rows, gold, y, codebook = make(tmp_path)
    return tmp_path, rows, gold, y, codebook


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_all_formats_contain_the_same_data(tmp_path: Path, suffix: str) -> None:
    _, _, _, codebook = make(tmp_path)
    make(tmp_path, suffix=suffix)
    a = load(tmp_path, codebook)
    b = read(tmp_path / f"predictions{suffix}", tmp_path / f"gold{suffix}", codebook, columns=("country", "year"))
    assert np.array_equal(a.y, b.y)
    assert np.allclose(a.prediction, b.prediction)
    assert np.array_equal(a.predicted, b.predicted)
    assert np.allclose(a.sample.probability, b.sample.probability)
    assert np.array_equal(a.sample.documents, b.sample.documents)
    for name in ("country", "year"):
        assert a.columns[name].levels == b.columns[name].levels
        assert np.array_equal(a.columns[name].codes, b.columns[name].codes)


def test_the_corrected_proportion_is_closer_to_the_truth_than_the_naive_one(made: Made) -> None:
    folder, _, _, y, codebook = made
    analysis = analyse(load(folder, codebook), target="finite-population")
    for k, label in enumerate(LABELS):
        share = next(s for s in analysis.shares if s.label == label and s.level == "all")
        truth = y[:, k].mean()
        assert share.methods["ppi"].low <= truth <= share.methods["ppi"].high
        assert share.methods["dsl"].low <= truth <= share.methods["dsl"].high
        assert abs(share.methods["ppi"].value - truth) < abs(share.methods["naive"].value - truth)
        assert share.methods["ppi"].width < share.methods["gold"].width


def test_the_requested_groups_contrasts_and_regressions_are_estimated(made: Made) -> None:
    folder, _, _, _, codebook = made
    analysis = analyse(load(folder, codebook), contrasts=["country=FR,year=2020 vs country=DE,year=2020"])
    assert {s.level for s in analysis.shares} == {"all", "country", "year", "cell"}
    assert len([s for s in analysis.shares if s.label == "pledge"]) == 1 + 2 + 3 + 6
    names = [c.name for c in analysis.contrasts if c.label == "pledge"]
    assert "country=FR minus country=DE" in names
    assert "year=2022 minus year=2020" in names
    assert {"all: slope per 1 year", "country=DE: slope per 1 year", "country=FR: slope per 1 year"} <= set(names)
    assert "country=FR, year=2020 minus country=DE, year=2020" in names
    by_name = {s.group: s.methods["ppi"].value for s in analysis.shares if s.label == "pledge"}
    found = {c.name: c for c in analysis.contrasts if c.label == "pledge"}
    assert found["country=FR minus country=DE"].estimate.value == pytest.approx(
        by_name["country=FR"] - by_name["country=DE"]
    )
    slope = (by_name["year=2022"] - by_name["year=2020"]) / 2
    assert found["all: slope per 1 year"].estimate.value == pytest.approx(slope)
    for c in analysis.contrasts:
        assert c.p_holm >= c.estimate.p
        assert c.family_low <= c.estimate.low
        assert c.family_high >= c.estimate.high
    terms = {c.term for c in analysis.regressions}
    assert terms == {"intercept", "country=FR (against DE)", "year (from 2020)"}
    assert {c.family for c in analysis.regressions} == {"linear", "logistic"}


def test_order_of_rows_and_of_labels_does_not_matter(made: Made) -> None:
    folder, _, gold, _, codebook = made
    before = analyse(load(folder, codebook))
    save(folder / "gold.jsonl", gold[::-1])
    after = analyse(load(folder, codebook))
    values = [[s.methods["ppi"].value for s in a.shares] for a in (before, after)]
    assert values[0] == pytest.approx(values[1])
    turned = codebook.model_copy(update={"labels": codebook.labels[::-1]})
    third = {(s.label, s.group): s.methods["ppi"].value for s in analyse(load(folder, turned)).shares}
    assert third == pytest.approx({(s.label, s.group): s.methods["ppi"].value for s in before.shares})


def change(folder: Path, gold: list[Row], **values: object) -> None:
    save(folder / "gold.jsonl", [{**gold[0], **values}, *gold[1:]])


@pytest.mark.parametrize(
    ("values", "reason", "remedy"),
    [
        ({"inclusion_probability": None}, "inclusion probability", "communique agree"),
        ({"inclusion_probability": 0}, "inclusion probability", "n/N"),
        ({"inclusion_probability": 1.5}, "inclusion probability", "n/N"),
        ({"purpose": "training"}, "training", "communique sample"),
        ({"sampling": "training"}, "training", "communique sample"),
        ({"sampling": "handpicked"}, "sampling", "simple, stratified, two-stage"),
        ({"sampling": "two-stage"}, "document", "row"),
        ({"id": "nobody"}, "predictions.jsonl", "row"),
        ({"text": "Another."}, "text", "id"),
        ({"labels": None}, "not coded", "none"),
        ({"labels": " "}, "not coded", "none"),
        ({"labels": "threat"}, "'threat'", "criticism, pledge"),
    ],
)  # fmt: skip
def test_invalid_gold_is_refused_with_reason_and_remedy(made: Made, values: Row, reason: str, remedy: str) -> None:
    folder, _, gold, _, codebook = made
    change(folder, gold, **values)
    with pytest.raises(DataError) as error:
        load(folder, codebook)
    assert reason in str(error.value)
    assert remedy in str(error.value)
    assert "row" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_blank_cell_in_gold_as_csv_does_not_mean_no_label(tmp_path: Path) -> None:
    _, gold, _, codebook = make(tmp_path, suffix=".csv")
    assert len(read(tmp_path / "predictions.csv", tmp_path / "gold.csv", codebook).y) == len(gold)
    save(tmp_path / "gold.csv", [{**row, "labels": " " if i == 7 else "none"} for i, row in enumerate(gold)])
    with pytest.raises(DataError, match=facts("gold.csv, row 9", "not coded")):
        read(tmp_path / "predictions.csv", tmp_path / "gold.csv", codebook)


def test_gold_without_inclusion_probabilities_is_refused(made: Made) -> None:
    folder, _, gold, _, codebook = made
    save(folder / "gold.jsonl", [{k: v for k, v in row.items() if k != "inclusion_probability"} for row in gold])
    with pytest.raises(DataError, match=facts("300 rows", "inclusion probability")):
        load(folder, codebook)


def test_disagreeing_coders_are_refused_and_agreeing_coders_count_once(made: Made) -> None:
    folder, _, gold, _, codebook = made
    save(folder / "gold.jsonl", [{**row, "coder": coder} for coder in ("A", "B") for row in gold])
    coded = load(folder, codebook)
    assert len(coded.sample.gold) == len(gold)
    assert coded.coders == ("A", "B")
    other = [] if gold[0]["labels"] else ["pledge"]
    save(folder / "gold.jsonl", [*gold, {**gold[0], "labels": other}])
    with pytest.raises(DataError, match=facts("row 301", "communique agree")):
        load(folder, codebook)


def test_coders_are_counted_by_name_and_adjudication_is_not_a_coder(made: Made) -> None:
    folder, _, gold, _, codebook = made
    save(folder / "gold.jsonl", [{**row, "coder": "adjudication" if i < 3 else "A|B"} for i, row in enumerate(gold)])
    assert load(folder, codebook).coders == ("A", "B")
    save(folder / "gold.jsonl", [{**row, "coder": ("A|B", "A", "C")[i % 3]} for i, row in enumerate(gold)])
    assert load(folder, codebook).coders == ("A", "B", "C")


def test_gold_of_version_0_1_is_refused(made: Made) -> None:
    folder, _, gold, _, codebook = made
    save(folder / "gold.jsonl", [{**row, "coder": "settlement" if i < 3 else "A|B"} for i, row in enumerate(gold)])
    with pytest.raises(DataError, match=facts("gold.jsonl:", "'settlement'", "0.1")):
        load(folder, codebook)


def test_gold_can_have_one_yes_or_no_column_per_label(made: Made) -> None:
    folder, _, gold, _, codebook = made
    cells = [*YES_CELLS, *NO_CELLS]
    rows = [{k: v for k, v in row.items() if k != "labels"} | {"criticism": 1, "pledge": 0} for row in gold]
    save(folder / "gold.jsonl", [{**row, "pledge": cells[i % len(cells)]} for i, row in enumerate(rows)])
    y = load(folder, codebook).y
    assert y[:, 0].all()
    assert y[:, 1].tolist() == [cells[i % len(cells)] in YES_CELLS for i in range(len(rows))]
    for empty in ("", None):
        save(folder / "gold.jsonl", [{**rows[0], "pledge": empty}, *rows[1:]])
        with pytest.raises(DataError, match=facts("row 1:", "'pledge'")):
            load(folder, codebook)


def test_a_row_that_has_only_the_hash_of_its_text_is_checked(made: Made) -> None:
    folder, _, gold, _, codebook = made
    hashed = [{**row, "sha256": text_sha256(row["text"])} for row in gold]
    for row in hashed:
        del row["text"]
    save(folder / "gold.jsonl", hashed)
    load(folder, codebook)
    save(folder / "gold.jsonl", [{**hashed[0], "sha256": "0" * 64}, *hashed[1:]])
    with pytest.raises(DataError, match=facts("text", "row 1")):
        load(folder, codebook)


def test_gold_on_which_the_model_was_trained_is_refused(made: Made) -> None:
    folder, rows, gold, _, codebook = made
    position = {row["id"]: row for row in rows}
    text = Fingerprint(frozenset(), frozenset({text_sha256(gold[3]["text"])[:16]}))
    document = position[gold[3]["id"]]["document"]
    documents = Fingerprint(frozenset({hashlib.sha256(f"\x1f{document}".encode()).hexdigest()[:16]}), frozenset())
    for seen in (text, documents):
        with pytest.raises(LeakError, match=r"row \d+.*trained"):
            load(folder, codebook, trained_on=seen)
    load(folder, codebook, trained_on=Fingerprint(frozenset(), frozenset({"0" * 16})))


def test_a_group_without_gold_is_refused_or_left_out(made: Made) -> None:
    folder, rows, gold, _, codebook = made
    save(folder / "predictions.jsonl", [{**row, "year": 1999} if row["document"] == "d0" else row for row in rows])
    inside = {row["id"] for row in rows if row["document"] == "d0"}
    save(folder / "gold.jsonl", [row for row in gold if row["id"] not in inside])
    coded = load(folder, codebook, missing="random")
    with pytest.raises(DataError, match=facts("year=1999", "--skip-unsupported")):
        analyse(coded)
    analysis = analyse(coded, skip=True)
    assert [name.split(" (")[0] for name in analysis.left_out] == ["year=1999", "country=DE, year=1999"]
    assert "year=1999" not in {s.group for s in analysis.shares}
    with pytest.raises(DataError, match=facts("'year=1999'")):
        analyse(coded, skip=True, contrasts=["year=1999 vs year=2020"])


def panel(folder: Path, codebook: Codebook, rows: list[Row], per_document: int) -> None:
    """Write predictions of the three longest documents, each a country, and gold for a number of sentences of each."""
    longest = {name for name, _ in Counter(row["document"] for row in rows).most_common(3)}
    chosen = [row for row in rows if row["document"] in longest]
    written: dict[str, list[Row]] = {}
    for row in chosen:
        written.setdefault(row["document"], []).append({**row, "country": row["document"].upper()})
    save(folder / "predictions.jsonl", [row for part in written.values() for row in part])
    save(
        folder / "gold.jsonl",
        [
            {
                "id": row["id"],
                "labels": ["pledge"] if i % 3 == 0 else [],
                "inclusion_probability": min(1, per_document / len(part)),
                "sampling": "stratified",
                "stratum": row["country"],
            }
            for part in written.values()
            for i, row in enumerate(part[:per_document])
        ],
    )


def test_a_panel_with_one_document_per_group_is_estimated_for_exactly_this_corpus(made: Made) -> None:
    folder, rows, _, _, codebook = made
    panel(folder, codebook, rows, 5)
    coded = load(folder, codebook, columns=("country",))
    with pytest.raises(
        DataError, match=facts("3 of 4 groups", "1 gold document", "--target finite-population", "all of")
    ):
        analyse(coded)
    analysis = analyse(coded, target="finite-population")
    shares = [s for s in analysis.shares if s.label == "pledge" and s.level == "country"]
    assert [s.gold_documents for s in shares] == [1, 1, 1]
    assert all(s.methods["ppi"].low < s.methods["ppi"].high for s in shares)
    panel(folder, codebook, rows, 1)
    with pytest.raises(DataError, match=facts("1 gold sentence", "two gold sentences", "--skip-unsupported")):
        analyse(load(folder, codebook, columns=("country",)), target="finite-population")


def test_one_proportion_per_group_is_printed_and_the_others_are_explained(made: Made) -> None:
    output = run(made[0], "--by", "country").output
    head = next(line for line in output.splitlines() if "proportion" in line and "sentences" in line)
    assert not any(word in head for word in ("naive", "DSL", "gold only"))
    assert "PPI++" in output
    assert has_facts(output, "naive", "--out")


def test_comparisons_are_chosen_on_the_command_line(made: Made) -> None:
    folder = made[0]

    def compared(*options: object) -> list[tuple[str, str]]:
        done = run(folder, "--by", "country,year", "--out", folder / "out", "--overwrite", *options)
        assert done.exit_code == 0, done.output
        path = folder / "out/contrasts.parquet"
        found = [(r["family"], r["contrast"]) for r in pq.read_table(path).to_pylist() if r["label"] == "pledge"]
        path.unlink()
        return found

    assert compared("--compare", "reference", "--reference", "country=FR") == [
        ("country against FR", "country=DE minus country=FR")
    ]
    rest = compared("--compare", "rest", "--compare", "trend")
    assert [name for family, name in rest if family == "year against the rest"] == [
        f"year={year} minus all but year={year}" for year in (2020, 2021, 2022)
    ]
    assert ("trend over year", "all: slope per 1 year") in rest
    assert ("trends over year by cell", "country=FR: slope per 1 year") in rest
    assert "Each group has a lambda of its own" in (folder / "out/methods.md").read_text(encoding="utf-8")
    asked = compared("--compare", "none", "--contrast", "country=FR vs country=DE")
    assert asked == [("asked for", "country=FR minus country=DE")]
    methods_text = (folder / "out/methods.md").read_text(encoding="utf-8")
    assert "asked for (1)" in methods_text
    refused = run(folder, "--by", "country", "--compare", "reference")
    assert (refused.exit_code, has_facts(refused.output, "--reference country=FR")) == (1, True)


def test_the_report_is_one_page_without_connections_and_escapes_texts(made: Made) -> None:
    folder, rows, _, _, _ = made
    name = "<script>alert(1)</script>"
    save(folder / "predictions.jsonl", [{**r, "country": name if r["country"] == "FR" else "DE"} for r in rows])
    done = run(folder, "--by", "country,year", "--out", folder / "out")
    assert done.exit_code == 0, done.output
    page = (folder / "out/report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert not re.search(r"(src|href)=[\"'](?!#)", page)
    assert "default-src 'none'" in page
    estimates = [r for r in pq.read_table(folder / "out/estimates.parquet").to_pylist() if r["reported"]]
    for row in (r for r in estimates if r["level"] == "country"):
        assert f"{row['estimate']:.3f} [{row['low']:.3f}, {row['high']:.3f}]" in page
    assert page.count('class="panel"') == 2 * 3
    assert "doubtful: " in page
    paragraph = (folder / "out/methods.md").read_text(encoding="utf-8").split("\n")[2]
    assert paragraph.startswith("We labelled")
    assert "We labelled" in page
    for word in ("naive", "What other numbers count", "prefers-color-scheme: dark", "viewport"):
        assert word in page


def test_a_contrast_with_only_one_group_is_refused(made: Made) -> None:
    folder, _, _, _, codebook = made
    with pytest.raises(DataError, match=facts("country=FR")):
        analyse(load(folder, codebook), contrasts=["country=FR"])
    with pytest.raises(DataError, match=facts("same group")):
        analyse(load(folder, codebook), contrasts=["country=FR vs country=FR"])


def test_a_value_that_makes_the_name_of_another_group_is_refused(made: Made) -> None:
    folder, rows, _, _, codebook = made
    value = "DE, year=2020"
    save(folder / "predictions.jsonl", [{**r, "country": value if r["country"] == "FR" else "DE"} for r in rows])
    with pytest.raises(DataError, match=facts(repr(value), "'country'", "Rename")):
        analyse(load(folder, codebook))


def test_a_comparison_without_effect_is_noted(made: Made) -> None:
    folder, rows, _, _, codebook = made
    save(folder / "predictions.jsonl", [{**row, "country": "DE"} for row in rows])
    analysis = analyse(load(folder, codebook, columns=("country",)), compare=["pairs", "rest"])
    assert not analysis.contrasts
    assert any("no comparisons (pairs, rest)" in line for line in analysis.notes)
    assert not any("no comparisons" in line for line in analyse(load(folder, codebook, columns=("country",))).notes)


def test_missing_and_empty_columns_are_refused(made: Made) -> None:
    folder, rows, _, _, codebook = made
    with pytest.raises(DataError, match=facts("'party'")):
        load(folder, codebook, columns=("party",))
    save(folder / "predictions.jsonl", [{**row, "country": ""} for row in rows])
    with pytest.raises(DataError, match=facts("'country'", "--by")):
        load(folder, codebook)


def test_sentences_without_a_value_are_counted_and_form_a_group(made: Made) -> None:
    folder, rows, _, _, codebook = made
    gone = {f"d{i}" for i in range(0, 40)}
    save(
        folder / "predictions.jsonl", [{**row, "year": "" if row["document"] in gone else row["year"]} for row in rows]
    )
    count = sum(row["document"] in gone for row in rows)
    coded = load(folder, codebook)
    assert any(has_facts(line, f"{count} rows have no value", "'year'", "(missing)") for line in coded.notes)
    assert coded.columns["year"].levels == ("2020", "2021", "2022")
    analysis = analyse(coded)
    sizes = {s.group: s.n for s in analysis.shares if s.label == "pledge"}
    assert sizes["year=(missing)"] == count
    assert sum(n for group, n in sizes.items() if group.startswith("year=")) == sizes["all"] == len(rows)
    assert not any("missing" in c.name for c in analysis.contrasts)
    assert "all: slope per 1 year" in {c.name for c in analysis.contrasts}
    assert {c.term for c in analysis.regressions} == {"intercept", "country=FR (against DE)", "year (from 2020)"}
    done = run(folder, "--by", "country,year", "--out", folder / "out")
    assert done.exit_code == 0, done.output
    dsl = pq.read_table(folder / "out/dsl.parquet").to_pylist()
    assert sum(row["year"] is None for row in dsl) == count


def test_a_few_sentences_without_a_value_are_left_out_and_not_refused(made: Made) -> None:
    folder, rows, gold, _, codebook = made
    coded_ids = {row["id"] for row in gold}
    first = next(row["id"] for row in rows if row["id"] not in coded_ids)
    save(folder / "predictions.jsonl", [{**row, "country": None} if row["id"] == first else row for row in rows])
    analysis = analyse(load(folder, codebook))
    assert analysis.left_out == ("country=(missing) (no gold documents)",)
    assert any("1 row has no value" in line for line in analysis.notes)


def test_collinear_predictors_are_noted_and_not_regressed(made: Made) -> None:
    folder, rows, _, _, codebook = made
    save(
        folder / "predictions.jsonl",
        [{**row, "capital": {"DE": "Berlin", "FR": "Paris"}[row["country"]]} for row in rows],
    )
    analysis = analyse(load(folder, codebook, columns=("country", "capital")))
    assert analysis.regressions == ()
    assert any(has_facts(line, "country", "capital") for line in analysis.notes)


def test_one_missing_sentence_is_noted_with_counts(made: Made) -> None:
    folder, _, gold, _, codebook = made
    assert not any("drawn" in line for line in load(folder, codebook).notes)
    save(folder / "gold.jsonl", gold[:-1])
    found = [line for line in load(folder, codebook).notes if "missing" in line]
    assert len(found) == 1
    assert has_facts(found[0], "1 of 300", "0.3%")


def test_gold_with_missing_rows_and_no_design_is_refused_without_the_option_missing(made: Made) -> None:
    folder, rows, gold, _, codebook = made
    save(folder / "gold.jsonl", gold[:270])
    with pytest.raises(DataError, match=facts("30 of 300", "10.0%", "--missing random")):
        load(folder, codebook)
    coded = load(folder, codebook, missing="random")
    assert coded.sample.probability == pytest.approx(gold[0]["inclusion_probability"] * 270 / 300)
    assert coded.sample.weights.sum() == pytest.approx(len(rows))
    assert any("missing at random" in line for line in coded.notes)


def test_gold_that_represents_more_sentences_than_were_predicted_is_noted(made: Made) -> None:
    folder, _, gold, _, codebook = made
    save(folder / "gold.jsonl", [{**row, "inclusion_probability": 0.1} for row in gold])
    assert any(has_facts(line, "3000 ", "predictions") for line in load(folder, codebook).notes)


def test_gold_of_a_two_stage_design_can_only_be_checked_with_the_design_file(tmp_path: Path) -> None:
    _, gold, _, codebook = make(tmp_path, two_stage=True)
    assert any("design" in line for line in load(tmp_path, codebook).notes)
    save(tmp_path / "gold.jsonl", gold[:-30])
    load(tmp_path, codebook)


def test_with_a_design_file_missing_rows_lower_the_probabilities_of_their_stratum(made: Made) -> None:
    folder, rows, _, _, codebook = made
    plan = draw_sample(read_population(folder / "predictions.jsonl"), 200, codebook, by=("country",))
    given = [m for m in plan.rows if m.stratum != "country=FR"]
    french = [m for m in plan.rows if m.stratum == "country=FR"]
    kept = [*given, *french[: len(french) // 2]]
    save(
        folder / "gold.jsonl",
        [
            {"id": m.id, "labels": [], "inclusion_probability": m.inclusion_probability, "stratum": m.stratum}
            for m in kept
        ],
    )
    lacking = len(french) - len(french) // 2
    with pytest.raises(
        DataError, match=facts(f"{lacking} of 200", f"{lacking} of {len(french)}", "country=FR", "--missing")
    ):
        load(folder, codebook, design=plan)
    coded = load(folder, codebook, design=plan, missing="random")
    written = np.array([m.inclusion_probability for m in kept])
    part = coded.sample.probability / written
    assert part[: len(given)] == pytest.approx(1)
    assert part[len(given) :] == pytest.approx((len(french) // 2) / len(french))
    assert coded.sample.weights.sum() == pytest.approx(len(rows))


def test_doubtful_estimates_are_reported_in_one_line_per_reason(made: Made) -> None:
    folder, _, gold, _, codebook = made
    save(folder / "gold.jsonl", gold)
    analysis = analyse(load(folder, codebook))
    doubtful = [share for share in analysis.shares if share.warnings]
    assert len(doubtful) > 3
    assert len(analysis.warnings) <= 3
    cases = next(line for line in analysis.warnings if line.startswith("fewer than 10 gold sentences"))
    few = [s for s in doubtful if any("gold sentence" in d.text for d in s.warnings)]
    assert f"{len(few)} of {len(analysis.shares)} " in cases
    assert few[0].group in cases
    warned = [line for line in run(folder, "--by", "country,year").output.splitlines() if "doubtful: " in line]
    assert len(warned) == len(analysis.warnings)


def test_only_the_needed_columns_and_texts_of_predictions_are_kept(made: Made) -> None:
    folder, rows, gold, _, codebook = made
    save(folder / "predictions.parquet", [{**row, "long": "x" * 1000} for row in rows])
    population = read_population(
        folder / "predictions.parquet", codebook, columns=("year",), keep={row["id"] for row in gold}
    )
    assert set(population.columns) == {"year"}
    assert len(population) - population.texts.null_count == len(gold)
    everything = read_population(folder / "predictions.jsonl")
    assert np.array_equal(population.probabilities, everything.probabilities)
    assert np.array_equal(population.documents, everything.documents)


def test_predictions_without_probabilities_are_used_as_decisions(made: Made) -> None:
    folder, rows, _, _, codebook = made
    save(folder / "predictions.jsonl", [{k: v for k, v in row.items() if k != "probabilities"} for row in rows])
    coded = load(folder, codebook)
    assert set(np.unique(coded.prediction)) == {0.0, 1.0}
    assert any(has_facts(line, f"{len(rows):,} rows", "0 or 1") for line in coded.notes)


@pytest.mark.parametrize("two_stage", [False, True])
def test_the_command_writes_tables_figures_and_a_methods_section(tmp_path: Path, two_stage: bool) -> None:
    make(tmp_path, two_stage=two_stage)
    out = tmp_path / "out"
    (tmp_path / "agreement.md").write_text("Alpha 0.81", encoding="utf-8")
    result = run(tmp_path, "--by", "country,year", "-o", str(out), "--agreement", str(tmp_path / "agreement.md"))
    assert result.exit_code == 0, result.output
    assert "naive" in result.output
    names = {path.name for path in out.iterdir()}
    tables = ("estimates", "contrasts", "regressions", "error_rates", "dsl")
    assert names == {
        *(f"{name}.{ending}" for name in tables for ending in ("csv", "parquet")),
        *(f"{name}.{ending}" for name in ("forest", "shares_by_year") for ending in ("svg", "png")),
        "methods.md",
        "report.html",
    }
    estimates = pq.read_table(out / "estimates.parquet").to_pylist()
    assert {row["method"] for row in estimates} == {"naive", "gold", "ppi", "dsl"}
    assert all(row["low"] <= row["estimate"] <= row["high"] for row in estimates)
    assert {row["method"] for row in estimates if row["reported"]} == {"ppi"}
    assert {row["country"] for row in estimates} == {"DE", "FR", "all"}
    text = (out / "methods.md").read_text(encoding="utf-8")
    assert ("two-stage" if two_stage else "simple random sampling") in text
    for word in ("Alpha 0.81", "SHA-256", "sensitivity", "PPI++", "Satterthwaite", "numpy"):
        assert word in text
    assert hashlib.sha256((tmp_path / "predictions.jsonl").read_bytes()).hexdigest() in text
    again = {name: (out / name).read_bytes() for name in names if name != "methods.md"}
    refused = run(tmp_path, "--by", "country,year", "-o", str(out))
    assert (refused.exit_code, has_facts(refused.output, "already exists", "--overwrite")) == (2, True)
    assert run(tmp_path, "--by", "country,year", "-o", str(out), "--overwrite").exit_code == 0
    assert again == {name: (out / name).read_bytes() for name in again}


def test_a_group_name_with_a_bar_does_not_break_the_tables_of_the_methods_section(made: Made) -> None:
    folder = made[0]
    path = folder / "predictions.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace('"FR"', '"F|R"'), encoding="utf-8")
    assert run(folder, "--by", "country", "--out", str(folder / "out")).exit_code == 0
    lines = (folder / "out/methods.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ") and "F\\|R" in line]
    assert {line.replace("\\|", "").count("|") for line in rows} == {6, 7}


def test_group_names_are_no_formulas_in_figures(made: Made, recwarn: pytest.WarningsRecorder) -> None:
    folder, rows, _, _, _ = made
    names = {"DE": "US$ 5 to \x1b $\\frac$", "FR": "日本"}
    save(folder / "predictions.jsonl", [{**row, "country": names[row["country"]]} for row in rows])
    assert run(folder, "--by", "country", "--out", folder / "out").exit_code == 0
    assert b"\x1b" not in (folder / "out/forest.svg").read_bytes()
    assert not [str(one.message) for one in recwarn if "Glyph" in str(one.message)]


def test_group_names_are_no_formulas_in_a_spreadsheet(made: Made) -> None:
    folder, rows, _, _, _ = made
    names = {"DE": '=HYPERLINK("http://x")', "FR": "الأردن"}
    save(folder / "predictions.jsonl", [{**row, "@x": names[row["country"]]} for row in rows])
    assert run(folder, "--by", "@x", "--out", folder / "out").exit_code == 0
    for name in ("estimates", "contrasts", "error_rates"):
        with open(folder / "out" / f"{name}.csv", encoding="utf-8-sig", newline="") as handle:
            cells = [cell for line in csv.reader(handle) for cell in line if not re.fullmatch(r"[-+.e\d]+", cell)]
        assert not [cell for cell in cells if is_formula(cell) and not cell.startswith("'")], name
    assert "'@x" in (folder / "out/estimates.csv").read_text(encoding="utf-8-sig").splitlines()[0]
    assert set(pq.read_table(folder / "out/estimates.parquet")["@x"].to_pylist()) == {"all", *names.values()}
    # R compares the ids of this table with those of the gold.
    assert "'=" not in (folder / "out/dsl.csv").read_text(encoding="utf-8-sig")


def test_figures_use_installed_fonts_for_scripts_that_their_own_font_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib
    from matplotlib import font_manager

    from communique.estimation.plots import font_families

    own = list(matplotlib.rcParams["font.family"])
    monkeypatch.setattr(font_manager, "get_font_names", lambda: ["Other", "Malgun Gothic", "Noto Sans CJK SC"])
    assert font_families() == [*own, "Noto Sans CJK SC", "Malgun Gothic"]
    monkeypatch.setattr(font_manager, "get_font_names", lambda: ["Other"])
    assert font_families() == own


def test_the_table_for_r_satisfies_the_checks_of_dsl(made: Made) -> None:
    folder, rows, gold, y, _ = made
    assert run(folder, "--by", "country", "-o", str(folder / "out")).exit_code == 0
    with open(folder / "out" / "dsl.csv", encoding="utf-8-sig", newline="") as handle:
        table = list(csv.DictReader(handle))
    assert len(table) == len(rows)
    coded = {row["id"]: row for row in gold}
    for i, row in enumerate(table):
        known = row["id"] in coded
        assert row["labeled"] == str(int(known))
        assert row["criticism"] == (str(int(y[i, 0])) if known else "")
        assert 0 <= float(row["criticism_predicted"]) <= 1
        assert 0 < float(row["sample_prob"]) <= 1
    # `dsl()` checks this before it fits (R/dsl.R of naoki-egami/dsl): only labels contain NA, and only in rows whose `labeled` is
    # 0. The column `labeled` contains 0 and 1. Probabilities are above 0 and at most 1 after rescaling.
    typed = pq.read_table(folder / "out" / "dsl.parquet")
    assert typed.column_names == list(table[0])
    kinds = {name: str(typed.schema.field(name).type) for name in typed.column_names}
    predicted = {f"{label}_predicted" for label in LABELS}
    assert kinds == {
        **dict.fromkeys(("id", "document", "country"), "string"),
        **dict.fromkeys(("cluster", "labeled", *LABELS), "int64"),
        **dict.fromkeys(("sample_prob", *predicted), "double"),
    }
    assert {name for name in typed.column_names if typed[name].null_count} == set(LABELS)
    labeled = typed["labeled"].to_numpy() == 1
    for label in LABELS:
        assert np.array_equal(typed[label].is_valid().to_numpy(), labeled)
    # dsl rescales this column to the mean n / N, which must change nothing.
    assert np.mean([float(row["sample_prob"]) for row in table]) == pytest.approx(len(gold) / len(rows))


def test_refused_gold_ends_in_one_line_and_exit_code_1(made: Made) -> None:
    folder, _, gold, _, _ = made
    change(folder, gold, purpose="training")
    result = run(folder)
    assert result.exit_code == 1
    assert result.output.splitlines()[-1].startswith("error:")


def test_by_default_gold_is_compared_with_the_training_data_of_the_shipped_model(made: Made) -> None:
    folder, rows, gold, _, _ = made
    info = json.loads((ROOT / "models/communique-small/bundle.json").read_text(encoding="utf-8"))
    # Labels of the shipped model. The table has no texts, so only the hash in the gold can be compared.
    save(folder / "predictions.jsonl", [{"id": row["id"], "document": row["document"], "labels": []} for row in rows])
    plain = [{**row, "labels": [], "sha256": text_sha256(row["text"])} for row in gold]
    files = [folder / "predictions.jsonl", folder / "gold.jsonl"]
    save(folder / "gold.jsonl", plain)
    helpers.succeed("estimate", *files)
    save(folder / "gold.jsonl", [{**plain[0], "sha256": info["training"]["text_hashes"][0] + "0" * 48}, *plain[1:]])
    result = helpers.run("estimate", *files)
    assert result.exit_code == 1
    assert has_facts(result.output, "row 1:", "trained")


def test_intervals_in_the_figure_over_time_are_not_cut_off(made: Made) -> None:
    from communique.estimation.plots import over

    folder, _, _, _, codebook = made
    analysis = analyse(load(folder, codebook))
    axes = over(analysis, "year").axes
    highest = max(s.methods[m].high for s in analysis.shares for m in ("naive", "ppi") if "year" in s.values)
    assert max(axis.get_ylim()[1] for axis in axes) >= highest
    assert all(axis.get_ylim()[0] == 0 for axis in axes)


def test_unlabelled_sentences_are_not_part_of_the_population(made: Made) -> None:
    folder, rows, _, _, codebook = made
    blank = {"text": "\u200b", "labels": [], "probabilities": dict.fromkeys(LABELS)}
    save(folder / "predictions.jsonl", [*rows, *({**rows[0], **blank, "id": f"blank{i}"} for i in range(300))])
    coded = load(folder, codebook)
    assert len(coded.ids) == len(rows) == len(read_population(folder / "predictions.jsonl"))
    assert any(has_facts(line, "300 rows", "not labelled") for line in coded.notes)


def test_a_group_column_with_the_name_of_an_output_column_is_refused(made: Made) -> None:
    folder, rows, _, _, _ = made
    save(folder / "predictions.jsonl", [row | {"target": row["country"]} for row in rows])
    result = run(folder, "--by", "target", "--out", str(folder / "out"))
    assert result.exit_code == 1
    assert has_facts(result.output, "--by target", "Rename")


def test_the_design_file_shows_what_is_missing_from_the_gold(made: Made) -> None:
    folder, rows, _, _, codebook = made
    plan = draw_sample(read_population(folder / "predictions.jsonl"), 200, codebook, by=("country",))
    plan.dump(folder / "sheet.design.json")
    change_to = [
        {"id": m.id, "labels": ["pledge"] if i % 3 else ["criticism"], "inclusion_probability": m.inclusion_probability}
        for i, m in enumerate(plan.rows)
    ]
    save(folder / "gold.jsonl", change_to)
    options = ("--design", str(folder / "sheet.design.json"), "--out", str(folder / "out"), "--overwrite")
    assert "sheet.design.json" not in run(folder, *options).output
    drawn = {m.id for m in plan.rows}
    strange = next(row["id"] for row in rows if row["id"] not in drawn)
    changed = [{**change_to[7], "inclusion_probability": 0.9}, {**change_to[8], "id": strange}]
    save(folder / "gold.jsonl", [*change_to[9:], *changed])
    refused = run(folder, *options)
    assert refused.exit_code == 1
    assert "8 of 200 sentences" in " ".join(refused.output.split())
    output = " ".join(run(folder, *options, "--missing", "random").output.split())
    assert has_facts(output, "8 of 200 sentences", "missing at random")
    assert re.search(r"\b1 sentences? .{0,40}sample", output)
    assert re.search(r"\b1 sentences? .{0,40}inclusion probability", output)
    assert "8 of 200 sentences" in (folder / "out/methods.md").read_text(encoding="utf-8")


def test_a_regression_without_a_finite_solution_is_noted(made: Made) -> None:
    folder, _, gold, _, codebook = made
    save(folder / "gold.jsonl", [row | {"labels": [n for n in row["labels"] if n != "pledge"]} for row in gold])
    analysis = analyse(load(folder, codebook))
    empty = {c.family for c in analysis.regressions if c.label == "pledge" and np.isnan(c.estimate.value)}
    noted = [line for line in analysis.notes if line.startswith("pledge: the ") and "no finite solution" in line]
    assert bool(empty) == bool(noted)
    assert empty == {"logistic"}


def test_gold_that_cannot_be_compared_with_the_training_data_is_noted(made: Made) -> None:
    folder, rows, gold, _, codebook = made
    save(folder / "predictions.jsonl", [{k: v for k, v in row.items() if k != "text"} for row in rows])
    nothing = Fingerprint(frozenset(), frozenset())
    assert not any("sha256" in line for line in load(folder, codebook, trained_on=nothing).notes)
    save(folder / "gold.jsonl", [{k: v for k, v in row.items() if k != "text"} for row in gold])
    assert any(has_facts(n, "300 rows", "sha256") for n in load(folder, codebook, trained_on=nothing).notes)


def test_a_long_definition_of_the_unit_is_only_in_the_appendix(made: Made) -> None:
    folder, _, _, _, codebook = made
    unit = "One sentence of a statement. It is judged in its document."
    coded = load(folder, codebook, columns=())
    text = methods(analyse(coded), codebook.model_copy(update={"unit": unit}), Provenance())
    paragraph, appendix = text.split("# Replication appendix")
    assert "sentences of 145 documents" in paragraph
    assert unit not in paragraph
    # There are no groups.
    assert "Each group" not in paragraph
    assert unit in appendix
