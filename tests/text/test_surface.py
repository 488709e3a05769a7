"""Tests of changes of the surface: letter case by language and script, and spans that move with their words."""

from __future__ import annotations

import pytest

from communique.actors.grammar import GRAMMARS
from communique.text.edits import apply_edits, move_span
from communique.text.surface import SPEAKER_TAGS, has_case, lower_case, no_final_mark, speaker_tag, upper_case


@pytest.mark.parametrize(
    ("text", "language", "lower", "upper"),
    [
        ("The UN met.", "en", "the un met.", "THE UN MET."),
        ("Große Straße", "de", "große straße", "GROSSE STRASSE"),
        ("Istanbul ve İzmir ılık.", "tr", "ıstanbul ve izmir ılık.", "ISTANBUL VE İZMİR ILIK."),
        ("Ο ΔΡΟΜΟΣ ΤΟΥΣ", "el", "ο δρομος τους", "Ο ΔΡΟΜΟΣ ΤΟΥΣ"),
        # The script has no case, and an abbreviation in another script is left as it is.
        ("نرحب ببيان NATO اليوم.", "ar", "نرحب ببيان NATO اليوم.", "نرحب ببيان NATO اليوم."),
        ("我们支持 UN 的决定。", "zh", "我们支持 UN 的决定。", "我们支持 UN 的决定。"),
    ],
)
def test_case_depends_on_language_and_script(text: str, language: str, lower: str, upper: str) -> None:
    assert apply_edits(text, lower_case(text, language)) == lower
    assert apply_edits(text, upper_case(text, language)) == upper


def test_most_letters_must_have_case() -> None:
    assert [has_case(text) for text in ("Yes.", "да", "不 no", "不不 no", "2024", "")] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]


def test_spans_move_with_their_words() -> None:
    text = "Die Großen straßenweise Müller."
    start = text.index("Müller")
    capitals = upper_case(text, "de")
    assert apply_edits(text, capitals)[slice(*move_span((start, start + 6), capitals) or ())] == "MÜLLER"
    tag = speaker_tag(text, "de")
    assert apply_edits(text, tag)[slice(*move_span((0, 3), tag) or ())] == "Die"
    assert move_span((start, len(text)), no_final_mark(text, "de")) == (start, len(text) - 1)


def test_every_language_with_names_has_a_speaker_tag() -> None:
    assert set(GRAMMARS) <= set(SPEAKER_TAGS)
