"""Splits by document: no unit is divided, folds are balanced, and few documents make few folds."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest
from helpers import TINY, tiny_rows
from hypothesis import given
from hypothesis import strategies as st

from communique.data.corpus import Corpus
from communique.data.sentence import Sentence
from communique.data.splits import assign_folds, document_folds, held_out, split_units


def components(sentences: list[Sentence]) -> list[set[str]]:
    """Return the sets of ids that are connected by a common document or a common value of `parallel`."""
    groups: dict[Any, set[str]] = defaultdict(set)
    for s in sentences:
        groups["document", s.source, s.document].add(s.id)
        if s.parallel is not None:
            groups["parallel", s.parallel].add(s.id)
    found: list[set[str]] = []
    for group in groups.values():
        joined = [one for one in found if one & group]
        found = [one for one in found if not one & group] + [group.union(*joined)]
    return found


rows = st.lists(
    st.builds(
        lambda document, source, parallel, language, labels, sampling: {
            "document": document,
            "source": source,
            "parallel": parallel,
            "language": language,
            "labels": tuple(sorted(labels)),
            "sampling": sampling,
        },
        st.sampled_from("abcdefgh"),
        st.sampled_from([None, "p", "un"]),
        # A document and a value of `parallel` may have the same name.
        st.sampled_from([None, None, None, "a", "b", "x"]),
        st.sampled_from(["en", "sr"]),
        st.sets(st.sampled_from(TINY.names), max_size=2),
        st.sampled_from([None, "random", "enriched"]),
    ),
    min_size=1,
    max_size=40,
).map(lambda listed: [Sentence(str(i), f"text {i}", **fields) for i, fields in enumerate(listed)])


@given(rows)
def test_units_are_documents_connected_by_versions_of_the_same_text(sentences: list[Sentence]) -> None:
    units = split_units(sentences)
    members = [{s.id for s, u in zip(sentences, units, strict=True) if u == unit} for unit in range(units.max() + 1)]
    assert sorted(map(sorted, members)) == sorted(map(sorted, components(sentences)))


@given(rows, st.integers(1, 6), st.integers(0, 3), st.floats(0, 1))
def test_no_split_divides_a_document_or_the_versions_of_a_text(
    sentences: list[Sentence], number: int, seed: int, share: float
) -> None:
    units = components(sentences)
    folds = document_folds(sentences, number, seed=seed)
    assert sorted(set(folds.tolist())) == list(range(min(number, len(units))))
    drawn = held_out(sentences, share, seed=seed)
    parts = Corpus(tuple(sentences)).split(share, seed=seed)
    assert [s.id for s in parts[1]] == [s.id for s, yes in zip(sentences, drawn, strict=True) if yes]
    for unit in units:
        inside = [s.id in unit for s in sentences]
        assert len(set(folds[inside].tolist())) == len(set(drawn[inside].tolist())) == 1


def test_documents_with_the_same_name_in_different_sources_are_separate_units() -> None:
    sentences = [Sentence(str(i), "a", "d", source=source, parallel=None) for i, source in enumerate(("x", "y", None))]
    assert split_units(sentences).tolist() == [0, 1, 2]


def test_folds_are_balanced_by_size_label_language_and_source() -> None:
    sentences = [
        Sentence(**row | {"labels": tuple(row["labels"]), "source": f"s{int(str(row['document'])[1:]) % 3}"})
        for row in tiny_rows(60)
    ]
    folds = document_folds(sentences, 5, seed=0)
    assert np.ptp(np.bincount(folds)) <= 20
    features: dict[str, list[tuple[Any, ...]]] = {
        "label": [s.labels or ("none",) for s in sentences],
        "language": [(s.language,) for s in sentences],
        "source": [(s.source,) for s in sentences],
        "label of a language": [tuple((s.language, label) for label in s.labels or ()) for s in sentences],
    }
    for name, values in features.items():
        whole = Counter(value for row in values for value in row)
        for fold in range(5):
            part = Counter(value for row, f in zip(values, folds, strict=True) if f == fold for value in row)
            for value, n in whole.items():
                assert part[value] == pytest.approx(n / 5, rel=0.35), (name, value, fold)


def test_a_rare_label_is_spread_over_the_folds() -> None:
    for seed in range(10):
        sentences = [
            Sentence(str(i), "a", str(i // 5), labels=("rare",) if i // 5 < 4 and i % 5 == 0 else ("common",))
            for i in range(100)
        ]
        folds = document_folds(sentences, 4, seed=seed)
        assert sorted(folds[[s.labels == ("rare",) for s in sentences]].tolist()) == [0, 1, 2, 3]


def test_sources_with_one_document_each_are_divided_evenly() -> None:
    sentences = [Sentence(str(i), "a", str(i), source=f"s{i}", labels=()) for i in range(9)]
    assert np.bincount(document_folds(sentences, 3, seed=0)).tolist() == [3, 3, 3]


def test_the_seed_determines_the_folds() -> None:
    sentences = [Sentence(**row | {"labels": tuple(row["labels"])}) for row in tiny_rows(30)]
    first, again, other = (document_folds(sentences, 5, seed=seed).tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_few_units_make_few_folds_without_an_error() -> None:
    assert assign_folds([], [], 5, seed=0).tolist() == []
    assert assign_folds([7, 7], [["a"], ["b"]], 5, seed=0).tolist() == [0, 0]
    assert sorted(assign_folds([7, 3], [[], []], 5, seed=0).tolist()) == [0, 1]
    assert sorted(assign_folds([7, 3], [["a"], ["b"]], 5, seed=0).tolist()) == [0, 1]
