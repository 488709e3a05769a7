"""Test training copies: they have one change, keep labels and documents, and move the words of acts."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from communique import Corpus, MissingExtraError, Sentence
from communique.actors.names import actors, home
from communique.data.acts import Act, moved_acts
from communique.data.splits import document_folds
from communique.text.edits import Edit
from communique.training.augment import COPY, training_copies


def rows(texts: Iterable[str], language: str = "en", **fields: Any) -> list[Sentence]:
    return [Sentence(f"{language}{i}", text, f"{language}-{i}", 0, language, **fields) for i, text in enumerate(texts)]


def test_a_copy_keeps_labels_and_document_and_has_one_change() -> None:
    texts = [f'Peru "must" stop attack number {i}.' for i in range(60)]
    given = rows(texts, labels=("criticism",), source="s", sampling="random")
    copies = training_copies(given, share=1.0, seed=0)
    assert [copy.row for copy in copies] == list(range(60))
    kinds: Counter[str] = Counter()
    for copy in copies:
        old, new = given[copy.row], copy.sentence
        assert (new.labels, new.document, new.source, new.index) == (old.labels, old.document, "s", old.index)
        assert (new.id, new.sampling) == (f"{old.id}~{COPY}", COPY)
        changes = {
            "lower": new.text == old.text.lower(),
            "tag": new.text.endswith(f" {old.text}"),
            "quotes": new.text == old.text.replace(' "', " “").replace('"', "”"),
            "mark": new.text == old.text[:-1],
            "swap": not new.text.startswith(("Peru", "peru", "The")),
        }
        assert sum(changes.values()) == 1, new.text
        kinds.update(name for name, yes in changes.items() if yes)
    assert set(kinds) == {"lower", "tag", "quotes", "mark", "swap"}
    # Half of the copies have another actor, because all rows name one.
    assert 20 <= kinds["swap"] <= 40


def test_copies_depend_on_the_seed_and_not_on_the_order_of_rows() -> None:
    given = rows([f"We met {name} today." for name in ("France", "Peru", "Chad", "Chile") * 20])
    copies = training_copies(given, share=0.5, seed=0)
    assert 25 <= len(copies) <= 55
    assert copies == training_copies(given, share=0.5, seed=0)
    assert copies != training_copies(given, share=0.5, seed=1)
    backwards = training_copies(given[::-1], share=0.5, seed=0)
    assert {copy.sentence for copy in backwards} == {copy.sentence for copy in copies}


def test_text_without_case_has_no_copy_in_another_case() -> None:
    given = rows([f"我们支持第{i}号决议 UN。" for i in range(80)], "zh")
    texts = {copy.sentence.text for copy in training_copies(given, share=1.0, seed=0)}
    assert len(texts) == 80
    assert all("UN" in text for text in texts)
    assert training_copies(rows(["አንድ ቃል", "ሌላ ቃል"], "am"), share=1.0, seed=0) == []


def test_the_previous_sentence_has_the_same_change() -> None:
    given = rows(["Peru must go."] * 40, previous="Once more Peru and Chile spoke.")
    for copy in training_copies(given, share=1.0, seed=0):
        text, previous = copy.sentence.text, copy.sentence.previous or ""
        assert previous.islower() == text.islower()
        if text.endswith(" must go.") and not text.startswith(("Peru", "peru", "The ")):
            assert previous == f"Once more {text.removesuffix(' must go.')} and Chile spoke."


def test_holder_and_target_are_the_same_words_in_a_copy() -> None:
    base = "Straße: Minister Weiß criticised Peru sharply."
    start, target = base.index("Minister"), base.index("Peru")
    act = Act(None, (start, start + 13), (target, target + 4))
    given = rows([base] * 60, "de", labels=("criticism",), acts={"criticism": act})
    holders, targets = set(), set()
    for copy in training_copies(given, share=1.0, seed=1):
        acts = copy.sentence.acts
        assert acts is not None
        moved = acts["criticism"]
        holders.add(copy.sentence.text[slice(*moved.holder or ())])
        targets.add(copy.sentence.text[slice(*moved.target or ())])
    assert holders == {"Minister Weiß", "minister weiß"}
    assert {"Peru", "peru"} < targets
    assert len(targets) > 8
    assert not any(" " in name for name in targets)


def test_an_act_whose_words_are_removed_is_left_out() -> None:
    acts = {"a": Act("k", (0, 2), None), "b": Act(None, None, None)}
    assert moved_acts(acts, [Edit(0, 3, "")]) == {"b": Act(None, None, None)}
    assert moved_acts(acts, [Edit(0, 0, "xy")]) == acts | {"a": replace(acts["a"], holder=(2, 4))}


def test_a_copy_stays_in_the_fold_of_its_row() -> None:
    given = rows([f"We met France {i} times." for i in range(60)], labels=("criticism",))
    copies = [copy.sentence for copy in training_copies(given, share=0.5, seed=0)]
    everything = Corpus((*given, *copies)).sentences
    fold = dict(zip((s.id for s in everything), document_folds(everything, 5, seed=0).tolist(), strict=True))
    assert all(fold[copy.id] == fold[copy.id.removesuffix(f"~{COPY}")] for copy in copies)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    actors.cache_clear()
    home.cache_clear()
    monkeypatch.setitem(sys.modules, "babel", None)
    with pytest.raises(MissingExtraError, match="babel"):
        training_copies(rows(["France must stop."]), share=1.0, seed=0)
    actors.cache_clear()
