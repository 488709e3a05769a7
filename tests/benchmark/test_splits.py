"""Tests of splits: sets share no document or text, nothing that is left out is used, and seeds determine all draws."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from helpers import TINY, facts, tiny_rows
from pydantic import TypeAdapter

from communique.benchmark.recipe import Split
from communique.benchmark.splits import BenchmarkData, Sets, SplitTask, tasks
from communique.data.corpus import Corpus
from communique.data.sentence import Sentence
from communique.data.splits import document_folds
from communique.errors import DataError

EMPTY = Corpus(())


def corpus(documents: int = 60, name: str = "d", **fields: Any) -> Corpus:
    rows = tiny_rows(documents, seed=len(name))
    return Corpus(
        tuple(
            Sentence(
                id=f"{name}{row['id']}",
                text=f"{name} {row['text']}",
                document=f"{name}{row['document']}",
                language=str(row["language"]),
                labels=tuple(row["labels"]),
                source=("press", "parliament", "un")[int(str(row["document"])[1:]) % 3],
                sampling=str(row["sampling"]),
                date=f"20{10 + int(str(row['document'])[1:]) % 12}",
            )
            for row in rows
        )
    )


DATA = BenchmarkData(train=corpus(6, "written"), pool=corpus(), tuning=EMPTY, test=EMPTY)


def split(**settings: Any) -> Any:
    return TypeAdapter(Split).validate_python(settings)


def drawn(data: BenchmarkData = DATA, seed: int = 0, **settings: Any) -> dict[str, Sets]:
    return {task.part: task.draw(seed) for task in tasks(split(**settings), data, TINY)}


def documents(part: Corpus) -> set[Any]:
    return set(part.documents)


def units_of(part: Corpus) -> set[Any]:
    return {"p" if s.document in ("d7", "d10", "d21", "d40") else s.document_key for s in part}


KINDS = [
    {"kind": "documents"},
    {"kind": "documents", "run": [0, 1, 2, 3, 4]},
    {"kind": "leave-one-language-out"},
    {"kind": "leave-one-source-out"},
    {"kind": "time"},
    {"kind": "few-shot", "shots": [8]},
    {"kind": "learning-curve", "shares": [0.25, 1.0]},
    {"kind": "cross-lingual"},
]


@pytest.mark.parametrize("settings", KINDS, ids=lambda settings: f"{settings['kind']}-{len(settings)}")
def test_sets_share_no_documents_or_texts_and_rows_with_the_role_train_are_only_trained_on(
    settings: dict[str, Any],
) -> None:
    # The same phrase is in three documents, and one document is in two languages.
    shared = [replace(s, text="Thank you.") if s.id in ("d1.1", "d2.1", "d30.1") else s for s in DATA.pool]
    shared = [replace(s, document="d4", source="press") if s.document == "d5" else s for s in shared]
    # Four documents are versions of one text, but in one of them only a single row says so.
    shared = [replace(s, parallel="p") if s.document in ("d7", "d10", "d21") or s.id == "d40.2" else s for s in shared]
    for sets in drawn(replace(DATA, pool=Corpus(tuple(shared))), **settings).values():
        parts = (sets.train, sets.tuning, sets.test)
        for i, part in enumerate(parts):
            assert len(part)
            for other in parts[i + 1 :]:
                assert not units_of(part) & units_of(other)
                assert not {s.sha256 for s in part} & {s.sha256 for s in other}
        assert not any(s.id.startswith("written") for s in (*sets.tuning, *sets.test))
        assert {s.sampling for s in sets.tuning} == {"random"}


def test_folds_are_the_same_as_those_of_document_folds() -> None:
    expected = document_folds(DATA.pool.sentences, 5, seed=3)
    for fold, task in enumerate(tasks(split(kind="documents", run=[0, 1, 2, 3, 4], seed=3), DATA, TINY)):
        assert task.draw(0).test.sentences == DATA.pool.rows(expected == fold).sentences


def test_the_seed_of_the_split_differs_from_that_of_the_classifier() -> None:
    # All seeds of all classifiers use the same test rows, so that they can be compared.
    assert drawn(seed=0, kind="documents")[""].sha256 == drawn(seed=1, kind="documents")[""].sha256
    tests = [documents(tasks(split(kind="documents", seed=seed), DATA, TINY)[0].draw(0).test) for seed in (0, 1)]
    assert tests[0] != tests[1]
    tunings = [documents(tasks(split(kind="documents", seed=seed), DATA, TINY)[0].draw(0).tuning) for seed in (0, 1)]
    assert tunings[0] != tunings[1]


def test_a_language_that_is_left_out_is_used_for_neither_training_nor_tuning() -> None:
    found = drawn(kind="leave-one-language-out")
    assert list(found) == ["en", "fr"]
    for language, sets in found.items():
        assert {s.language for s in sets.test} == {language}
        assert language not in {s.language for s in (*sets.train, *sets.tuning)}
        assert len(sets.test) == 300


def test_a_source_that_is_left_out_is_used_for_neither_training_nor_tuning() -> None:
    for source, sets in drawn(kind="leave-one-source-out").items():
        assert {s.source for s in sets.test} == {source}
        assert source not in {s.source for s in (*sets.train, *sets.tuning)}


def test_a_source_with_few_rows_is_not_left_out() -> None:
    assert [task.part for task in tasks(split(kind="leave-one-source-out", least=200), DATA, TINY)] == [
        "parliament",
        "press",
        "un",
    ]
    with pytest.raises(DataError, match=facts("600 rows")):
        tasks(split(kind="leave-one-source-out", least=201), DATA, TINY)


def test_a_split_by_time_tests_on_documents_later_than_all_training_documents() -> None:
    sets = drawn(kind="time", test_share=0.2)[""]
    first = min(str(s.date) for s in sets.test)
    assert first == "2019"
    assert all(str(s.date) < first for s in (*sets.train, *sets.tuning) if not s.id.startswith("written"))


def test_a_split_by_time_requires_dates_that_can_be_sorted() -> None:
    def dated(date: str | None) -> BenchmarkData:
        return replace(DATA, pool=Corpus(tuple(replace(s, date=date) for s in DATA.pool)))

    with pytest.raises(DataError, match=facts("'date'")):
        tasks(split(kind="time"), dated(None), TINY)
    with pytest.raises(DataError, match=facts("'31.05.2024'", "2024, 2024-05, 2024-05-31")):
        tasks(split(kind="time"), dated("31.05.2024"), TINY)


def test_few_shot_trains_on_a_number_of_rows_per_label_and_tunes_on_as_many_in_total() -> None:
    found = drawn(kind="few-shot", shots=[4, 8])
    for shots, sets in found.items():
        assert sets.x == int(shots)
        for label in TINY.names:
            assert sum(label in (s.labels or ()) for s in sets.train) >= int(shots)
        assert len(sets.train) <= 4 * int(shots)
        assert len(sets.tuning) == len(sets.train)
    assert {s.id for s in found["4"].test} == {s.id for s in found["8"].test}
    other = drawn(kind="few-shot", shots=[4], seed=1)["4"]
    assert {s.id for s in other.train} != {s.id for s in found["4"].train}
    assert {s.id for s in other.test} == {s.id for s in found["4"].test}
    with pytest.raises(DataError, match=facts("500 rows")):
        drawn(kind="few-shot", shots=[500])


def test_a_larger_proportion_in_a_learning_curve_contains_the_smaller_ones() -> None:
    found = drawn(kind="learning-curve", shares=[0.1, 0.5, 1.0])
    smaller, half, whole = ({s.id for s in found[part].train} for part in ("0.1", "0.5", "1"))
    assert smaller < half < whole
    assert found["0.5"].x == len(half)
    assert {s.id for s in drawn(kind="learning-curve", shares=[0.5], seed=1)["0.5"].train} != half


def test_cross_lingual_trains_on_one_language_and_tests_on_all() -> None:
    for language, sets in drawn(kind="cross-lingual").items():
        assert {s.language for s in (*sets.train, *sets.tuning)} == {language}
        assert {s.language for s in sets.test} == {"en", "fr"}


def test_fixed_sets_are_the_given_corpora_without_shared_training_rows() -> None:
    train, tuning, test = corpus(6, "a"), corpus(4, "bb"), corpus(4, "ccc")
    leaked = replace(train.sentences[0], text=test.sentences[0].text)
    train = Corpus((leaked, *train.sentences[1:]))
    sets = drawn(BenchmarkData(train, EMPTY, tuning, test), kind="fixed")[""]
    assert sets.test.sentences == test.sentences
    assert sets.tuning.sentences == tuning.sentences
    assert sets.train.sentences == train.sentences[1:]
    assert sets.left_out == 1


def test_no_rows_are_held_out_for_tuning_if_tuning_share_is_0() -> None:
    sets = drawn(kind="documents", tuning_share=0)[""]
    assert not len(sets.tuning)
    assert len(sets.train) + len(sets.test) == 660


def test_the_hash_depends_on_the_rows_of_each_set() -> None:
    sets = drawn(kind="documents")[""]
    relabelled = replace(sets.train.sentences[0], labels=("criticism", "policy_claim", "cooperation_pledge"))
    changed = replace(sets, train=Corpus((relabelled, *sets.train.sentences[1:])))
    assert changed.sha256 != sets.sha256
    assert replace(sets, tuning=sets.test, test=sets.tuning).sha256 != sets.sha256


def test_too_few_documents_raise_an_error() -> None:
    with pytest.raises(DataError, match=facts("'documents'", "3 documents", "5 folds")):
        tasks(split(kind="documents"), replace(DATA, pool=corpus(3)), TINY)
    with pytest.raises(DataError, match=facts("run 5", "0 to 4")):
        tasks(split(kind="documents", run=[5]), DATA, TINY)


def test_the_name_of_a_task_consists_of_split_and_part() -> None:
    names = [task.name for task in tasks(split(kind="cross-lingual", name="matrix"), DATA, TINY)]
    assert names == ["matrix.en", "matrix.fr"]
    assert isinstance(tasks(split(kind="documents"), DATA, TINY)[0], SplitTask)


@pytest.mark.parametrize("kind", ["leave-one-language-out", "leave-one-source-out", "cross-lingual", "time"])
def test_only_tuning_rows_that_may_also_be_trained_on_are_used(kind: str) -> None:
    for part, sets in drawn(replace(DATA, tuning=corpus(30, "tune")), kind=kind).items():
        allowed: Any = {
            "leave-one-language-out": lambda s, part=part: s.language != part,
            "leave-one-source-out": lambda s, part=part: s.source != part,
            "cross-lingual": lambda s, part=part: s.language == part,
            "time": lambda s, sets=sets: str(s.date) < min(str(t.date) for t in sets.test),
        }[kind]
        assert len(sets.tuning)
        assert all(s.id.startswith("tune") and allowed(s) for s in sets.tuning)
