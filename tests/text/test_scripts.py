"""Test that the direction of a text is the direction of most of its letters."""

from __future__ import annotations

import pytest

from communique.text.scripts import direction


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("COP28: ندعو جميع الدول إلى وقف إطلاق النار", "rtl"),
        ("ממשלת ישראל (UNHCR)", "rtl"),
        ("ما با FAO همکاری می‌کنیم.", "rtl"),
        ('The minister said "السلام عليكم" and left.', "ltr"),
        ("我们愿意合作。", "ltr"),
        ("2030: 45%", None),
        ("", None),
    ],
)
def test_direction_is_that_of_most_letters(text: str, expected: str | None) -> None:
    assert direction(text) == expected
