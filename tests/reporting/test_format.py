"""Tests of number formats, and of Markdown tables that no data can break."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from communique.reporting import format as formats

NAN = float("nan")


@pytest.mark.parametrize(
    ("write", "arguments", "expected"),
    [
        (formats.number, (0.12345,), "0.123"),
        (formats.number, (12.6, 0), "13"),
        (formats.number, (-0.0001,), "0.000"),
        (formats.signed, (0.12345,), "+0.123"),
        (formats.signed, (-0.5, 1), "-0.5"),
        (formats.score, (0.5, 0.4, 0.6), "0.500 [0.400, 0.600]"),
        (formats.score, (0.5, None, None), "0.500 [–]"),
        (formats.score, (0.5, NAN, NAN), "0.500 [–]"),
        (formats.signed_score, (0.5, -0.1, 1.1), "+0.500 [-0.100, +1.100]"),
        (formats.signed_score, (-0.5, NAN, NAN), "-0.500 [–]"),
        (formats.p_value, (0.0004,), "< 0.001"),
        (formats.p_value, (0.001,), "0.001"),
        (formats.percent, (0.97,), "97%"),
        (formats.percent, (0.0123, 1), "1.2%"),
        (formats.quantity, (9.96,), "10.0"),
        (formats.quantity, (1234.5,), "1,234"),
        (formats.quantity, (100_001,), "> 100,000"),
        (formats.mebibytes, (3 * 2**30,), "3,072 MiB"),
        (formats.megabytes, (95_400_000,), "95 MB"),
        (formats.counted, (0, "row"), "0 rows"),
        (formats.counted, (1, "row"), "1 row"),
        (formats.counted, (2, "match", "matches"), "2 matches"),
    ],
)
def test_numbers_have_the_listed_formats(write: Callable[..., str], arguments: tuple[Any, ...], expected: str) -> None:
    assert write(*arguments) == expected


@pytest.mark.parametrize("undefined", [None, NAN])
def test_undefined_numbers_become_a_dash(undefined: float | None) -> None:
    for write in (formats.number, formats.signed, formats.p_value, formats.percent, formats.quantity):
        assert write(undefined) == "–"
    assert formats.score(undefined, 0.4, 0.6) == "–"
    assert formats.signed_score(undefined, undefined, undefined) == "–"


def test_result_files_contain_null_for_undefined_numbers() -> None:
    assert formats.without_nan({"a": [1.0, NAN, (NAN, "nan")], "b": {"c": NAN}}) == {
        "a": [1.0, None, [None, "nan"]],
        "b": {"c": None},
    }
    assert (formats.rounded(NAN, 2), formats.rounded(0.12345, 4)) == (None, 0.1235)


@given(st.text(alphabet="a|\\ \n\r\t\u2028\x0b", max_size=12))
@example("a\\|b")
@example("a\\")
@example("one\ntwo")
@example("a\r\n| --- |")
def test_no_cell_content_breaks_a_markdown_table(text: str) -> None:
    written = formats.table(("first", "second"), [("x", text), (text, "y")])
    rendered = MarkdownIt("commonmark").enable("table").render(written)
    assert rendered.count("<table>") == 1
    assert rendered.count("<tr>") == 3
    assert rendered.count("<td>") == 4
    assert rendered.count("|") == 2 * text.count("|")
    assert rendered.endswith("</table>\n")
