"""Tests of labels as pages show them."""

from __future__ import annotations

from helpers import TINY

from communique.app.choices import KEYS, LABEL_KEYS, choices
from communique.data.codebook import Label
from communique.reporting.label_style import label_styles


def test_labels_look_as_on_the_page_of_label() -> None:
    assert [(one.sign, one.colour, one.line) for one in choices(TINY)] == label_styles(TINY.names)


def test_labels_without_a_key_can_still_be_chosen() -> None:
    labels = tuple(Label(name=f"label-{i}", definition="One.") for i in range(len(LABEL_KEYS) + 2))
    found = choices(TINY.model_copy(update={"labels": labels}))
    keys = [one.key for one in found if one.key]
    assert len(found) == len(labels)
    assert len(set(keys)) == len(keys) == len(LABEL_KEYS)
    assert not set(keys) & set(KEYS.values())
