"""Test the splits of a recipe: training rows share no document and no text with held-out rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import TINY, facts, has_facts, tiny_rows, write_rows

from communique.data.corpus import Corpus
from communique.data.leakage import SHARED
from communique.data.sentence import Sentence
from communique.data.standoff import write_standoff
from communique.errors import DataError, LeakError
from communique.metrics.calibration import MIN_POSITIVES
from communique.models.info import TrainingData
from communique.training.recipe import Recipe
from communique.training.splits import MIN_PARITY_ROWS, DataSplits


def read(
    tmp_path: Path, rows: list[dict[str, Any]], validation: list[dict[str, Any]] | None = None, **settings: Any
) -> DataSplits:
    corpora = [{"path": str(write_rows(tmp_path / "train.jsonl", rows))}]
    if validation is not None:
        corpora.append({"path": str(write_rows(tmp_path / "held.jsonl", validation)), "role": "validation"})
    recipe = Recipe.model_validate({"name": "tiny", "codebook": "codebook.yaml", "corpora": corpora} | settings)
    return DataSplits.read(recipe, TINY)


def renamed(rows: list[dict[str, Any]], prefix: str) -> list[dict[str, Any]]:
    return [
        row
        | {"id": f"{prefix}{row['id']}", "document": f"{prefix}{row['document']}", "text": f"{prefix} {row['text']}"}
        for row in rows
    ]


def documents_of(corpus: Corpus) -> set[str]:
    return {s.document for s in corpus}


def assert_disjoint(sets: DataSplits) -> None:
    parts = [sets.train, sets.validation, sets.parity]
    assert all(len(part) for part in parts)
    for i, one in enumerate(parts):
        for other in parts[i + 1 :]:
            assert not {s.id for s in one} & {s.id for s in other}
    held_out = Corpus(sets.validation.sentences + sets.parity.sentences)
    assert not documents_of(sets.train) & documents_of(held_out)
    assert not {s.sha256 for s in sets.train} & {s.sha256 for s in held_out}


def test_random_rows_tune_the_model_and_the_other_held_out_rows_check_the_export(tmp_path: Path) -> None:
    rows = tiny_rows(100, 10)
    sets = read(tmp_path, rows, validation_share=0.3)
    assert_disjoint(sets)
    assert {s.sampling for s in sets.validation} == {"random"}
    assert {s.sampling for s in sets.parity} == {"enriched"}
    assert documents_of(sets.validation) == documents_of(sets.parity)
    assert (len(sets.train), len(sets.validation), len(sets.parity)) == (700, 150, 150)
    assert any(
        has_facts(line, "700 rows for training", "300 rows", "150 to tune", "150 to check") for line in sets.messages
    )


def test_the_split_depends_on_the_seed(tmp_path: Path) -> None:
    rows = tiny_rows(100, 10)
    one = read(tmp_path, rows, seed=1)
    assert read(tmp_path, rows, seed=1).ids == one.ids
    assert read(tmp_path, rows, seed=2).ids != one.ids
    assert one.ids == {"validation": [s.id for s in one.validation], "parity": [s.id for s in one.parity]}


def test_too_few_rows_for_the_parity_check_are_replaced_by_half_of_the_documents(tmp_path: Path) -> None:
    sets = read(tmp_path, tiny_rows(40, 10), validation_share=0.3)
    assert_disjoint(sets)
    assert len(sets.parity) < MIN_PARITY_ROWS
    assert not documents_of(sets.validation) & documents_of(sets.parity)
    assert {s.sampling for s in (*sets.validation, *sets.parity)} == {"random"}
    assert (len(sets.validation), len(sets.parity)) == (30, 30)
    unused = 400 - sum(map(len, (sets.train, sets.validation, sets.parity)))
    assert unused > 0
    assert any(
        has_facts(line, f"{unused} rows", "'sampling'", f"enriched {unused}", "remove that column")
        for line in sets.messages
    )


def test_rows_without_a_sampling_column_can_be_used_for_everything(tmp_path: Path) -> None:
    rows = [{k: v for k, v in row.items() if k != "sampling"} for row in tiny_rows(40, 10)]
    sets = read(tmp_path, rows, validation_share=0.2)
    assert_disjoint(sets)
    assert not documents_of(sets.validation) & documents_of(sets.parity)
    assert (len(sets.train), len(sets.validation), len(sets.parity)) == (320, 40, 40)
    assert not any("sampling" in line for line in sets.messages)


def test_a_warning_is_printed_if_no_row_was_drawn_at_random(tmp_path: Path) -> None:
    sets = read(tmp_path, [row | {"sampling": "selected"} for row in tiny_rows(40, 10)], validation_share=0.2)
    assert_disjoint(sets)
    assert sum(map(len, (sets.train, sets.validation, sets.parity))) == 400
    assert any(has_facts(line, "warning", "'sampling': selected 80") for line in sets.messages)


def test_labels_are_counted_and_a_warning_names_labels_without_rows(tmp_path: Path) -> None:
    rows = [row | {"labels": [name for name in row["labels"] if name != "policy_claim"]} for row in tiny_rows(40, 10)]
    counts = {name: sum(name in row["labels"] for row in rows) for name in TINY.names}
    none = sum(not row["labels"] for row in rows)
    messages = read(tmp_path, rows).messages
    shown = [f"{name} {n}" for name, n in counts.items()]
    assert has_facts(messages[0], "400 labelled rows in 40 documents", *shown, f"none {none}")
    assert has_facts(messages[1], "warning", "policy_claim", "Add rows")


def test_a_warning_is_printed_for_few_rows_and_for_whole_texts(tmp_path: Path) -> None:
    assert any(has_facts(line, "warning", "only 20 rows") for line in read(tmp_path, tiny_rows(10, 2)).messages)
    enough = read(tmp_path, tiny_rows(20, 5)).messages
    assert not any("only 100 rows" in line or "sentences" in line for line in enough)
    rows = tiny_rows(20, 5)
    for row in rows:
        row["text"] = " ".join(
            f"{row['text']} Paragraph {i} of the speech speaks of other things entirely." for i in range(12)
        )
    found = [line for line in read(tmp_path, rows).messages if "more than 5 sentences" in line]
    assert len(found) == 1
    assert has_facts(found[0], "100 of the first 100 rows", "single sentences", "unit: text")


def test_a_warning_names_labels_that_only_training_or_held_out_rows_have(tmp_path: Path) -> None:
    rows = [row | {"sampling": None, "labels": ["criticism"][: i % 3]} for i, row in enumerate(tiny_rows(40, 10))]
    first = read(tmp_path, rows)
    for index, facts_ in ((0, ("no held-out row", "scores")), (1, ("only held-out rows", "cannot learn"))):
        chosen = (first.train, first.validation)[index].sentences[0].id
        marked = [row | {"labels": ["cooperation_pledge"]} if row["id"] == chosen else row for row in rows]
        assert any(
            has_facts(line, "warning", "cooperation_pledge", *facts_) for line in read(tmp_path, marked).messages
        )


def test_a_message_names_labels_with_few_held_out_rows(tmp_path: Path) -> None:
    rows = [row | {"sampling": None} for row in tiny_rows(100, 10)]
    kept = iter(range(1000))
    for row in rows:
        if "criticism" in row["labels"] and next(kept) % 8:
            row["labels"] = [name for name in row["labels"] if name != "criticism"]
    sets = read(tmp_path, rows, validation_share=0.3)
    held_out = sum("criticism" in (s.labels or ()) for s in sets.validation)
    assert 0 < held_out < MIN_POSITIVES
    assert has_facts(sets.messages[-1], f"criticism {held_out}", "theoretical optimum")


def test_training_rows_with_texts_of_held_out_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [row | ({"text": "Thank you,  Mr. President."} if row["index"] == 1 else {}) for row in tiny_rows(100, 10)]
    sets = read(tmp_path, rows, validation_share=0.3)
    assert_disjoint(sets)
    assert len(sets.train) == 630
    assert any("70 training rows" in line for line in sets.messages)


def test_a_validation_corpus_is_held_out_completely(tmp_path: Path) -> None:
    rows, held = tiny_rows(20, 10), renamed(tiny_rows(30, 10, seed=1), "v")
    sets = read(tmp_path, rows, held)
    assert_disjoint(sets)
    assert len(sets.train) == 200
    assert {s.id for s in (*sets.validation, *sets.parity)} == {row["id"] for row in held}
    assert {s.sampling for s in sets.validation} == {"random"}


def test_rows_of_a_test_corpus_do_not_tune_the_model(tmp_path: Path) -> None:
    held = renamed(tiny_rows(30, 10, seed=1), "v")
    test = [held[0] | {"id": "t1", "text": "Another text."}, held[15] | {"id": "t2", "document": "elsewhere"}]
    rows = write_rows(tmp_path / "test.jsonl", test)
    corpora = [
        {"path": str(write_rows(tmp_path / "train.jsonl", tiny_rows(20, 10)))},
        {"path": str(write_rows(tmp_path / "held.jsonl", held)), "role": "validation"},
        {"path": str(rows), "role": "test"},
    ]
    recipe = Recipe.model_validate({"name": "tiny", "codebook": "codebook.yaml", "corpora": corpora})
    sets = DataSplits.read(recipe, TINY)
    left_out = {s.id for s in Corpus.read(tmp_path / "held.jsonl") if s.document == held[0]["document"]}
    left_out.add(held[15]["id"])
    assert {s.id for s in (*sets.validation, *sets.parity)} == {row["id"] for row in held} - left_out
    assert any(has_facts(line, f"{len(left_out)} labelled rows", "test corpora") for line in sets.messages)
    write_rows(tmp_path / "test.jsonl", [row | {"id": f"t{row['id']}"} for row in held])
    with pytest.raises(DataError, match=facts(tmp_path / "held.jsonl", "test corpora", "no row is left")):
        DataSplits.read(recipe, TINY)


@pytest.mark.parametrize("shared", ["document", "parallel", "text"])
def test_a_validation_corpus_that_shares_rows_with_training_is_refused(tmp_path: Path, shared: str) -> None:
    rows, held = tiny_rows(20, 10), renamed(tiny_rows(30, 10, seed=1), "v")
    rows[3]["parallel"] = "talk 4"
    held[7][shared] = rows[3][shared]
    with pytest.raises(LeakError) as caught:
        read(tmp_path, rows, held)
    documents = int(shared != "text")
    assert has_facts(str(caught.value), "1 of 300 rows", f"{documents} shared document", "'vd0.7'", SHARED[shared])


def test_versions_of_a_text_are_held_out_together(tmp_path: Path) -> None:
    rows = [row | {"parallel": f"talk {int(str(row['document'])[1:]) // 4}"} for row in tiny_rows(40, 5)]
    sets = read(tmp_path, rows)
    talks = [{s.parallel for s in part} for part in (sets.train, sets.validation, sets.parity)]
    assert all(talks)
    assert not talks[0] & (talks[1] | talks[2])
    assert not talks[1] & talks[2]


@pytest.mark.parametrize("documents", [1, 2])
def test_too_few_documents_to_hold_some_out_are_refused(tmp_path: Path, documents: int) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, tiny_rows(documents, 10))
    assert has_facts(
        str(caught.value),
        tmp_path / "train.jsonl",
        f"{documents * 10} labelled rows",
        ("one document", "2 documents")[documents - 1],
    )


@pytest.mark.parametrize("documents", [4, 5, 10, 50])
def test_fifty_rows_are_enough_with_few_documents_or_many_sources(tmp_path: Path, documents: int) -> None:
    rows = [row | {"sampling": None} for row in tiny_rows(documents, 50 // documents)]
    assert_disjoint(read(tmp_path, rows))
    # Every document has its own source, so that strata contain one document each.
    sets = read(tmp_path, [row | {"source": row["document"]} for row in rows])
    assert_disjoint(sets)
    assert 0.1 < 1 - len(sets.train) / len(rows) <= 0.5


def test_errors_in_rows_name_the_row_and_the_value(tmp_path: Path) -> None:
    rows = tiny_rows(20, 10)
    rows[4]["labels"] = ["praise"]
    with pytest.raises(DataError, match=facts("train.jsonl, row 5:", "'labels'", "'praise'", "criticism")):
        read(tmp_path, rows)


def test_stand_off_labels_without_texts_are_left_out_and_counted(tmp_path: Path) -> None:
    reference = tmp_path / "reference.jsonl"
    write_standoff(reference, renamed(tiny_rows(30, 10), "r"), TINY)
    recipe = Recipe.model_validate(
        {
            "name": "tiny",
            "codebook": "codebook.yaml",
            "corpora": [{"path": str(write_rows(tmp_path / "t.jsonl", tiny_rows(100, 10)))}, {"path": str(reference)}],
        }
    )
    without = DataSplits.read(recipe, TINY)
    assert has_facts(without.messages[0], f"{reference}:", "skipped", "--texts")
    assert all(s.id.startswith("d") for part in (without.train, without.validation, without.parity) for s in part)
    texts = tmp_path / "texts.txt"
    texts.write_text("".join(f"{row['text']}\n" for row in renamed(tiny_rows(30, 10), "r")[:50]))
    joined = DataSplits.read(recipe, TINY, texts)
    assert has_facts(joined.messages[0], f"{reference}:", "50 of 300")
    assert_disjoint(joined)
    documents = [documents_of(part) for part in (joined.train, joined.validation, joined.parity)]
    assert set.union(*documents) == {f"d{i}" for i in range(100)} | {f"rd{i}" for i in range(5)}


def test_the_description_counts_training_rows_and_hashes_all_rows(tmp_path: Path) -> None:
    rows = [row | {"source": ("un", None)[int(row["id"][1:].split(".")[0]) % 3 == 0]} for row in tiny_rows(100, 10)]
    sets = read(tmp_path, rows, validation_share=0.3)
    data = TrainingData.from_corpora(sets.train, sets.validation + sets.parity, TINY)
    train = list(sets.train)
    assert (data.sentences, data.documents) == (len(train), len(documents_of(sets.train)))
    assert data.by_language == {code: sum(s.language == code for s in train) for code in ("en", "fr")}
    assert data.by_source == {
        "un": sum(s.source == "un" for s in train),
        "unknown": sum(s.source is None for s in train),
    }
    assert list(data.by_label) == [*TINY.names, "none"]
    for name in TINY.names:
        assert data.by_label[name] == sum(name in (s.labels or ()) for s in train)
    assert data.by_label["none"] == sum(s.labels == () for s in train)
    assert list(data.files) == [f"{tmp_path.name}/train.jsonl"]
    for part in (sets.train, sets.validation, sets.parity):
        assert {data.fingerprint.overlap(s) for s in part} == {"document"}
    moved = Sentence("new", sets.parity.sentences[0].text, "elsewhere")
    assert data.fingerprint.overlap(moved) == "text"
    assert data.fingerprint.overlap(Sentence("new", "A sentence that nobody has seen.", "elsewhere")) is None
