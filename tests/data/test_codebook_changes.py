"""Tests of the changes of a codebook in words."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import CODEBOOK, TINY, has_facts

from communique.data.acts import Act
from communique.data.codebook import Codebook
from communique.data.codebook_changes import (
    codebook_changes,
    describe_changes,
    renamed_labels,
    translate,
    translate_acts,
)

CODINGS = [("criticism",), ("criticism", "policy_claim"), ("cooperation_pledge",), ()]


def changed(**values: Any) -> Codebook:
    return Codebook.model_validate(CODEBOOK | values)


def labels(**by_name: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return the labels of the tiny codebook with changed fields, without those that are None, and with new ones."""
    known = {label["name"]: label for label in CODEBOOK["labels"]}
    kept = [label | (by_name.get(name) or {}) for name, label in known.items() if by_name.get(name, {}) is not None]
    return kept + [{"name": name} | (values or {}) for name, values in by_name.items() if name not in known]


@pytest.mark.parametrize(
    ("new", "expected", "affected"),
    [
        (changed(version="2"), ("version", "'1'", "'2'"), 0),
        (changed(task="multiclass"), ("task", "multilabel", "multiclass"), 4),
        (changed(rules=["One rule."]), ("rules", "1 rule added"), 4),
        (changed(labels=labels(criticism=None)), ("'criticism'", "removed"), 2),
        (changed(labels=labels(praise={"definition": "New."})), ("'praise'", "added"), 4),
        (changed(labels=labels(criticism={"name": "blame"})), ("'criticism'", "renamed to 'blame'"), 2),
        (
            changed(labels=labels(criticism={"definition": "Somebody blames."})),
            ("definition of 'criticism'", "Somebody condemns.", "Somebody blames."),
            2,
        ),
        (
            changed(labels=labels(cooperation_pledge={"excludes": ["thanks"]})),
            ("does not count", "'cooperation_pledge'"),
            1,
        ),
        (changed(labels=list(reversed(CODEBOOK["labels"]))), ("order",), 0),
        (changed(acts=True), ("now also", "holder and target"), 0),
    ],
)
def test_each_change_is_described_with_the_codings_that_it_affects(
    new: Codebook, expected: tuple[str, ...], affected: int
) -> None:
    (change,) = codebook_changes(TINY, new)
    assert has_facts(change.text, *expected)
    assert change.count(CODINGS) == affected
    (line,) = describe_changes([change], CODINGS)
    assert not affected or f"{affected} coding" in line


def test_equal_codebooks_have_no_changes() -> None:
    assert codebook_changes(TINY, changed()) == ()


def test_several_changes_are_listed_separately() -> None:
    new = changed(version="2", labels=labels(criticism=None, praise={"definition": "New."}))
    assert [change.affects for change in codebook_changes(TINY, new)] == ["none", "label", "all"]


def test_a_long_definition_is_shortened() -> None:
    (change,) = codebook_changes(TINY, changed(labels=labels(criticism={"definition": "word " * 500})))
    assert len(change.text) < 300


def test_codings_are_translated_only_if_every_present_label_was_decided() -> None:
    renamed = changed(labels=labels(criticism={"name": "blame"}))
    assert renamed_labels(TINY, renamed) == {"criticism": "blame"}
    assert translate(("policy_claim", "criticism"), TINY, renamed) == ("blame", "policy_claim")
    removed = changed(labels=labels(criticism=None))
    assert translate(("policy_claim", "criticism"), TINY, removed) == ("policy_claim",)
    assert translate((), TINY, changed(labels=labels(praise={"definition": "New."}))) is None
    assert translate(("criticism",), TINY, changed(task="multiclass")) is None
    # Without the codebook of the coding, a label that is not in the present one must not become "no label".
    assert translate(("criticism",), None, removed) is None
    assert translate(("policy_claim",), None, removed) == ("policy_claim",)
    one = changed(task="multiclass")
    assert translate(("criticism",), one, changed(task="multiclass", labels=labels(criticism=None))) is None
    assert translate(("policy_claim",), one, changed(task="multiclass", labels=labels(criticism=None))) is not None


def test_acts_follow_a_renamed_label_and_lose_kinds_that_no_longer_exist() -> None:
    kinds = [{"name": "harsh", "definition": "In strong words."}]
    old = changed(labels=labels(criticism={"kinds": kinds}))
    renamed = changed(labels=labels(criticism={"name": "blame", "kinds": kinds}))
    acts = {"criticism": Act("harsh", (0, 4)), "policy_claim": Act(None, None, (5, 9))}
    assert translate_acts(acts, ("blame", "policy_claim"), old, renamed) == {
        "blame": acts["criticism"],
        "policy_claim": acts["policy_claim"],
    }
    assert translate_acts(acts, ("criticism",), old, TINY) == {"criticism": Act(None, (0, 4))}
    assert translate_acts({"criticism": Act("harsh", with_spans=False)}, ("criticism",), old, TINY) == {}
