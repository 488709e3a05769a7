"""Reading of inputs: columns from file names, documents, sheets, ids in several files, and cells without a value."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import RuleModel, cue_scores, model_info
from helpers import TINY, has_facts
from openpyxl import Workbook
from reading import output, written

from communique.data.predictions_schema import PAGE_LINE
from communique.errors import DataError, MissingExtraError
from communique.io import paths, suffixes
from communique.io.paths import find_files
from communique.labelling.filenames import FilenamePattern
from communique.labelling.label import LabelledShard, label_shard
from communique.labelling.options import Options
from communique.labelling.reader import ShardReader
from communique.labelling.run import StreamSink
from communique.labelling.summary import Summary


@pytest.mark.parametrize(
    ("pattern", "path", "values"),
    [
        ("{country}_{session}_{year}", "a/USA_77_2022.txt", {"country": "USA", "session": "77", "year": "2022"}),
        ("{party}/{year}", "x/green party/2020.csv.gz", {"party": "green party", "year": "2020"}),
        ("speech-{n}", "speech-1.5.txt", {"n": "1.5"}),
        ("{country}_{year}", "USA.txt", None),
    ],
)
def test_a_pattern_reads_columns_from_a_file_name(pattern: str, path: str, values: dict[str, str] | None) -> None:
    assert FilenamePattern(pattern).values(path) == values


def test_file_names_that_match_a_pattern_in_several_ways_are_reported(tmp_path: Path) -> None:
    first = written(tmp_path, "South_Sudan_2022.txt", "We help.")
    second = written(tmp_path, "USA_2022.txt", "We help.")
    rows, notes = output(first, second, filename_columns="{country}_{year}")
    assert [(row["country"], row["year"]) for row in rows] == [("South", "Sudan_2022"), ("USA", "2022")]
    (note,) = [note for note in notes if "several ways" in note]
    assert "South_Sudan_2022" in note


def test_a_file_that_is_named_twice_is_reported(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", "We help.")
    (tmp_path / "link.txt").symlink_to(path)
    assert any("read more than once" in note for note in find_files([path, tmp_path / "link.txt"]).notes)
    assert not find_files([path]).notes


@pytest.mark.parametrize("pattern", ["no", "{a}{b}", "{a}_{a}", "{}", "{text}"])
def test_an_invalid_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(DataError, match="--columns-from-filename"):
        FilenamePattern(pattern)


def test_documents_and_tables_get_the_columns_in_their_file_names(tmp_path: Path) -> None:
    first = written(tmp_path, "USA_2022.txt", "We help. We act.")
    table = written(tmp_path, "FRA_2021.csv", "text\nOui.\n")
    pq.write_table(pa.table({"text": ["Ja."]}), tmp_path / "DEU_2020.parquet")
    other = written(tmp_path, "notes.txt", "None.")
    rows, notes = output(first, table, tmp_path / "DEU_2020.parquet", other, filename_columns="{country}_{year}")
    assert [(row["text"], row["country"], row["year"]) for row in rows] == [
        ("We help.", "USA", "2022"),
        ("We act.", "USA", "2022"),
        ("Oui.", "FRA", "2021"),
        ("Ja.", "DEU", "2020"),
        ("None.", None, None),
    ]
    assert any("notes.txt" in line for line in notes)
    with pytest.raises(DataError, match="'country'"):
        output(written(tmp_path, "x_1.csv", "text,country\na,b\n"), filename_columns="{country}_{year}")


def test_language_and_document_in_a_file_name_are_used(tmp_path: Path) -> None:
    path = written(tmp_path, "DE_d7.txt", "Wir helfen.")
    ((row,), _) = output(path, filename_columns="{language}_{document}", language=None)
    assert (row["language"], row["document"]) == ("de", "d7")


@pytest.mark.parametrize("name", ["speech_id", "Doc_ID", "document", "filename"])
def test_document_columns_are_recognised_by_their_names(name: str, tmp_path: Path) -> None:
    rows, _ = output(written(tmp_path, "a.csv", f"{name},text\ns1,We help.\ns1,We act.\n,Nobody.\n"))
    assert [row["document"] for row in rows] == ["s1", "s1", "a:4"]


def test_a_column_that_looks_like_a_document_column_is_reported_and_can_be_chosen(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "rede_nr,party,text\n7,A,a b\n7,A,c d\n8,A,e f\n8,B,g h\n")
    rows, notes = output(path)
    assert len({row["document"] for row in rows}) == 4
    assert any("--document-column rede_nr" in line for line in notes)
    rows, notes = output(path, document_column="rede_nr")
    assert [row["document"] for row in rows] == ["7", "7", "8", "8"]
    assert notes == []
    # The sentences of a split row are one document, but its neighbours can belong to the same speech.
    assert any("--document-column rede_nr" in line for line in output(path, split=True)[1])
    _, (note,) = output(written(tmp_path, "b.csv", "Rede Nr,text\n7,a b\n7,c d\n8,e f\n8,g h\n"))
    assert "--document-column 'Rede Nr'" in note
    with pytest.raises(DataError, match="no column 'x'"):
        output(path, document_column="x")


def test_rows_without_a_document_are_counted(tmp_path: Path) -> None:
    _, notes = output(written(tmp_path, "a.csv", "document,text\nd,We help.\n,We act.\nNA,We go.\n"))
    assert any(line.startswith("2 rows have no document") for line in notes)


def test_equal_ids_in_two_files_get_a_prefix(tmp_path: Path) -> None:
    first = written(tmp_path, "y1.csv", "id,text\n1,We help.\n")
    second = written(tmp_path, "y2.csv", "id,text\n1,We act.\n2,We go.\n")
    rows, notes = output(first, second)
    assert [row["id"] for row in rows] == ["y1:1", "y2:1", "y2:2"]
    assert [row["document"] for row in rows] == ["y1:1", "y2:1", "y2:2"]
    assert any("y1.csv" in line and "y2.csv" in line for line in notes)
    rows, notes = output(second)
    assert [row["id"] for row in rows] == ["1", "2"]


@pytest.mark.parametrize(
    "cell",
    [
        "NA",
        "nan",
        "NaN",
        "NULL",
        "None",
        "#N/A",
        "N/A",
        "-",
        "<NA>",
        "#REF!",
        " NA ",
        "n.a.",
        "k. A.",
        "#NV",
        "s/d",
        "н/д",
        "#¡VALOR!",
    ],
)
def test_codes_for_missing_values_are_read_as_empty_and_counted(cell: str, tmp_path: Path) -> None:
    rows, notes = output(written(tmp_path, "a.csv", f'id,text\n1,"{cell}"\n2,We help.\n'))
    assert [row["text"] for row in rows] == ["", "We help."]
    assert any(line.startswith("1 text contains only") for line in notes)


@pytest.mark.parametrize("cell", ["na", "Null", "none of it", "NA.", "No", "nein", "0"])
def test_words_are_not_read_as_missing_values(cell: str, tmp_path: Path) -> None:
    ((row,), notes) = output(written(tmp_path, "a.csv", f"id,text\n1,{cell}\n"))
    assert (row["text"], notes) == (cell, [])


def test_language_codes_are_normalised_and_unknown_codes_make_a_row_unreadable(tmp_path: Path) -> None:
    path = written(
        tmp_path, "a.csv", "id,language,text\n1,DE,Wir helfen.\n2,German,Wir gehen.\n3,NA,We help you all.\n"
    )
    rows, _ = output(path, language=None)
    assert [row["language"] for row in rows] == ["de", "German", "en"]
    assert [bool(row["error"]) for row in rows] == [False, True, False]
    assert "row 3" in rows[1]["error"]
    assert "'de'" in rows[1]["error"]


def misread(text: str, encoding: str) -> str:
    """Return UTF-8 text decoded with a wrong encoding. Bytes that it lacks become control characters, as in browsers."""
    return "".join(bytes([byte]).decode(encoding, "ignore") or chr(byte) for byte in text.encode())


#: Sentences in which only few letters are not ASCII, or all of them, decoded with an encoding of western or central Europe.
MOJIBAKE = {
    "pl": misread("Potępiamy ten atak.", "cp1252"),
    "pl, cp1250": misread("Złożymy skargę.", "cp1250"),
    "cs": misread("Požadujeme změnu.", "cp1252"),
    "tr": misread("Saldırıyı kınıyoruz.", "cp1252"),
    "hu, cp1250": misread("Külföldi támadás.", "cp1250"),
    "el": misread("Θα βοηθήσουμε.", "cp1252"),
    "zh": misread("我们谴责。", "cp1252"),
    "ko": misread("우리는 반대한다.", "cp1252"),
    "hi": misread("हम निंदा करते हैं", "cp1252"),
}


@pytest.mark.parametrize(
    ("cell", "word"),
    [
        ("We &amp; you", "entities"),
        ("we&#8217;ll go", "entities"),
        ("<p>We</p>", "tags"),
        ("CafÃ© opens", "wrong encoding"),
        ("weâ€™ll go", "wrong encoding"),
        ("ÐœÑ‹ Ð¿Ñ€Ð¾Ñ‚Ð¸Ð²", "wrong encoding"),
        *((MOJIBAKE[language], "wrong encoding") for language in MOJIBAKE),
        ("AT&T; NATO & EU", None),
        ("NÃO é verdade: «à»", None),
        ("Spaß“ und Größe", None),
        ("ÐÞ Ísland", None),
        ("ÄÖÜ „Ä“ ‚Å‘ FÖRSTÅ… LIBERTÉ\u00a0: l'été…» «à» São", None),
        ("Țara și Ăsta, LĂUDĂ Ĺ", None),
    ],
)
def test_texts_with_html_or_a_wrong_encoding_are_counted(cell: str, word: str | None, tmp_path: Path) -> None:
    ((row,), notes) = output(written(tmp_path, "a.tsv", f"text\n{cell}\n"))
    assert row["text"] == cell
    assert [word in line for line in notes if word] == ([True] if word else [])
    assert word or not notes


def test_a_named_format_overrides_the_suffix(tmp_path: Path) -> None:
    rows, _ = output(written(tmp_path, "a.txt", "id\ttext\n7\tWe help.\n"), file_format="tsv")
    assert [(row["id"], row["text"]) for row in rows] == [("7", "We help.")]


def test_files_in_a_folder_that_are_not_read_are_counted_by_suffix_and_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.txt", "b.docx", "c.docx", "d.csv", "e.png", "f.doc", "g", "run.json"):
        written(tmp_path, name, "We help.")
    monkeypatch.setattr(paths, "find_spec", lambda module: None)
    found = find_files([tmp_path])
    assert [file.path.name for file in found.files] == ["a.txt"]
    (line,) = (line for line in found.notes if line.startswith("not read: "))
    for part in (
        "2 .docx (install communique[documents])",
        "1 .csv (name these files to read them)",
        "1 .png (unknown format)",
        "1 .doc (save it as .docx)",
        "1 without suffix (unknown format)",
        "1 .json (name these files to read them)",
    ):
        assert part in line
    assert "1 .png" in find_files([f"{tmp_path}/*"]).notes[-1]


def test_a_named_document_is_refused_if_its_library_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(suffixes.MODULES, ".pdf", "no_such_module")
    with pytest.raises(MissingExtraError, match=r"\.\[documents\]"):
        find_files([written(tmp_path, "a.pdf", b"%PDF")])


def sheets(path: Path, **content: list[list[Any]]) -> Path:
    book = Workbook()
    book.remove(book.worksheets[0])
    for name, rows in content.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    if "hidden" in content:
        book["hidden"].sheet_state = "hidden"
    book.save(path)
    return path


def test_the_sheet_that_is_read_is_reported_and_can_be_chosen(tmp_path: Path) -> None:
    content = {name: [["text"], [f"We are {name}."]] for name in ("hidden", "first", "second")}
    path = sheets(tmp_path / "a.xlsx", **content)
    for given, read in ((None, "first"), ("second", "second"), ("1", "hidden"), ("hidden", "hidden")):
        ((row,), notes) = output(path, sheet=given)
        assert row["text"] == f"We are {read}."
        assert f"reading sheet {read!r} of " in notes[0]
        assert "'hidden' (hidden)" in notes[0]
    with pytest.raises(DataError, match="'second'"):
        output(path, sheet="third")


def test_the_sheet_is_also_reported_if_it_contains_no_text_column(tmp_path: Path) -> None:
    path = sheets(tmp_path / "a.xlsx", notes=[["Please read"]], data=[["text"], ["We help."]])
    with pytest.raises(DataError, match=r"(?s)no column 'text'.*reading sheet 'notes' of 'notes', 'data'.*--sheet"):
        output(path)


@pytest.mark.parametrize("options", [{}, {"text_column": "text"}])
def test_column_names_below_a_title_are_reported(tmp_path: Path, options: dict[str, str]) -> None:
    rows: list[list[Any]] = [["Speeches 2024", None], [None, None], ["id", "text"], ["1", "We help."]]
    for path in (
        sheets(tmp_path / "a.xlsx", one=rows),
        written(tmp_path, "a.csv", "Speeches,\n,\nid,text\n1,We help.\n"),
    ):
        with pytest.raises(DataError, match=rf"{path.name}: the column names are in row 3.*Delete the rows above them"):
            output(path, **options)
        with pytest.raises(DataError, match=r"no column 'body'"):
            output(path, text_column="body")
    with pytest.raises(DataError, match=r"no column 'speech'"):
        output(written(tmp_path, "b.csv", "id,genre,body\n1,speech,We help.\n"), text_column="speech")


def test_workbook_cells_keep_their_types_and_rows_and_faulty_cells_are_counted(tmp_path: Path) -> None:
    path = sheets(
        tmp_path / "a.xlsx",
        one=[
            ["text", "n", "share", "who"],
            ["We help.", 1, 0.5, "A"],
            ["=A2", None, "=1/3", None],
            ["We act.", 3, 0.25, ""],
            [None, None, None, None],
            ["We go.", None, None, "B"],
        ],
    )
    rows, notes = output(path)
    assert [row["text"] for row in rows] == ["We help.", "", "We act.", "We go."]
    assert [row["n"] for row in rows] == [1, None, 3, None]
    assert [row["share"] for row in rows] == [0.5, None, 0.25, None]
    assert [row["who"] or "" for row in rows] == ["A", "", "", "B"]
    assert "row 3" in rows[1]["error"]
    assert any(line.startswith(f"{path}: 2 cells") for line in notes)


def test_a_cell_far_from_the_table_is_refused_at_once(tmp_path: Path) -> None:
    book = Workbook()
    book.worksheets[0]["A1"], book.worksheets[0]["A2"], book.worksheets[0]["XFD1048576"] = "text", "We help.", "x"
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match="3 filled cells"):
        output(tmp_path / "a.xlsx")


def test_parquet_cells_that_python_cannot_represent_become_text_or_an_error(tmp_path: Path) -> None:
    bad = pa.Array.from_buffers(pa.string(), 2, pa.array([b"\xff\xfe abc", b"fine"]).buffers())
    table = pa.table(
        {
            "text": bad,
            "other": bad,
            "time": pa.array([10**17, 0], pa.timestamp("ms")),
            "raw": pa.array([b"x", None], pa.binary_view()),
            "list": pa.array([[10**17], None], pa.list_(pa.timestamp("ms"))),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    rows, notes = output(tmp_path / "a.parquet")
    assert [row["text"] for row in rows] == ["", "fine"]
    assert "not UTF-8" in rows[0]["error"]
    assert any(has_facts(line, "1 cell outside", "row 1", "'other'", "not UTF-8") for line in notes)
    assert [row["other"] for row in rows] == [None, "fine"]
    assert str(10**17) in rows[0]["time"]
    assert rows[0]["raw"] == b"x"


TEI = """<TEI xmlns="http://www.tei-c.org/ns/1.0" xml:id="sitting"><text><body><u who="#A"><seg>We act. We help.</seg>
<seg>They agree. Nobody waits.</seg></u></body></text></TEI>"""


@pytest.mark.parametrize("suffix", [".xml", ".csv"])
def test_positions_increase_over_the_segments_of_a_document_for_any_shard_size(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = "speech_id,text\ns,We act. We help.\nt,No. Never.\ns,They agree. Nobody waits.\n"
    path = written(tmp_path, f"a{suffix}", TEI if suffix == ".xml" else table)
    for shard_rows in (1, 100):
        reader = ShardReader(find_files([path]), Options(language="en", split=True, shard_rows=shard_rows))
        shown: list[LabelledShard] = []
        sink = StreamSink(shown.append, TINY.names)
        for shard in reader.shards():
            sink.write(label_shard(shard, RuleModel(model_info(), TINY, cue_scores), blank=True))
        rows = [row for shard in shown for row in shard.to_rows() if row["document"] in ("sitting", "s")]
        assert [(row["index"], row["text"]) for row in rows] == list(
            enumerate(["We act.", "We help.", "They agree.", "Nobody waits."])
        )


@pytest.mark.parametrize("window", [100, 1_000_000])
def test_page_headers_are_written_with_their_reason_and_are_not_labelled(
    window: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Documents that are longer than a window are split while they are read."""
    monkeypatch.setattr("communique.labelling.reader.WINDOW", window)
    lines = ["\fAnnual Report\nWe act in town." if i % 4 == 0 else "We help." for i in range(20)]
    reader = ShardReader(find_files([written(tmp_path, "a.txt", "\n".join(lines))]), Options(language="en"))
    shards = [label_shard(shard, RuleModel(model_info(), TINY, cue_scores)) for shard in reader.shards()]
    rows = [row for shard in shards for row in shard.to_rows()]
    apart = [row for row in rows if row.get("error") == PAGE_LINE]
    assert [row["text"] for row in apart] == ["Annual Report"] * 5
    assert all(not row["labels"] for row in apart)
    summary = Summary(TINY.names)
    for shard in shards:
        summary.add(shard)
    assert (summary.page_lines, summary.labelled) == (5, len(rows) - 5)
    assert has_facts(" ".join(summary.lines()), "page headers", 5)


def test_a_row_that_is_only_a_page_number_is_not_labelled(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "text\nPage 3\np. 12\nPage 3 is missing.\n")
    [shard] = ShardReader(find_files([path]), Options(language="en")).shards()
    labelled = label_shard(shard, RuleModel(model_info(), TINY, cue_scores))
    assert labelled.table["error"].to_pylist() == [PAGE_LINE, PAGE_LINE, None]
    assert (labelled.counts.labelled, labelled.counts.page_lines) == (1, 2)


def test_the_model_reads_joined_words_where_a_hyphen_and_a_space_divide_them(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "text\nThe Gover- nment acts.\nA government waits.\nVor- und Nachteile.\n")
    model = RuleModel(model_info(), TINY, cue_scores)
    [shard] = ShardReader(find_files([path]), Options(language="en")).shards()
    labelled = label_shard(shard, model)
    assert model.seen == ["The Government acts.", "A government waits.", "Vor- und Nachteile."]
    assert labelled.table["text"][0].as_py() == "The Gover- nment acts."
    assert labelled.counts.rejoined == 1


def test_file_names_that_are_not_unicode_get_different_ids(tmp_path: Path) -> None:
    """Two such names can differ only in their bytes. Their ids must differ too."""
    paths = [tmp_path / os.fsdecode(name) for name in (b"\xff.csv", b"\xfe.csv")]
    for path in paths:
        path.write_text("text\nWe help.\n")
    rows, notes = output(*paths)
    assert len({row["id"] for row in rows}) == 2
    assert "".join([*(row["id"] for row in rows), *notes]).encode()


def test_parquet_cells_have_the_same_length_limit_as_other_formats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("communique.io.arrow.MAX_CELL", 20)
    pq.write_table(
        pa.table({"text": ["We help.", "We " * 100, "é" * 20], "more": ["a", None, "x" * 21]}), tmp_path / "a.parquet"
    )
    rows, notes = output(tmp_path / "a.parquet")
    assert [bool(row["error"]) for row in rows] == [False, True, False]
    assert has_facts(rows[1]["error"], "row 2", "'text'", "more than 20 characters")
    assert any(has_facts(line, "1 cell outside", "row 3", "'more'") for line in notes)
