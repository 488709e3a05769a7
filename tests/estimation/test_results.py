"""Tests that the tables of estimates are read back as they were written, and that damaged ones are refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from estimate_rows import estimate_row
from helpers import facts
from matplotlib.figure import Figure

from communique.errors import DataError
from communique.estimation import plots
from communique.estimation.figures import pair
from communique.estimation.intervals import Interval
from communique.estimation.results import read_results, written_files
from communique.io.write import write_parquet


def row(level: str, method: str, value: float, **fields: Any) -> dict[str, Any]:
    """Return a row of estimates by country and year."""
    return estimate_row(level, method, value, **({"country": "FR", "year": "all"} | fields))


def test_corrected_and_naive_proportions_are_paired_by_group(tmp_path: Path) -> None:
    rows = [
        row("all", "naive", 0.5, country="all"),
        row("all", "ppi", 0.3, country="all"),
        row("country", "naive", 0.6),
        row("country", "ppi", 0.4, warnings="few documents", low=None, high=None),
        row("cell", "naive", 0.7, year="2021"),
        row("cell", "ppi", 0.5, year="2021"),
    ]
    write_parquet(tmp_path / "estimates.parquet", rows)
    found = read_results(tmp_path)
    assert (found.columns, found.method, found.target) == (("country", "year"), "ppi", "finite-population")
    assert [one.group for one in found.proportions] == ["all", "country=FR", "country=FR, year=2021"]
    assert [one.reported.value for one in found.proportions] == [0.3, 0.4, 0.5]
    assert [one.naive and one.naive.value for one in found.proportions] == [0.5, 0.6, 0.7]
    assert str(found.proportions[1].reported) == "0.400 [–]"
    assert found.proportions[1].doubts == "few documents"


def test_missing_damaged_and_foreign_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=facts("estimates.parquet", "communique estimate")):
        read_results(tmp_path)
    (tmp_path / "estimates.parquet").write_text("no table")
    with pytest.raises(DataError, match=facts("estimates.parquet", "communique estimate")):
        read_results(tmp_path)
    write_parquet(tmp_path / "estimates.parquet", [{"a": 1}])
    with pytest.raises(DataError, match=facts("estimates.parquet", "communique estimate")):
        read_results(tmp_path)


def test_only_files_of_an_estimate_are_listed(tmp_path: Path) -> None:
    folder = tmp_path / "estimates-1"
    folder.mkdir()
    for name in ("report.html", "estimates.csv", "shares_by_a b.svg", "secret.txt", ".hidden.csv"):
        (folder / name).write_text("x")
    (tmp_path / "outside.csv").write_text("x")
    (folder / "dsl.csv").symlink_to(tmp_path / "outside.csv")
    assert [path.name for path in written_files(folder)] == ["estimates.csv", "report.html", "shares_by_a b.svg"]
    (tmp_path / "link").symlink_to(folder)
    assert written_files(tmp_path / "link") == []


def test_the_figure_shows_both_proportions_and_marks_a_doubtful_one() -> None:
    nan = float("nan")
    one, other = Interval(0.2, 0.05, 20, 0.1, 0.3), Interval(0.4, nan, nan, nan, nan)
    figure = pair(one, other, 0.5, hollow=True)
    assert 'aria-label="corrected 0.200 [0.100, 0.300], naive 0.400 [–]"' in figure
    assert (figure.count('class="hollow"'), figure.count('class="naive"'), figure.count("naive-range")) == (1, 1, 0)
    assert 'class="naive"' not in pair(one, None, 0.5, hollow=False)


@pytest.mark.parametrize("column", ["gdp.pc", "votes/seats", "../up", "x\\y"])
def test_a_figure_over_any_column_stays_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column: str
) -> None:
    values = SimpleNamespace(numbers=[1.0], levels=("1", "2", "3"))
    analysis: Any = SimpleNamespace(columns=(column,), coded=SimpleNamespace(columns={column: values}, labels=("x",)))
    for name in ("forest", "over"):
        monkeypatch.setattr(plots, name, lambda *_: Figure())
    monkeypatch.setattr(plots, "series", lambda *_: {"all": []})
    written = plots.write(tmp_path, analysis)
    assert len(set(written)) == 4
    assert {path.parent for path in written} == {tmp_path}
    assert set(written_files(tmp_path)) == set(written)
