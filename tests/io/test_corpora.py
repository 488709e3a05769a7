"""Test corpora that are read row by row (TEI, CoNLL-U, JSON arrays), and limits on long lines and deep cells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from communique.errors import DataError
from communique.io import tables
from communique.io.read import as_number, open_table, read_table
from communique.io.tables import Problem

PARLAMINT = """<?xml version="1.0" encoding="UTF-8"?>
<TEI xmlns="http://www.tei-c.org/ns/1.0" xml:id="ParlaMint-XX_2020-01-02" xml:lang="en"><teiHeader>
<publicationStmt><date when="2024-01-01"/></publicationStmt><setting><date when="2020-01-02">2.1.2020</date></setting>
<person xml:id="AB"><persName>Ann <surname>Bee</surname></persName><affiliation ref="#party.G" role="member"/></person>
</teiHeader><text><body><div><note>The sitting began.</note>
<u who="#AB" xml:id="u1"><seg xml:id="u1.1">We  condemn <note>(Applause.)</note> it.</seg>
<seg xml:id="u1.2"><s><w>We</w> <w join="right">help</w><pc>.</pc></s></seg></u>
<u who="#CD"><seg>No.</seg></u></div></body></text></TEI>"""

GERMAPARL = """<TEI><teiHeader><fileDesc><sourceDesc><bibl><date>1999-05-03</date></bibl></sourceDesc></fileDesc></teiHeader>
<text><body><div><sp party="CDU" who="Eva X"><speaker>Eva X:</speaker><p>Wir helfen.</p><stage>(Beifall)</stage><p>Jetzt.</p></sp>
</div></body></text></TEI>"""


def rows(path: Path) -> list[dict[str, Any]]:
    return [row for _, row in read_table(path).rows]


def written(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def test_parlamint_has_one_row_per_segment_with_speaker_party_and_date(tmp_path: Path) -> None:
    found = rows(written(tmp_path / "a.xml", PARLAMINT))
    document = {"document": "ParlaMint-XX_2020-01-02", "language": "en", "date": "2020-01-02"}
    assert found == [
        document | {"id": "u1.1", "index": 0, "speaker": "Ann Bee", "party": "G", "text": "We condemn it."},
        document | {"id": "u1.2", "index": 1, "speaker": "Ann Bee", "party": "G", "text": "We help."},
        document | {"id": "ParlaMint-XX_2020-01-02:2", "index": 2, "speaker": "CD", "party": None, "text": "No."},
    ]


def test_paragraphs_have_the_party_of_their_speech(tmp_path: Path) -> None:
    found = rows(written(tmp_path / "a.xml", GERMAPARL))
    assert [(r["document"], r["speaker"], r["party"], r["date"], r["text"]) for r in found] == [
        ("a", "Eva X", "CDU", "1999-05-03", "Wir helfen."),
        ("a", "Eva X", "CDU", "1999-05-03", "Jetzt."),
    ]


def tei(body: str, header: str = "") -> str:
    return f"<TEI><teiHeader>{header}</teiHeader><text><body>{body}</body></text></TEI>"


def test_each_document_of_a_tei_corpus_has_the_date_of_its_sitting(tmp_path: Path) -> None:
    dated = "<bibl><date when='2009-09-09'/></bibl><setting><date when='{}'/></setting>"
    documents = [tei(f"<p>{day}</p>", dated.format(day)) for day in ("2001-01-01", "2002-02-02")] + [
        tei("<p>None.</p>")
    ]
    found = rows(written(tmp_path / "a.xml", f"<teiCorpus><teiHeader/>{''.join(documents)}</teiCorpus>"))
    assert [row["date"] for row in found] == ["2001-01-01", "2002-02-02", None]
    assert [row["text"] for row in found[:2]] == ["2001-01-01", "2002-02-02"]


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        ("<list><item>One.</item><item><p>Two.</p></item></list>", ["One.", "Two."]),
        ("<p>A list: <list><item>one</item>, <item>two</item></list></p>", ["A list: one, two"]),
        (
            "<p>On <choice><sic>teh</sic><corr>the</corr></choice> <del>old </del>port, pre<pb break='no'/>vent.</p>",
            ["On the port, prevent."],
        ),
        ("<p><w>Never</w><pc join='left'>,</pc> <w>Jan</w><pc join='left'>.</pc></p>", ["Never, Jan."]),
    ],
)
def test_tei_text_is_the_corrected_text_without_extra_spaces(body: str, texts: list[str], tmp_path: Path) -> None:
    assert [row["text"] for row in rows(written(tmp_path / "a.xml", tei(body)))] == texts


def test_speakers_names_have_spaces_between_their_parts(tmp_path: Path) -> None:
    person = '<person xml:id="a"><persName><forename>Ann</forename><surname>Bee</surname></persName></person>'
    (row,) = rows(written(tmp_path / "a.xml", tei('<u who="#a"><seg>Yes.</seg></u>', person)))
    assert row["speaker"] == "Ann Bee"


def test_too_many_tei_elements_without_text_are_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("communique.io.tei.MAX_SILENT", 100)
    table = read_table(written(tmp_path / "a.xml", tei(f"<p>Yes.</p>{'<gap/>' * 150}<p>No.</p>")))
    assert [row["text"] for _, row in table.rows] == ["Yes."]
    assert "elements without text" in table.problems[0]


def test_text_after_a_json_list_is_reported(tmp_path: Path) -> None:
    table = read_table(written(tmp_path / "a.json", '[{"text": "a"}]\n[{"text": "b"}]\n'))
    assert [row["text"] for _, row in table.rows] == ["a"]
    assert "the text after it is not read" in table.problems[0]


def test_a_json_object_of_several_columns_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="exactly one list"):
        read_table(written(tmp_path / "a.json", '{"text": ["a", "b"], "id": [1, 2]}'))


def test_xml_that_is_not_tei_is_rejected_and_damaged_tei_is_read_up_to_the_damage(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not TEI"):
        read_table(written(tmp_path / "a.xml", "<rss><item/></rss>"))
    table = read_table(written(tmp_path / "b.xml", PARLAMINT[: PARLAMINT.index('<u who="#CD"')]))
    assert [row["text"] for _, row in table.rows] == ["We condemn it.", "We help."]
    assert len(table.problems) == 1


def test_conllu_has_one_row_per_sentence_with_its_document(tmp_path: Path) -> None:
    content = (
        "# newdoc id = d1\n# sent_id = s1\n# text = We help.\n1\tWe\t_\n2\thelp\t_\n\n"
        "1-2\tdu\t_\t_\n1\tde\t_\t_\n2\tle\t_\t_\n3\tport\t_\tSpaceAfter=No\n4\t.\t_\t_\n\n# newdoc\n# text = Last.\n"
    )
    assert rows(written(tmp_path / "a.conllu", content)) == [
        {"document": "d1", "index": 0, "id": "s1", "text": "We help."},
        {"document": "d1", "index": 1, "text": "du port."},
        {"document": "a:2", "index": 0, "text": "Last."},
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('[{"text": "a"}, {"text": "b", "n": 1}]', [{"text": "a"}, {"text": "b", "n": 1}]),
        ('["a", "b"]', [{"text": "a"}, {"text": "b"}]),
        ('{"meta": {"n": 2}, "items": [{"text": "a"}]}', [{"text": "a"}]),
        ('{"text": "a"}\n{"text": "b"}\n', [{"text": "a"}, {"text": "b"}]),
        ('{\n "text": "a"\n}', [{"text": "a"}]),
        ("3", None),
        ('{"a": [{"text": "a"}], "b": [{"text": "b"}]}', None),
    ],
)
def test_json_contains_a_list_of_rows_or_an_object_with_one(
    content: str, expected: list[Any] | None, tmp_path: Path
) -> None:
    path = written(tmp_path / "a.json", content)
    if expected is None:
        with pytest.raises(DataError):
            rows(path)
    else:
        assert rows(path) == expected


def test_a_long_json_array_is_read_in_windows_and_up_to_the_first_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("communique.io.json_array._WINDOW", 7)
    items = [{"text": "x" * n, "n": 10**n} for n in range(1, 9)]
    assert rows(written(tmp_path / "a.json", json.dumps(items, indent=1))) == items
    table = read_table(written(tmp_path / "b.json", json.dumps(items)[:-3]))
    assert [row for _, row in table.rows] == items[:-1]
    (problem,) = table.problems
    assert "row 8" in problem


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_a_line_above_the_limit_is_a_problem_and_the_rows_after_it_are_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("tables", "jsonl", "delimited"):
        monkeypatch.setattr(f"communique.io.{module}.MAX_CELL", 100)
    assert tables.MAX_CELL == 100
    lines = [json.dumps({"text": text}) if name == "a.jsonl" else text for text in ("a", "b" * 500, "c")]
    content = "\n".join(lines if name == "a.jsonl" else ["text", *lines])
    with open_table(written(tmp_path / name, content)) as stream:
        chunks = list(stream.chunks)
    assert [chunk.rows[0]["text"] for chunk in chunks if not isinstance(chunk, Problem)] == ["a", "c"]
    (problem,) = (chunk for chunk in chunks if isinstance(chunk, Problem))
    assert "more than 100 characters" in problem.reason
    assert f"row {2 if name == 'a.jsonl' else 3}" in problem.reason


def test_a_deeply_nested_json_cell_becomes_text(tmp_path: Path) -> None:
    deep = "[" * 300 + "]" * 300
    ((_, row),) = read_table(written(tmp_path / "a.jsonl", f'{{"text": "a", "x": {deep}, "y": [[1]]}}')).rows
    assert row == {"text": "a", "x": deep, "y": [[1]]}


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;"])
def test_the_line_in_which_excel_declares_the_delimiter_is_not_the_header(line: str, tmp_path: Path) -> None:
    table = read_table(written(tmp_path / "a.csv", f"{line}\nid;text\n1;a, b, c\n"))
    assert table.rows == [(2, {"id": "1", "text": "a, b, c"})]


def test_numbers_may_have_a_decimal_comma() -> None:
    assert [as_number(value) for value in ("0,25", "0.25", 1, " 3 ")] == [0.25, 0.25, 1.0, 3.0]
    with pytest.raises(ValueError, match="1,234"):
        as_number("1,234,5")
