"""Comparison of two models, of two tables of predictions, and of a model with a table."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import RuleModel, bundle_folder, cue_scores
from helpers import CODEBOOK, CUES, has_facts, run, succeed, write_rows

from communique.data.codebook import Codebook
from communique.data.sentence import Sentence
from communique.evaluation.compare import compare_models
from communique.evaluation.sides import CorpusOptions, open_side
from communique.metrics.bootstrap import Resamples, interval_or_nan
from communique.models.folder import read_codebook, read_info

LABELS = list(CUES)
TRAINED = (Sentence("r0", "A sentence of the training data.", "d0"),)


def rows(n: int = 120) -> list[dict[str, Any]]:
    """Make sentences in documents of six, with a formula as the text of one, and a country per document."""
    made = []
    for i in range(n):
        cue = CUES[LABELS[i % 4]] if i % 4 < 3 else "note"
        text = f"Speaker {i} <b>said</b>: we {cue} the {i * 7919 % 1000} measures of year {i * 104729 % 997}."
        if i == 7:
            text = f"=HYPERLINK({i}) we pledge"
        country = "FR" if i // 6 % 2 else "DE"
        made.append({"id": f"r{i}", "document": f"d{i // 6}", "language": "en", "country": country, "text": text})
    return made


def predictions(path: Path, given: Sequence[dict[str, Any]], score: Callable[[int, str], Sequence[float]]) -> Path:
    """Write a table of predictions, with probabilities by position and text and labels from 0.5."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        columns = ["id", "document", "language", "country", "text", "labels", *(f"probability_{x}" for x in LABELS)]
        writer = csv.DictWriter(handle, columns)
        writer.writeheader()
        for i, row in enumerate(given):
            p = score(i, row["text"])
            labels = "|".join(name for name, value in zip(LABELS, p, strict=True) if value >= 0.5)
            probabilities = {f"probability_{name}": value for name, value in zip(LABELS, p, strict=True)}
            writer.writerow(row | {"labels": labels} | probabilities)
    return path


def by_cue(i: int, text: str) -> list[float]:
    return cue_scores(text)


def without_some(i: int, text: str) -> list[float]:
    """Miss every second criticism, and find a pledge in every sixth sentence."""
    p = cue_scores(text)
    if i % 8 == 0:
        p[0] = 0.2
    if i % 6 == 5:
        p[2] = 0.6
    return p


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    given = rows()
    return predictions(tmp_path / "a.csv", given, by_cue), predictions(tmp_path / "b.csv", given, without_some)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two model folders: one finds the cues, and the other never finds a criticism."""

    def load(folder: Path, **_: object) -> RuleModel:
        info = read_info(folder)
        blind = Path(folder).name == "blind"
        return RuleModel(
            info, read_codebook(folder, info), lambda text: [0.0, *cue_scores(text)[1:]] if blind else cue_scores(text)
        )

    monkeypatch.setattr("communique.evaluation.sides.load_model", load)
    return bundle_folder(tmp_path / "cues", trained_on=TRAINED), bundle_folder(tmp_path / "blind", trained_on=TRAINED)


def compared(first: Path, second: Path, **options: Any) -> Any:
    sides = [open_side(path, CorpusOptions()) for path in (first, second)]
    return compare_models(sides[0], sides[1], **options)


def gold(path: Path, given: Sequence[dict[str, Any]], **fields: Any) -> Path:
    labelled = [row | {"labels": [name for name, cue in CUES.items() if cue in row["text"]]} | fields for row in given]
    write_rows(path, labelled)
    return path


def test_proportions_and_their_paired_difference_are_counted_by_document(tables: tuple[Path, Path]) -> None:
    found = compared(*tables)
    criticism = found.changes[0]
    assert (criticism.label, criticism.n, criticism.documents) == ("criticism", 120, 20)
    assert (criticism.first, criticism.second) == (30 / 120, 15 / 120)
    assert (criticism.gained, criticism.lost) == (0, 15)
    # The interval is that of the difference per row, resampled by document.
    change = np.array([-1.0 if i % 8 == 0 else 0.0 for i in range(120)])
    drawn = Resamples.draw([i // 6 for i in range(120)], seed=0)
    expected = interval_or_nan(
        change.mean(), drawn.sums(change[:, None])[:, 0] / drawn.sums(np.ones((120, 1)))[:, 0], 20
    )
    assert (criticism.difference.value, criticism.difference.low, criticism.difference.high) == pytest.approx(expected)
    assert found.changes[1].difference.value == 0
    assert found.n_changed == len(found.changed) == 15 + sum(i % 4 != 2 and i != 7 for i in range(5, 120, 6))


def test_groups_have_their_own_counts(tables: tuple[Path, Path]) -> None:
    found = compared(*tables, by=["country"])
    assert [c.name for c in found.changes if c.label == "criticism"] == ["all", "country=DE", "country=FR"]
    parts = [c for c in found.changes if c.label == "criticism" and c.kind == "country"]
    assert [c.documents for c in parts] == [10, 10]
    assert sum(c.lost for c in parts) == 15
    assert [c.name for c in compared(*tables, by=["language"]).changes][-1] == "language=en"


def test_the_largest_changes_come_first(tables: tuple[Path, Path]) -> None:
    changed = compared(*tables).changed
    assert changed[0].change == pytest.approx(0.7)
    assert changed[0].lost == ("criticism",)
    assert changed[-1].change == pytest.approx(0.5)
    assert [c.change for c in changed] == sorted((c.change for c in changed), reverse=True)


def test_rows_are_matched_by_id_and_text(tmp_path: Path) -> None:
    first, second = rows(30), rows(30)[5:]
    second[0] = second[0] | {"text": "Another text."}
    second[1] = second[1] | {"text": second[1]["text"].replace(" ", "  ")}  # The same text in another layout.
    found = compared(
        predictions(tmp_path / "a.csv", first, by_cue), predictions(tmp_path / "b.csv", second[::-1], by_cue)
    )
    assert (len(found.pairs), found.pairs.only_first, found.pairs.only_second, found.pairs.other_text) == (24, 5, 0, 1)
    assert found.n_changed == 0
    assert any(has_facts(line, "a.csv", "5 labelled rows") for line in found.notes)
    other = [row | {"id": f"x{row['id']}"} for row in first]
    refused = run("compare", tmp_path / "a.csv", predictions(tmp_path / "c.csv", other, by_cue))
    assert refused.exit_code == 1
    assert has_facts(refused.stderr, "no row in common", "No id is in both")


def test_labels_of_only_one_table_are_listed(tmp_path: Path, tables: tuple[Path, Path]) -> None:
    second = tmp_path / "renamed.csv"
    second.write_text(tables[1].read_text().replace("cooperation_pledge", "promise"))
    found = compared(tables[0], second)
    assert (found.labels, found.only_first, found.only_second) == (
        ("criticism", "policy_claim"),
        ("cooperation_pledge",),
        ("promise",),
    )
    by_label = {c.label: c for c in found.changes}
    assert by_label["promise"].first is None
    assert by_label["promise"].second == pytest.approx(by_label["promise"].gained / 120)
    assert by_label["cooperation_pledge"].second is None
    refused = run("compare", tables[0], second, "--coded", gold(tmp_path / "gold.jsonl", rows()))
    assert has_facts(refused.stderr, "different labels", "--codebook")


def test_coded_rows_are_scored_with_a_paired_test(tmp_path: Path, tables: tuple[Path, Path]) -> None:
    coded = gold(tmp_path / "gold.jsonl", rows(), inclusion_probability=0.5)
    done = succeed("compare", *tables, "--coded", coded, "--json", tmp_path / "c.json")
    scores = json.loads((tmp_path / "c.json").read_text())["scores"]
    assert (scores["n"], scores["documents"]) == (120, 20)
    assert scores["macro_f1"]["first"]["value"] == 1
    assert scores["f1"][0]["second"]["value"] == pytest.approx(2 * 15 / (30 + 15))
    assert scores["macro_f1"]["difference"]["high"] < 0
    assert scores["p"] < 0.001
    assert has_facts(done.stdout, "macro-F1", "< 0.001")
    assert has_facts(done.stderr, "inclusion probabilities", "communique estimate")
    assert any("does not show what its model was trained on" in line for line in scores["notes"])


def test_coded_rows_without_a_partner_or_with_another_text_are_counted(
    tmp_path: Path, tables: tuple[Path, Path]
) -> None:
    given = rows(122)
    given[3] = given[3] | {"text": "Another text."}
    succeed("compare", *tables, "--coded", gold(tmp_path / "gold.jsonl", given), "--json", tmp_path / "c.json")
    scores = json.loads((tmp_path / "c.json").read_text())["scores"]
    assert scores["n"] == 119
    assert has_facts("\n".join(scores["notes"]), "2 rows whose id", "1 row whose text")


def test_two_models_label_the_corpus_and_rows_of_their_training_data_are_not_scored(
    tmp_path: Path, models: tuple[Path, Path]
) -> None:
    corpus = tmp_path / "corpus.jsonl"
    write_rows(corpus, rows())
    coded = gold(tmp_path / "gold.jsonl", rows())
    out = tmp_path / "comparison"
    done = succeed("compare", *models, corpus, "--coded", coded, "--by", "country", "-o", out)
    content = json.loads((out / "comparison.json").read_text())
    assert content["changes"][0]["second"] == 0
    assert content["changes"][0]["lost"] == 30
    assert {change["name"] for change in content["changes"]} == {"all", "country=DE", "country=FR"}
    # Document d0 trained both models, so its six rows are not scored.
    assert content["scores"]["n"] == 114
    assert has_facts("\n".join(content["scores"]["notes"]), "cues", "6 of 120 rows")
    assert has_facts(done.stdout, "30", "country=DE")
    assert (out / "comparison.md").read_text().strip() == done.stdout.strip()


def test_a_model_is_compared_with_a_table(tmp_path: Path, models: tuple[Path, Path], tables: tuple[Path, Path]) -> None:
    corpus = tmp_path / "corpus.jsonl"
    write_rows(corpus, rows())
    done = succeed("compare", models[0], tables[1], corpus)
    assert has_facts(done.stdout, "criticism", "0.250", "0.125")
    missing = run("compare", models[0], tables[1])
    assert missing.exit_code == 1
    assert has_facts(missing.stderr, models[0], "corpus")
    assert run("compare", models[0], tables[1], corpus, "--codebook-a", models[0] / "codebook.yaml").exit_code == 1


def test_texts_are_neither_markup_nor_formulas_in_the_lists(tmp_path: Path, tables: tuple[Path, Path]) -> None:
    given = rows()
    first = predictions(tmp_path / "x.csv", given, lambda i, text: [0.1, 0.1, 0.1])
    out = tmp_path / "comparison"
    succeed("compare", first, tables[1], "-o", out)
    page = (out / "comparison.html").read_text()
    assert "&lt;b&gt;said" in page
    assert "<b>said" not in page
    with (out / "changed.csv").open(encoding="utf-8-sig", newline="") as handle:
        found = {row["id"]: row for row in csv.DictReader(handle)}
    assert found["r7"]["text"].startswith("'=HYPERLINK")
    assert found["r7"]["gained"] == "cooperation_pledge"
    assert float(found["r7"]["second_probability_cooperation_pledge"]) == 0.9
    lines = [json.loads(line) for line in (out / "changed.jsonl").read_text().splitlines()]
    assert len(lines) == len(found)
    refused = run("compare", first, tables[1], "-o", out)
    assert refused.exit_code == 2
    succeed("compare", first, tables[1], "-o", out, "--overwrite")


def test_tables_of_two_codebooks_report_how_these_differ(tmp_path: Path, tables: tuple[Path, Path]) -> None:
    book = Codebook.model_validate(CODEBOOK)
    book.dump(tmp_path / "a.yaml")
    Codebook.model_validate(CODEBOOK | {"version": "2"}).dump(tmp_path / "b.yaml")
    done = succeed("compare", *tables, "--codebook-a", tmp_path / "a.yaml", "--codebook-b", tmp_path / "b.yaml")
    assert has_facts(done.stdout, "codebooks differ", "version '1' and '2'")


def test_predictions_without_probabilities_are_compared(tmp_path: Path, tables: tuple[Path, Path]) -> None:
    with tables[1].open(newline="") as handle:
        given = list(csv.DictReader(handle))
    bare = tmp_path / "chat.csv"
    with bare.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(given[0]))
        writer.writeheader()
        writer.writerows(row | {f"probability_{name}": "" for name in LABELS} for row in given)
    found = compared(tables[0], bare)
    assert found.changes[0].lost == 15
    assert found.changed[0].change is None
    succeed("compare", tables[0], bare, "-o", tmp_path / "out")


def test_coded_rows_can_be_a_folder_of_tables(tmp_path: Path, tables: tuple[Path, Path]) -> None:
    (tmp_path / "gold").mkdir()
    gold(tmp_path / "gold" / "gold.jsonl", rows(), inclusion_probability=0.5)
    done = succeed("compare", *tables, "--coded", tmp_path / "gold", "--json", tmp_path / "out.json")
    assert "communique estimate" in done.stderr.split("inclusion probabilities")[1]
    assert json.loads((tmp_path / "out.json").read_text())["scores"]["n"] == 120


def test_a_corpus_that_nothing_would_label_is_refused(tmp_path: Path, tables: tuple[Path, Path]) -> None:
    refused = run("compare", *tables, tmp_path / "corpus.csv")
    assert refused.exit_code == 2
    assert has_facts(refused.stderr, "corpus.csv", "two tables")


def test_an_unknown_column_of_groups_is_refused(tables: tuple[Path, Path]) -> None:
    refused = run("compare", *tables, "--by", "region")
    assert refused.exit_code == 1
    assert has_facts(refused.stderr, "'region'", "country")
