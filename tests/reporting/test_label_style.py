"""Tests of how labels look."""

from __future__ import annotations

from communique.reporting.label_style import LINES, label_signs, label_styles
from communique.reporting.palette import PALETTE


def test_labels_differ_in_more_than_their_colour() -> None:
    styles = label_styles([f"label {i}" for i in range(2 * len(PALETTE))])
    assert len({style.sign for style in styles}) == len(styles)
    assert [style.colour for style in styles[:2]] == [0, 1]
    assert {style.line for style in styles} == set(range(LINES))
    assert styles[len(PALETTE)].colour == 0, "colours repeat"


def test_signs_are_unique_for_any_label_names() -> None:
    names = [
        "policy claim",
        "policy_claims",
        "PC",
        "نقد السياسة",
        "批评政策",
        "批评",
        "मानवाधिकार का समर्थन",
        "!",
        "?",
        "x",
    ]
    signs = label_signs(names)
    assert len(set(signs)) == len(names)
    assert signs[0] == "PC"
    assert all(signs)


def test_short_words_do_not_count_for_signs_of_longer_names() -> None:
    names = ["Praise of own government", "Climate & nature", "to be", "of the state"]
    assert label_signs(names) == ["POG", "CN", "TB", "OTS"]
