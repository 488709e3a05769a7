from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from helpers import CODEBOOK, NO_CELLS, TINY, TINY_MULTICLASS, YES_CELLS, facts, has_facts, write_rows

from communique.annotation.detect import read_coded
from communique.annotation.sheets import read_sheet, write_sheet
from communique.annotation.tasks import CodingTask, similar_coders
from communique.data.codebook import Codebook
from communique.errors import DataError
from communique.io.read import read_table

openpyxl = pytest.importorskip("openpyxl")


TASKS = [
    CodingTask("doc:0", '=SUM(A1) is what they said; "all" | #1', "doc", "en", "+Before"),
    CodingTask("doc:1", "إننا ندين هذا الهجوم\nوندعو إلى وقفه", "doc", "ar"),
    CodingTask("007", "A bell\x07 rings\x0bhere", "other", "en"),
    CodingTask("2019", "2019", "other", "en"),
]


def test_column_names_below_a_title_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "coded.csv"
    path.write_text("Coding of May,,\nid,text,labels\n1,We help.,none\n")
    with pytest.raises(DataError, match=r"coded.csv: the column names are in row 2"):
        read_coded(path, TINY)


def fill(path: Path, answers: dict[str, dict[str, object]]) -> None:
    """Write answers into a sheet, as a coder would."""
    book = openpyxl.load_workbook(path)
    sheet = book["coding"]
    columns = {cell.value: cell.column for cell in sheet[1]}
    for row in range(2, sheet.max_row + 1):
        for column, value in answers.get(sheet.cell(row, columns["id"]).value, {}).items():
            sheet.cell(row, columns[column]).value = value
    book.save(path)


YES: dict[str, dict[str, object]] = {
    "doc:0": {"criticism": "yes", "policy_claim": "no", "cooperation_pledge": "no", "comment": "odd\nsentence"},
    "doc:1": {"criticism": True, "policy_claim": "Yes", "cooperation_pledge": None},
    "007": {"criticism": "no", "policy_claim": "no", "cooperation_pledge": "no"},
}


@pytest.mark.parametrize("ending", [".xlsx", ".csv"])
def test_sheet_round_trips(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"sheet{ending}"
    write_sheet(path, TASKS, TINY, coder="anna")
    if ending == ".xlsx":
        fill(path, YES)
    else:
        import csv

        with path.open(encoding="utf-8-sig", newline="") as handle:
            rows = list(csv.DictReader(handle))
        for row in rows:
            row.update({k: "" if v is None else str(v) for k, v in YES.get(row["id"], {}).items()})
        with path.open("w", encoding="utf-8", newline="") as handle:
            # Spreadsheets of many locales save with semicolons.
            writer = csv.DictWriter(handle, list(rows[0]), delimiter=";")
            writer.writeheader()
            writer.writerows(rows)
    reading = read_coded(path, TINY)
    assert not reading.problems
    assert {row.id: row.labels for row in reading.rows} == {
        "doc:0": ("criticism",),
        "doc:1": ("criticism", "policy_claim"),
        "007": (),
        "2019": None,
    }
    assert {row.coder for row in reading.rows} == {"anna"}
    texts = {row.id: row.text for row in reading.rows}
    assert texts["doc:0"] == TASKS[0].text
    assert texts["doc:1"] == TASKS[1].text
    assert texts["007"] == "A bell rings here"
    assert texts["2019"] == "2019"
    assert {row.id: row.comment for row in reading.rows}["doc:0"] == "odd\nsentence"
    assert any(has_facts(note, "1 row", "nobody coded") for note in reading.notes)
    assert any(has_facts(note, "1 row", "blank", "yes") for note in reading.notes)


def test_sheet_has_drop_downs_the_codebook_and_text_direction(tmp_path: Path) -> None:
    write_sheet(tmp_path / "s.xlsx", TASKS, TINY)
    book = openpyxl.load_workbook(tmp_path / "s.xlsx")
    assert book.sheetnames == ["coding", "codebook"]
    sheet = book["coding"]
    columns = [cell.value for cell in sheet[1]]
    assert "model_labels" not in columns
    assert "probability" not in "".join(columns)
    letters = [openpyxl.utils.get_column_letter(columns.index(name) + 1) for name in TINY.names]
    rules = sheet.data_validations.dataValidation
    assert {(str(rule.sqref), rule.formula1) for rule in rules} == {(f"{a}2:{a}5", '"yes,no"') for a in letters}
    assert all(rule.showErrorMessage and rule.allowBlank and "second sheet" in rule.error for rule in rules)
    text = columns.index("text") + 1
    assert sheet.cell(3, text).alignment.readingOrder == 2
    assert sheet.cell(2, text).alignment.readingOrder == 0
    assert sheet.cell(2, text).data_type == "s", "a text that begins with '=' must not be a formula"
    listed = [cell.value for cell in book["codebook"]["A"]]
    assert listed[1:4] == list(TINY.names)
    assert book["codebook"]["B2"].value == "Somebody condemns."


def test_multiclass_sheet_has_a_list_of_labels(tmp_path: Path) -> None:
    path = tmp_path / "s.xlsx"
    write_sheet(path, TASKS, TINY_MULTICLASS)
    (rule,) = openpyxl.load_workbook(path)["coding"].data_validations.dataValidation
    assert rule.formula1 == "codebook!$A$2:$A$4"
    fill(path, {"doc:0": {"label": "policy_claim"}, "doc:1": {"label": "criticism"}})
    reading = read_coded(path, TINY_MULTICLASS)
    assert [row.labels for row in reading.rows] == [("policy_claim",), ("criticism",), None, None]
    assert {row.coder for row in reading.rows} == {"s"}, "without a name in the sheet, the file name is the coder"


def test_codebook_is_written_next_to_a_csv_sheet(tmp_path: Path) -> None:
    assert write_sheet(tmp_path / "s.csv", TASKS, TINY) == [tmp_path / "s.csv", tmp_path / "s.codebook.md"]
    assert "Somebody condemns." in (tmp_path / "s.codebook.md").read_text(encoding="utf-8")


def test_model_labels_are_shown_if_requested(tmp_path: Path) -> None:
    shown = [
        CodingTask("a", "t", "d", "en", labels=("criticism", "policy_claim")),
        CodingTask("b", "u", "d", "en", labels=()),
    ]
    write_sheet(tmp_path / "s.xlsx", shown, TINY)
    sheet = openpyxl.load_workbook(tmp_path / "s.xlsx")["coding"]
    column = [cell.value for cell in sheet[1]].index("model_labels") + 1
    assert [sheet.cell(row, column).value for row in (2, 3)] == ["criticism|policy_claim", "none"]


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"criticism": "maybe"}, "'maybe'"),
        ({"criticism": "no"}, "2 blank"),
    ],
)
def test_errors_in_a_sheet_name_the_row_and_the_value(tmp_path: Path, answers: dict[str, object], message: str) -> None:
    path = tmp_path / "s.xlsx"
    write_sheet(path, TASKS, TINY)
    fill(path, {"doc:1": answers})
    (problem,) = read_coded(path, TINY).problems
    assert problem.startswith(f"{path}, row 3: ")
    assert message in problem


def test_a_formula_without_a_saved_value_is_not_a_blank_cell(tmp_path: Path) -> None:
    path = tmp_path / "sheet.xlsx"
    write_sheet(path, TASKS, TINY)
    fill(path, {"doc:0": {"criticism": '=IF(TRUE,"yes","no")', "policy_claim": "yes", "cooperation_pledge": "no"}})
    reading = read_coded(path, TINY)
    assert not any(row.labels for row in reading.rows)
    assert len(reading.problems) == 1
    assert has_facts(reading.problems[0], "row 2", "'criticism'", "formula", "save it")


def test_two_columns_for_one_label_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    path.write_text("id,text,criticism,policy_claim,cooperation_pledge,Criticism\n1,a,no,no,no,yes\n", encoding="utf-8")
    with pytest.raises(DataError, match=facts("'criticism'", "'Criticism'", "Rename")):
        read_coded(path, TINY)


def test_yes_no_cells_of_a_sheet_are_read(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    cells = [*YES_CELLS, *NO_CELLS, "", None]
    write_rows(
        path, [{"id": str(i), "criticism": c, "policy_claim": 0, "cooperation_pledge": 1} for i, c in enumerate(cells)]
    )
    reading = read_coded(path, TINY)
    yes = [("criticism", "cooperation_pledge")] * len(YES_CELLS)
    assert [row.labels for row in reading.rows] == yes + [("cooperation_pledge",)] * (len(NO_CELLS) + 2)
    assert reading.notes == [f"{path}: 2 rows with blank cells next to a yes. Blank cells count as no"]


def test_compressed_tables_are_read(tmp_path: Path) -> None:
    path = tmp_path / "anna.csv.gz"
    path.write_bytes(gzip.compress(b"id,labels\n1,criticism\n"))
    (row,) = read_coded(path, TINY).rows
    assert (row.labels, row.coder) == (("criticism",), "anna")
    with pytest.raises(DataError, match=r"s\.json\.gz: the name of a coded file must end in \.json, \.csv"):
        read_coded(tmp_path / "s.json.gz", TINY)


def test_adjudicated_rows_of_version_0_1_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,labels,coder\n1,criticism,settlement\n")
    with pytest.raises(DataError, match=r"t\.csv, row 2: the coder is 'settlement', .* communique 0\.1 used\. Replace"):
        read_coded(path, TINY)


def test_tables_with_a_labels_column_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,text,labels,coder\n1,a,criticism|policy_claim,x\n2,b,none,x\n3,c,,x\n")
    assert [row.labels for row in read_coded(path, TINY).rows] == [("criticism", "policy_claim"), (), None]


def test_table_without_labels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,text\n1,a\n")
    with pytest.raises(DataError, match=facts("no labels")):
        read_coded(path, TINY)
    path.write_text("id,text,criticism\n1,a,yes\n")
    with pytest.raises(DataError, match=facts("column", "'policy_claim'")):
        read_coded(path, TINY)


def test_label_with_the_name_of_a_column_is_refused(tmp_path: Path) -> None:
    names = [{"name": n, "definition": n} for n in ("text", "other")]
    with pytest.raises(DataError, match=facts("'text'")):
        write_sheet(tmp_path / "s.csv", TASKS, Codebook.model_validate({**CODEBOOK, "labels": names}))


@pytest.mark.parametrize("text", ["x" * 40_000, "😀" * 16_384])
def test_text_too_long_for_a_cell_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=facts("row 2", "'text'", "32767", "XLSX")):
        write_sheet(tmp_path / "s.xlsx", [CodingTask("a", text, "d", "en")], TINY)
    assert not (tmp_path / "s.xlsx").exists()


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_no_cell_of_a_sheet_is_a_formula_and_texts_are_read_back_unchanged(suffix: str, tmp_path: Path) -> None:
    texts = [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-a",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "'=1",
        "''=1",
        "＝1",
        "-5",
        "'quoted'",
        "a=b",
    ]
    tasks = [CodingTask(f"={i}", text, f"@d{i}", "en", f"+{i}a") for i, text in enumerate(texts)]
    path = tmp_path / f"sheet{suffix}"
    write_sheet(path, tasks, TINY, coder="=anna")
    table = read_table(path)
    for _, row in table.rows:
        for value in row.values():
            assert value is None or str(value).lstrip("-").isdigit() or not re.match(r"[=+\-@\t\r\n＝]", str(value)), (
                value
            )
    for _, row in table.rows:
        row |= dict.fromkeys(TINY.names, "no")
    rows = read_sheet(table, TINY).rows
    assert [row.text for row in rows] == texts
    assert [row.id for row in rows] == [task.id for task in tasks]
    assert {row.coder for row in rows} == {"=anna"}
    assert [row.document for row in rows] == [task.document for task in tasks]


def test_characters_that_a_workbook_cannot_store_are_removed(tmp_path: Path) -> None:
    evil = "a\x07\x0b\ufffe\uffff\ud800b"
    path = tmp_path / "sheet.xlsx"
    write_sheet(path, [CodingTask(evil, evil, evil, evil, evil)], TINY, coder=evil)
    assert read_table(path).rows[0][1]["text"] == "a b"


@pytest.mark.parametrize("selector", ["\ufe00", "\ufe0f", "\U000e0100", "\U000e01ef", "\u180b", "\u200d"])
def test_names_that_differ_only_in_a_character_without_a_shape_are_probably_one_coder(selector: str) -> None:
    # Without the selector, the letter and its accent can be one character.
    for name, same in (("anna", f"anna{selector}"), ("\xe9va", f"e{selector}\u0301va")):
        [warning] = similar_coders([name, same, "ben"])
        assert has_facts(warning, repr(name), repr(same), "different coders")
