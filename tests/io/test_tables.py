"""Test that all table formats and encodings give the same rows, and that unreadable rows are reported with file and row."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from communique.errors import DataError
from communique.io import arrow_files
from communique.io.encoding import read_text
from communique.io.read import read_table
from communique.io.write import write_csv, write_jsonl, write_parquet

ROWS = [
    {"id": "a1", "text": "Die Brücke gehört allen; wir „helfen“."},
    {"id": "a2", "text": "Мы осуждаем удар, и требуем мира."},
    {"id": "a3", "text": "我们愿意合作。"},
    {"id": "a4", "text": "نحن مستعدون للحوار"},
]
NUMBERED = list(enumerate(ROWS, 2))


def written(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def delimited(delimiter: str, line_end: str = "\n") -> str:
    lines = [delimiter.join(("id", "text"))] + [f'{row["id"]}{delimiter}"{row["text"]}"' for row in ROWS]
    return "".join(line + line_end for line in lines)


def workbook(path: Path, cells: Sequence[Sequence[object]], *, start: int = 1, sheets: int = 1) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    for number, row in enumerate(cells, start):
        for column, value in enumerate(row, 1):
            sheet.cell(number, column, value)
    for i in range(1, sheets):
        book.create_sheet(f"more {i}").append(["text"])
    book.save(path)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_table(path)
    (problem,) = caught.value.problems
    assert str(caught.value) == problem
    assert "\n" not in problem
    assert problem.startswith(str(path))
    return problem.removeprefix(str(path))


def test_csv_may_have_commas_semicolons_or_tabs(tmp_path: Path) -> None:
    for name, delimiter in (("c.csv", ","), ("s.csv", ";"), ("t.csv", "\t"), ("t.tsv", "\t"), ("UPPER.CSV", ",")):
        table = read_table(written(tmp_path, name, delimited(delimiter)))
        assert (table.columns, table.rows, table.problems, table.notes) == (["id", "text"], NUMBERED, [], [])


def test_commas_and_semicolons_in_the_header_of_a_tsv_file_are_kept(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "t.tsv", "a,b,c;d;e\ttext\n1\tx\n"))
    assert table.columns == ["a,b,c;d;e", "text"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_csv_is_read_with_every_line_end_and_unicode_encoding(tmp_path: Path, line_end: str, encoding: str) -> None:
    table = read_table(written(tmp_path, "t.csv", delimited(",", line_end).encode(encoding)))
    assert (table.columns, table.rows, table.problems, table.notes) == (["id", "text"], NUMBERED, [], [])


@pytest.mark.parametrize("bom_and_encoding", [("\ufeff", "utf-16-le"), ("\ufeff", "utf-16-be")])
def test_utf_16_is_read_in_both_byte_orders(tmp_path: Path, bom_and_encoding: tuple[str, str]) -> None:
    bom, encoding = bom_and_encoding
    path = written(tmp_path, "t.tsv", (bom + delimited("\t")).encode(encoding))
    assert read_table(path).rows == NUMBERED


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_jsonl_is_read_with_every_line_end_and_unicode_encoding(tmp_path: Path, line_end: str, encoding: str) -> None:
    content = "".join(json.dumps(row, ensure_ascii=False) + line_end for row in ROWS)
    table = read_table(written(tmp_path, "t.jsonl", content.encode(encoding)))
    assert (table.columns, table.rows, table.problems) == (["id", "text"], list(enumerate(ROWS, 1)), [])


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1251", "Мы осуждаем нападение на мост и требуем прекращения огня."),
        ("cp1251", "Ми засуджуємо напад на міст і вимагаємо припинення вогню."),
        ("cp1252", "Nous déplorons la fermeture du détroit, où dérivent des pêcheurs."),
        ("cp1252", "Die Gegenseite muss die Blockade der Häfen unverzüglich beenden."),
        ("cp1252", "Não aceitaremos sanções sem a decisão da assembleia, são ilegais."),
        ("cp1252", "Regeringen står på fiskarnas sida och kommer att öka stödet nästa år."),
        ("cp1250", "Rząd potępia tę decyzję i żąda natychmiastowego otwarcia śluzy w Łodzi."),
        ("cp1250", "A kormány elítéli a döntést és követeli az őszinte tűzszünetet."),
        ("gb18030", "我们强烈谴责这一袭击，并要求立即停火。"),
        ("cp1256", "ندين هذا الهجوم ونطالب بوقف فوري لإطلاق النار."),
    ],
)
def test_legacy_encodings_are_read_with_a_note(tmp_path: Path, encoding: str, text: str) -> None:
    path = written(tmp_path, "t.csv", f"text;labels\n{text};claim\n".encode(encoding))
    table = read_table(path)
    assert table.rows == [(2, {"text": text, "labels": "claim"})]
    (note,) = table.notes
    assert f"read as {encoding}, which is a guess" in note
    assert "--encoding" in note


def test_bytes_that_are_not_text_are_rejected(tmp_path: Path) -> None:
    assert "neither UTF-8 nor any other text encoding" in refusal(written(tmp_path, "t.csv", bytes(range(256)) * 4))
    with pytest.raises(DataError, match=r"absent\.txt: No such file"):
        read_text(tmp_path / "absent.txt")


def test_line_ends_of_text_are_not_changed(tmp_path: Path) -> None:
    assert read_text(written(tmp_path, "t.txt", "\ufeffa\r\nb\rc\n\u2028d")) == ("a\r\nb\rc\n\u2028d", [])


def test_spaces_around_column_names_are_removed(tmp_path: Path) -> None:
    pq.write_table(pa.table({" id ": ["a"], "text\t": ["b"]}), tmp_path / "t.parquet")
    for path in (
        written(tmp_path, "t.csv", " id , text \na,b\n"),
        written(tmp_path, "t.jsonl", '{" id ": "a", "text\\t": "b"}\n'),
        tmp_path / "t.parquet",
        workbook(tmp_path / "t.xlsx", [["id ", " text"], ["a", "b"]]),
    ):
        table = read_table(path)
        assert table.columns == ["id", "text"]
        assert [row for _, row in table.rows] == [{"id": "a", "text": "b"}]


def test_quoted_line_breaks_delimiters_and_quotation_marks_are_part_of_their_cell(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "t.csv", 'id,text\n1,"Wir\r\nhelfen, ""sofort""\n\nund immer"\n2,x\n'))
    assert table.rows == [
        (2, {"id": "1", "text": 'Wir\r\nhelfen, "sofort"\n\nund immer'}),
        (3, {"id": "2", "text": "x"}),
    ]
    assert table.problems == []


def test_a_cell_longer_than_the_csv_modules_limit_is_read(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    text = "Wort " * 40_000
    assert read_table(written(tmp_path, "t.csv", f"id,text\n1,{text}\n")).rows[0][1]["text"] == text
    assert csv.field_size_limit() == limit


def test_line_separators_inside_json_strings_do_not_end_a_row(tmp_path: Path) -> None:
    text = "one\u2028two\u2029three\x85four\x0bfive\x0csix"
    content = '{"text": "' + text.replace("\x0b", "\\u000b").replace("\x0c", "\\f") + '"}\n{"text": "b"}\n'
    table = read_table(written(tmp_path, "t.jsonl", content))
    assert table.rows == [(1, {"text": text}), (2, {"text": "b"})]


def test_nul_is_read_like_any_other_character(tmp_path: Path) -> None:
    assert read_table(written(tmp_path, "t.csv", "id,text\n1,a\0b\n2,c\n")).rows == [
        (2, {"id": "1", "text": "a\0b"}),
        (3, {"id": "2", "text": "c"}),
    ]
    assert read_table(written(tmp_path, "t.jsonl", '{"text": "a\\u0000b"}')).rows == [(1, {"text": "a\0b"})]


def test_an_unescaped_nul_in_a_json_string_makes_its_row_a_problem(tmp_path: Path) -> None:
    path = written(tmp_path, "t.jsonl", '{"text": "a\0b"}\n{"text": "c"}\n')
    table = read_table(path)
    assert table.rows == [(2, {"text": "c"})]
    assert len(table.problems) == 1
    assert table.problems[0].startswith(f"{path}, row 1: not valid JSON (Invalid control character")


def test_parquet_keeps_types_and_counts_rows_from_1(tmp_path: Path) -> None:
    columns = {"text": ["a", None], "labels": [["x", "y"], []], "flag": [True, False], "share": [0.5, 1.0], "n": [1, 2]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert table.columns == ["text", "labels", "flag", "share", "n"]
    assert table.rows == [
        (1, {"text": "a", "labels": ["x", "y"], "flag": True, "share": 0.5, "n": 1}),
        (2, {"text": None, "labels": [], "flag": False, "share": 1.0, "n": 2}),
    ]


def test_a_row_group_with_huge_cells_is_rejected_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrow_files, "_ALWAYS_READ", 1000)
    monkeypatch.setattr(arrow_files, "_MAX_MEAN", 100)
    path = tmp_path / "x.parquet"
    table = pa.table({"text": [f"{i} {'a' * 99}" for i in range(10)] + ["b"] * 90})
    pq.write_table(table, path, row_group_size=10, compression="zstd", use_dictionary=False)
    found = read_table(path)
    assert [row["text"] for _, row in found.rows] == ["b"] * 90
    assert len(found.problems) == 10
    assert "in 10 cells of the column 'text'" in found.problems[0]


def test_the_first_sheet_of_a_workbook_is_read_and_named_in_a_note(tmp_path: Path) -> None:
    cells = [["id", "text"], *([row["id"], row["text"]] for row in ROWS)]
    assert read_table(workbook(tmp_path / "one.xlsx", cells)).notes == []
    path = workbook(tmp_path / "two.xlsx", cells, sheets=2)
    table = read_table(path)
    assert (table.columns, table.rows) == (["id", "text"], NUMBERED)
    (note,) = table.notes
    assert note.startswith(
        f"{path}: reading sheet 'Sheet' of 'Sheet', 'more 1'. To read another sheet, move it to the front"
    )


def test_whole_numbers_in_a_workbook_become_integers(tmp_path: Path) -> None:
    table = read_table(workbook(tmp_path / "t.xlsx", [["id", "share", "flag"], [2019, 0.5, True]]))
    assert table.rows == [(2, {"id": 2019, "share": 0.5, "flag": True})]
    assert str(table.rows[0][1]["id"]) == "2019"


def test_workbook_rows_are_numbered_as_in_the_spreadsheet(tmp_path: Path) -> None:
    cells: list[list[object]] = [["id", "text"], ["a", "b"], [None, None], ["c", "d"]]
    table = read_table(workbook(tmp_path / "t.xlsx", cells, start=3))
    assert table.rows == [(4, {"id": "a", "text": "b"}), (6, {"id": "c", "text": "d"})]


def test_blank_lines_are_not_rows_but_are_counted(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "t.csv", "id,text\n\n1,a\n\n\n2,b\n\n"))
    assert (table.rows, table.problems) == ([(3, {"id": "1", "text": "a"}), (6, {"id": "2", "text": "b"})], [])
    table = read_table(written(tmp_path, "t.jsonl", '\n{"text": "a"}\n \n{"text": "b"}\n'))
    assert (table.rows, table.problems) == ([(2, {"text": "a"}), (4, {"text": "b"})], [])


def test_rows_with_a_wrong_number_of_cells_are_reported_and_the_others_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", 'id,text,labels\n1,a,x\n2,b\n"3","c\nd",x\n4,e,f,x\n')
    table = read_table(path)
    assert [number for number, _ in table.rows] == [2, 4]
    remedy = "but the header has 3. Quote cells that contain ',', or add the missing cells"
    assert table.problems == [
        f"{path}, row 3: the row has 2 cells, {remedy}",
        f"{path}, row 5: the row has 4 cells, {remedy}",
    ]


def test_an_unclosed_quotation_mark_is_reported(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", 'id,text\n1,a\n2,"b\n3,c\n')
    table = read_table(path)
    assert table.rows == [(2, {"id": "1", "text": "a"}), (4, {"id": "3", "text": "c"})]
    remedy = "Close the quotation mark, or double it inside a quoted cell"
    assert table.problems == [f"{path}, row 3 (line 3): unexpected end of data. {remedy}"]


def test_a_quotation_mark_inside_a_quoted_cell_is_reported_and_reading_continues(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", 'id,text\n1,"a" b\n2,c\n')
    table = read_table(path)
    assert table.rows == [(3, {"id": "2", "text": "c"})]
    assert len(table.problems) == 1
    assert table.problems[0].startswith(f"{path}, row 2 (line 2): ")
    assert table.problems[0].endswith(". Close the quotation mark, or double it inside a quoted cell")


@pytest.mark.parametrize("content", ['"text,labels\na,b\n', '"id"x,text\n1,a\n'])
def test_a_broken_header_is_an_error_and_no_row_replaces_it(tmp_path: Path, content: str) -> None:
    problem = refusal(written(tmp_path, "t.csv", content))
    assert problem.startswith(", row 1 (line ")
    assert problem.endswith(". Close the quotation mark, or double it inside a quoted cell")


def test_lines_that_are_not_json_objects_are_reported(tmp_path: Path) -> None:
    path = written(tmp_path, "t.jsonl", '{"text": "a"}\n["b"]\n"c"\n{"text": "d"\n{"text": "e"}\n' + "[" * 100_000)
    table = read_table(path)
    assert [number for number, _ in table.rows] == [1, 5]
    assert table.problems[:2] == [
        f"{path}, row 2: a JSON list instead of an object. Write one JSON object per line",
        f"{path}, row 3: a JSON str instead of an object. Write one JSON object per line",
    ]
    assert table.problems[2].startswith(f"{path}, row 4: not valid JSON (Expecting ',' delimiter")
    assert table.problems[3].startswith(f"{path}, row 6: not valid JSON (")
    assert len(table.problems) == 4


def test_two_columns_with_the_same_name_are_rejected(tmp_path: Path) -> None:
    pq.write_table(
        pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]), tmp_path / "1.parquet"
    )
    pq.write_table(pa.table({"text": ["a"], "text ": ["b"]}), tmp_path / "2.parquet")
    for path in (
        written(tmp_path, "t.csv", "text,id, text\na,b,c\n"),
        written(tmp_path, "t.tsv", "text\ttext\na\tb\n"),
        tmp_path / "1.parquet",
        tmp_path / "2.parquet",
        workbook(tmp_path / "t.xlsx", [["text", "text"], ["a", "b"]]),
    ):
        assert refusal(path) == ", row 1: two columns are named 'text'. Rename one of them"


def test_a_key_that_occurs_twice_makes_its_row_a_problem(tmp_path: Path) -> None:
    path = written(tmp_path, "t.jsonl", '{"text": "a", "text": "b"}\n{"text": "a", "text ": "b"}\n{"text": "c"}\n')
    table = read_table(path)
    assert table.rows == [(3, {"text": "c"})]
    assert table.problems == [
        f"{path}, row 1: not valid JSON (the key 'text' occurs twice). Write one JSON object per line",
        f"{path}, row 2: two keys differ only in spaces. Rename one of them",
    ]


def test_the_name_given_to_an_unnamed_column_is_unique(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "t.csv", "text,,column_2\na,b,c\n"))
    assert table.rows == [(2, {"text": "a", "column_3": "b", "column_2": "c"})]


def test_unnamed_columns_get_names(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "t.csv", ",text,\n0,a,b\n"))
    assert table.rows == [(2, {"column_1": "0", "text": "a", "column_3": "b"})]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("t.csv", "", ": the file is empty. Write the column names into the first row"),
        ("t.csv", " ,\n1,2\n", ": no header. Write the column names into the first row"),
        ("t.txt", "text\na\n", ": not a supported table format (.csv, "),
        ("t.parquet", "garbage", ": not a readable Parquet file ("),
        ("t.xlsx", "garbage", ": not a readable XLSX file ("),
    ],
)
def test_a_file_that_cannot_be_read_at_all_is_an_error(tmp_path: Path, name: str, content: str, problem: str) -> None:
    assert refusal(written(tmp_path, name, content)).startswith(problem)


def test_a_missing_file_and_an_empty_workbook_are_errors(tmp_path: Path) -> None:
    assert refusal(tmp_path / "absent.csv") == ": no such file"
    assert (
        refusal(workbook(tmp_path / "t.xlsx", []))
        == ": sheet 'Sheet' is empty. Write the column names into the first row"
    )


@pytest.mark.parametrize("write", ["jsonl", "csv"])
def test_the_old_output_is_kept_if_writing_fails(tmp_path: Path, write: str) -> None:
    path = written(tmp_path, "out", "old")

    def rows() -> object:
        yield {"text": "a"}
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_jsonl(path, rows()) if write == "jsonl" else write_csv(path, ["text"], rows())  # type: ignore[arg-type]
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


def test_jsonl_is_written_unescaped_and_read_back(tmp_path: Path) -> None:
    rows = [{"text": '水\u2028и "вода"\r\n', "labels": ["a", "b"], "n": 1, "p": {"a": 0.5}, "none": None}]
    write_jsonl(tmp_path / "t.jsonl", rows)
    assert "水" in (tmp_path / "t.jsonl").read_text(encoding="utf-8")
    assert read_table(tmp_path / "t.jsonl").rows == [(1, rows[0])]


def test_csv_is_written_for_spreadsheets_and_read_back(tmp_path: Path) -> None:
    texts = ['水; и, "вода"', "two\nlines", "old\rMac", "Windows\r\nlines", "a\tb", " spaced "]
    write_csv(tmp_path / "t.csv", ["id", "text", "labels"], [{"text": t, "labels": ["a", "b"]} for t in texts])
    assert (tmp_path / "t.csv").read_bytes().startswith("\ufeffid,text,labels".encode())
    table = read_table(tmp_path / "t.csv")
    assert table.problems == []
    assert table.rows == [(n, {"id": "", "text": text, "labels": "a|b"}) for n, text in enumerate(texts, 2)]


def test_parquet_is_written_and_read_back(tmp_path: Path) -> None:
    rows = [{"text": "вода", "labels": ["a"], "mixed": 1}, {"text": "水", "labels": [], "mixed": "x", "late": 2.5}]
    write_parquet(tmp_path / "t.parquet", rows)
    assert [row for _, row in read_table(tmp_path / "t.parquet").rows] == [
        {"text": "вода", "labels": ["a"], "mixed": "1", "late": None},
        {"text": "水", "labels": [], "mixed": "x", "late": 2.5},
    ]
    assert os.listdir(tmp_path) == ["t.parquet"]
