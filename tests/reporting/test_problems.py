"""Problems are grouped by kind."""

from __future__ import annotations

from communique.reporting.problems import MESSAGES, ROWS, summarize


def test_few_problems_are_kept_as_they_are() -> None:
    lines = ["a.csv, row 2: the text is empty", "b.csv: no header", "a.csv, row 3: unknown label 'x'"]
    assert summarize(lines) == lines


def test_the_same_problem_in_many_rows_fills_one_line_per_file() -> None:
    lines = [f"{name}.csv, row {row}: unknown label 'pro'. Allowed: a, b" for name in "ab" for row in range(2, 1202)]
    assert summarize(lines) == [
        f"{name}.csv, 1,200 rows (2, 3, 4, 5, 6, …): unknown label 'pro'. Allowed: a, b" for name in "ab"
    ]


def test_problems_that_differ_in_few_values_are_listed_by_value() -> None:
    lines = [f"a.csv, row {row}: unknown label {'xy'[row % 2]!r}" for row in range(2, 42)]
    assert [line.split("unknown")[1] for line in summarize(lines)] == [" label 'x'", " label 'y'"]


def test_problems_that_differ_in_every_row_are_summarized_with_an_example() -> None:
    lines = [
        f"a.csv, row {row}: id 's{row - 2}' is also the id of a.csv, row 1" for row in range(2, 2 + MESSAGES + ROWS)
    ]
    (line,) = summarize(lines)
    assert line == "a.csv, 10 rows (2, 3, 4, 5, 6, …): for example: id 's0' is also the id of a.csv, row 1"
