"""The workbook of `label -o out.xlsx`: texts stay texts, types are kept, limits are reported, and bytes do not vary."""

from __future__ import annotations

import io
import json
import os
import signal
import tracemalloc
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import label, label_in_a_process, until
from helpers import has_facts
from openpyxl import load_workbook

from communique.io import workbook_writer
from communique.io.read import open_table
from communique.io.workbook_writer import CELL_CHARACTERS, ROWS, Column, write_workbook
from communique.labelling import spreadsheet
from communique.labelling.shard_folder import shards_folder

pytestmark = pytest.mark.usefixtures("fake_network")


def rows_of(path: Path | io.BytesIO, sheet: str = "labelled") -> list[dict[str, Any]]:
    """Read a sheet with openpyxl."""
    lines = list(load_workbook(path)[sheet].values)
    return [dict(zip(map(str, lines[0]), line, strict=True)) for line in lines[1:]]


def own_rows(path: Path) -> list[dict[str, Any]]:
    """Read the first sheet with communique."""
    with open_table(path) as stream:
        return [row for chunk in stream.chunks for row in chunk.to_rows()]  # type: ignore[union-attr]


def scratch(path: Path) -> Path:
    (folder := path.with_suffix(".scratch")).mkdir(exist_ok=True)
    return folder


def workbook(path: Path, columns: list[str], rows: list[list[Any]]) -> Path:
    with path.open("wb") as handle:
        write_workbook(handle, {"labelled": ([Column(name) for name in columns], rows)}, folder=scratch(path))
    return path


TEXTS = (
    "=1+1",
    '=HYPERLINK("http://x")',
    "+1 cmd|' /C calc'!A0",
    "@SUM(A1)",
    "-2+3",
    "'=1+1",
    "007",
    "1e5",
    "TRUE",
    "2020-01-01",
    "#N/A",
    " spaces  kept ",
    "a\nb\tc",
    "<b>&amp;\"'",
    "<r><t>x</t></r>",
    "<r> & </r>",
    "http://example.org",
    "mailto:a@example.org",
    "{=1+1}",
    "السلام عليكم",
    "我们愿意合作。",
    "𝒳 😀",
)


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_stored_unchanged(text: str, tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", ["text", "other"], [[text, "x"]])
    cell = load_workbook(path).active["A2"]
    assert (cell.value, cell.data_type) == (text, "s")
    assert own_rows(path) == [{"text": text, "other": "x"}]


@pytest.mark.parametrize(
    "text", ["_x0041_", "_x000D_ and _xZZZZ_", "a\rb", "a\r\nb", "_x005F_x0041_", "<r>_x0041_x0042_\r</r>"]
)
def test_a_text_that_looks_like_an_escape_is_stored_unchanged(text: str, tmp_path: Path) -> None:
    # openpyxl does not know these escapes; Excel, LibreOffice and calamine do.
    assert own_rows(workbook(tmp_path / "a.xlsx", ["text", "o"], [[text, "x"]]))[0]["text"] == text


def test_characters_that_xml_cannot_contain_are_escaped(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", ["a\x00", "o"], [["\x1b[31m\x0b\ufffe\uffff\ud800x", 1]])
    assert rows_of(path) == [{r"a\x00": r"\x1b[31m\x0b\ufffe\uffff\ud800x", "o": 1}]


def test_a_formula_stays_text_when_its_cell_is_edited(tmp_path: Path) -> None:
    sheet = load_workbook(workbook(tmp_path / "a.xlsx", ["text"], [["=1+1"], ["text"], ["-5"]])).active
    assert [bool(sheet[f"A{i}"].quotePrefix) for i in (2, 3, 4)] == [True, False, False]


def test_types_are_kept(tmp_path: Path) -> None:
    values: list[Any] = [
        1,
        -2.5,
        0.1 + 0.2,
        True,
        False,
        None,
        date(2020, 2, 29),
        datetime(2021, 3, 4, 5, 6, 7),
        time(12, 30),
        "x",
    ]
    names = [f"c{i}" for i in range(len(values))]
    found = rows_of(workbook(tmp_path / "a.xlsx", names, [values]))[0]
    assert list(found.values()) == [*values[:6], datetime(2020, 2, 29), *values[7:]]


@pytest.mark.parametrize(
    "value",
    [10**15 + 1, float("nan"), float("inf"), date(1899, 1, 1), datetime(2020, 1, 1, 0, 0, 0, 5), b"\xff", {"a": 1}],
)
def test_values_that_a_cell_cannot_store_become_text(value: Any, tmp_path: Path) -> None:
    assert rows_of(workbook(tmp_path / "a.xlsx", ["c"], [[value]]))[0]["c"] == str(value)


def test_a_sheet_is_formatted_for_screen_and_print(tmp_path: Path) -> None:
    columns = [Column("text", 20, wrap=True), Column("p", bar=True, bold_from=0.25)]
    texts = ["Short.", "我们愿意合作" * 5, "a\nb\nc", "COP28: السلام عليكم", "x" * 10_000]
    with (tmp_path / "a.xlsx").open("wb") as handle:
        write_workbook(handle, {"a": (columns, [[text, 0.5] for text in texts])}, folder=scratch(tmp_path / "a"))
    sheet = load_workbook(tmp_path / "a.xlsx")["a"]
    heights = [sheet.row_dimensions[row].height for row in range(2, 7)]
    assert heights == [None, 60, 45, pytest.approx(30), pytest.approx(409, abs=1)]
    assert [int(sheet.cell(row, 1).alignment.readingOrder) for row in range(2, 7)] == [0, 0, 0, 2, 0]
    assert all(sheet.cell(row, 1).alignment.wrap_text for row in range(2, 7))
    assert sheet.page_setup.orientation == "landscape"
    # A width of one page is the default, and a height of 0 pages means any height.
    assert (sheet.page_setup.fitToWidth or 1, sheet.page_setup.fitToHeight) == (1, 0)
    assert sheet.sheet_properties.pageSetUpPr.fitToPage
    assert sheet["A1"].font.bold
    (area,) = sheet.conditional_formatting
    assert str(area.sqref) == "B2:B6"
    bold, bar = sorted(area.rules, key=lambda rule: rule.type)
    assert (bold.operator, bold.formula, bold.dxf.font.b) == ("greaterThanOrEqual", ["0.25"], True)
    assert [(end.type, end.val) for end in bar.dataBar.cfvo] == [("num", 0), ("num", 1)]


def test_memory_does_not_grow_with_the_number_of_rows(tmp_path: Path) -> None:
    def peak(n: int) -> int:
        tracemalloc.start()
        with (tmp_path / "a.xlsx").open("wb") as handle:
            write_workbook(
                handle,
                {"a": ([Column("text", wrap=True)], ([f"{i}\nb"] for i in range(n)))},
                folder=scratch(tmp_path / "a"),
            )
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(10)
    assert peak(3000) < peak(300) + 100_000


def test_temporary_files_are_in_the_folder_that_the_caller_deletes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    folder = scratch(tmp_path / "a")
    seen: list[Path] = []

    def rows() -> Iterator[list[str]]:
        seen.extend(folder.iterdir())
        yield ["x"]

    with (tmp_path / "a.xlsx").open("wb") as handle:
        write_workbook(handle, {"a": ([Column("text")], rows())}, folder=folder)
    assert seen
    assert [path.name for path in folder.iterdir()] == ["workbook.xlsx"]


def test_an_error_of_the_output_stream_keeps_its_type(tmp_path: Path) -> None:
    class Closed(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, _: Any) -> int:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        write_workbook(Closed(), {"a": ([Column("text")], [["x"]])}, folder=scratch(tmp_path / "a"))  # type: ignore[arg-type]


def test_a_workbook_has_rows_filters_and_formats(fake_bundle: Path, tmp_path: Path) -> None:
    table = pa.table(
        {
            "text": ["We condemn it.", "=1+1 is two", "***", "Short."],
            "year": pa.array([2001, None, 2003, 2004], pa.int16()),
            "score": [0.5, 1.5, None, 2.0],
            "day": [date(2020, 1, 1), None, date(2021, 1, 1), date(2022, 1, 1)],
            "yes": [True, False, None, True],
            "tags": [["a", "b"], [], None, ["c"]],
            "labels": ["own", "", None, "x"],
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    out, csv = tmp_path / "out.xlsx", tmp_path / "out.csv"
    for path in (out, csv):
        assert label(tmp_path / "in.parquet", "-o", path, "--model", fake_bundle, "--no-split")[0] == 0
    found = rows_of(out)
    assert [row["text"] for row in found] == table["text"].to_pylist()
    assert [row["year"] for row in found] == [2001, None, 2003, 2004]
    assert [row["score"] for row in found] == [0.5, 1.5, None, 2.0]
    assert [row["day"] and row["day"].date() for row in found] == table["day"].to_pylist()
    assert [row["yes"] for row in found] == [True, False, None, True]
    assert [row["tags"] for row in found] == ["a|b", None, None, "c"]
    assert [row["input_labels"] for row in found] == ["own", None, None, "x"]
    assert [row["error"] for row in found] == [None, None, "no letters", None]
    # The same columns as in CSV.
    assert list(found[0]) == csv.read_text(encoding="utf-8-sig").splitlines()[0].split(",")
    sheet = load_workbook(out)["labelled"]
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == sheet.dimensions
    columns = {cell.value: cell.column_letter for cell in sheet[1]}
    probability = columns["probability_criticism"]
    assert sheet[f"{probability}2"].number_format == "0.000"
    rules = [r for area in sheet.conditional_formatting if f"{probability}2" in str(area.sqref) for r in area.rules]
    assert sorted(rule.type for rule in rules) == ["cellIs", "dataBar"]
    assert sheet.column_dimensions[columns["text"]].width > 50
    explained = rows_of(out, "labels")
    assert [row["label"] for row in explained][:4] == ["criticism", "policy_claim", "cooperation_pledge", "(none)"]
    given = [name for row in found for name in (row["labels"] or "").split("|") if name]
    assert sum(row["sentences"] for row in explained[:3]) == len(given)


def test_equal_rows_give_equal_bytes_at_any_time(
    fake_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"text": "We condemn it."}\n' * 5)
    for name in ("a", "b"):
        assert label(source, "-o", tmp_path / f"{name}.xlsx", "--model", fake_bundle)[0] == 0
        # The time of a file in a ZIP has a resolution of two seconds.
        monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.xlsx") as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 31, 0, 0, 0)}


def test_a_killed_run_that_is_resumed_writes_the_same_bytes(fake_bundle: Path, tmp_path: Path) -> None:
    source, out, whole = tmp_path / "in.jsonl", tmp_path / "out.xlsx", tmp_path / "whole.xlsx"
    source.write_text("".join(json.dumps({"text": f"We condemn {i}.", "n": i}) + "\n" for i in range(30)))
    arguments = ("--shard-rows", 10, "--model", fake_bundle, "--language", "en")
    pid = label_in_a_process(source, "-o", out, *arguments, delay=0.3, log=tmp_path / "log")
    until(lambda: len(list(shards_folder(out).glob("*.arrow"))) >= 1, "no shard was finished", pid=pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert set(os.listdir(tmp_path)) <= {"in.jsonl", "out.xlsx.shards", "log"}
    # A process that is killed while it writes the workbook leaves such a folder.
    (shards_folder(out) / "scratch").mkdir()
    (shards_folder(out) / "scratch" / "tmp1").write_text("<row>")
    assert label(source, "-o", out, *arguments, "--resume")[0] == 0
    assert label(source, "-o", whole, *arguments)[0] == 0
    assert out.read_bytes() == whole.read_bytes()
    assert not shards_folder(out).exists()


def test_a_text_too_long_for_a_cell_ends_the_run_at_once_and_its_shards_can_be_used_for_another_format(
    fake_bundle: Path, tmp_path: Path
) -> None:
    source, out, other = tmp_path / "in.jsonl", tmp_path / "out.xlsx", tmp_path / "out.parquet"
    texts = ["Short.", "a" * (CELL_CHARACTERS + 1), *["Other."] * 8]
    source.write_text("".join(json.dumps({"text": text, "id": str(i)}) + "\n" for i, text in enumerate(texts)))
    arguments = (source, "--shard-rows", 2, "--model", fake_bundle, "--no-split", "--language", "en")
    code, _, err = label(*arguments, "-o", out)
    assert code == 1
    assert has_facts(err, out, "'text'", "'1'", "32,768", "32,767", "1,048,575", "16,384", "Parquet or CSV", "--resume")
    assert not out.exists()
    # The run ends as soon as the length is known, not after the last shard.
    assert 1 <= len(list(shards_folder(out).glob("*.arrow"))) <= 2
    shards_folder(out).rename(shards_folder(other))
    assert label(*arguments, "-o", other, "--resume")[0] == 0
    assert pq.read_table(other)["text"].to_pylist() == texts


@pytest.mark.parametrize("text", ["😀" * 16_383 + "a", "x" * 32_767])
def test_a_cell_can_have_the_maximum_length(text: str, fake_bundle: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.xlsx"
    source.write_text(json.dumps({"text": "Short.", "n": text}) + "\n")
    assert label(source, "-o", out, "--model", fake_bundle)[0] == 0
    assert rows_of(out)[0]["n"] == text
    source.write_text(json.dumps({"text": "Short.", "n": text + "b"}) + "\n")
    assert label(source, "-o", out, "--model", fake_bundle, "--overwrite")[0] == 1


def test_too_many_rows_of_parquet_are_refused_before_any_work(
    fake_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreadsheet, "ROWS", 10)
    pq.write_table(pa.table({"text": ["We condemn it."] * 10}), tmp_path / "in.parquet")
    out = tmp_path / "out.xlsx"
    code, _, err = label(tmp_path / "in.parquet", "-o", out, "--model", fake_bundle)
    assert (code, has_facts(err, out, "10 rows", "Parquet or CSV")) == (1, True), err
    assert not shards_folder(out).exists()


def test_too_many_rows_of_another_table_are_reported_without_losing_shards(
    fake_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreadsheet, "ROWS", 10)
    source, out = tmp_path / "in.jsonl", tmp_path / "out.xlsx"
    source.write_text('{"text": "We condemn it."}\n' * 10)
    code, _, err = label(source, "-o", out, "--model", fake_bundle, "--shard-rows", 4)
    assert (code, has_facts(err, out, "10 rows", "out.parquet.shards")) == (1, True), err
    assert len(list(shards_folder(out).glob("*.arrow"))) == 3


def test_too_many_columns_are_reported_with_the_first_shard(
    fake_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreadsheet, "COLUMNS", 20)
    source, out = tmp_path / "in.jsonl", tmp_path / "out.xlsx"
    source.write_text(json.dumps({"text": "We condemn it."} | {f"c{i}": i for i in range(20)}) + "\n")
    code, _, err = label(source, "-o", out, "--model", fake_bundle)
    assert (code, has_facts(err, out, "columns", "Parquet or CSV")) == (1, True), err


def test_limits_equal_those_of_excel() -> None:
    assert (ROWS, workbook_writer.COLUMNS, CELL_CHARACTERS) == (2**20, 2**14, 2**15 - 1)


def test_an_input_without_rows_gives_a_workbook_without_rows(fake_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,n\n")
    out = tmp_path / "out.xlsx"
    assert label(tmp_path / "in.csv", "-o", out, "--model", fake_bundle)[0] == 0
    assert rows_of(out) == []


def test_unreadable_rows_keep_their_place_and_reason(fake_bundle: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.xlsx"
    source.write_text('{"text": "We condemn it."}\nnot json\n{"text": "Other."}\n')
    assert label(source, "-o", out, "--model", fake_bundle)[0] == 1
    errors = [row["error"] for row in rows_of(out)]
    assert (errors[0], errors[2]) == (None, None)
    assert "row 2" in errors[1]


def test_a_workbook_can_be_written_to_standard_output(fake_bundle: Path) -> None:
    arguments = ("-", "--format", "txt", "-o", "-", "--out-format", "xlsx", "--model", fake_bundle)
    code, out, err = label(*arguments, stdin=b"We condemn it.")
    assert code == 0, err
    assert [row["text"] for row in rows_of(io.BytesIO(out))] == ["We condemn it."]


# CSV


@pytest.mark.parametrize("form", ["csv", "tsv.gz"])
def test_formulas_in_csv_are_escaped_on_request(form: str, fake_bundle: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / f"out.{form}"
    cells = ["=1+1", "+a", "@b", "-c", "\td", "＝1", "'=1", "-5", "+1.5", "x=1", "é"]
    source.write_text("".join(json.dumps({"text": f"={c} text", "=own": c}) + "\n" for c in cells))
    arguments = (source, "-o", out, "--model", fake_bundle, "--no-split", "--overwrite")
    assert label(*arguments)[0] == 0
    assert [row["=own"] for row in own_rows(out)] == cells
    assert label(*arguments, "--escape-formulas")[0] == 0
    found = own_rows(out)
    assert [row["'=own"] for row in found] == [
        "'=1+1", "'+a", "'@b", "'-c", "'\td", "'＝1", "''=1", "-5", "+1.5", "x=1", "é",
    ]  # fmt: skip
    assert all(row["text"].startswith("'=") for row in found)
    code, _, err = label(*arguments[:-1], "--escape-formulas", "--resume")
    assert (code, "already complete" in err) == (0, True), err


def test_formulas_can_be_escaped_only_in_csv(fake_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("We condemn it.")
    code, _, err = label(tmp_path / "in.txt", "-o", tmp_path / "o.xlsx", "--model", fake_bundle, "--escape-formulas")
    assert (code, has_facts(err, "--escape-formulas", ".csv")) == (2, True)
