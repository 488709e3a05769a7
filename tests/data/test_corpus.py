"""Corpora: recognition of columns and labels, problems with their position, splits and leaks by document."""

from __future__ import annotations

import gzip
import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import CODEBOOK, NO_CELLS, TINY, YES_CELLS, facts, has_facts, write_rows
from hypothesis import given
from hypothesis import strategies as st

from communique.data.codebook import Codebook
from communique.data.corpus import Corpus, conflicts
from communique.data.labels import split_labels
from communique.data.leakage import Fingerprint
from communique.data.reader import CorpusReader
from communique.data.sentence import Sentence
from communique.errors import CorpusError, DataError, LeakError
from communique.io.read import read_table

PERMUTED = Codebook.model_validate(CODEBOOK | {"labels": CODEBOOK["labels"][::-1]})
SINGLE = Codebook.model_validate(CODEBOOK | {"task": "multiclass"})
NUMBERS = Codebook.model_validate(
    CODEBOOK | {"task": "multiclass", "labels": [{"name": n, "definition": n} for n in ("0", "1", "2")]}
)
CRITICISM, CLAIM, PLEDGE = TINY.names
ALLOWED = "criticism, policy_claim, cooperation_pledge"


def written(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def workbook(path: Path, cells: Sequence[Sequence[object]]) -> Path:
    book = openpyxl.Workbook()
    for row in cells:
        book.active.append(row)
    book.save(path)
    return path


def labels_of(path: Path, codebook: Codebook = TINY) -> list[tuple[str, ...] | None]:
    return [s.labels for s in Corpus.read(path, codebook)]


def problems_of(path: Path | list[Path], codebook: Codebook | None = TINY, **options: Any) -> list[str]:
    """Return the problems without their path if there is a single file, which every problem must start with."""
    problems = Corpus.scan(path, codebook, **options)[1]
    assert all("\n" not in problem for problem in problems)
    if isinstance(path, Path):
        assert all(problem.startswith(str(path)) for problem in problems)
        return [problem.removeprefix(str(path)) for problem in problems]
    return problems


def assert_problems(problems: Sequence[str], *expected: Sequence[object]) -> None:
    """Check that there are as many problems as expected, and that each message contains its expected facts."""
    assert len(problems) == len(expected), problems
    for problem, values in zip(problems, expected, strict=True):
        assert has_facts(problem, *values), problem


def sentence(i: int, document: str, **fields: Any) -> Sentence:
    return Sentence(id=f"{document}.{i}", text=f"Satz {i} aus {document}.", document=document, **fields)


def many(documents: int = 40, rows: int = 6, **fields: Any) -> list[Sentence]:
    return [sentence(i, f"{fields.get('source', 'd')}{d}", **fields) for d in range(documents) for i in range(rows)]


# Columns


def test_all_fields_are_read(tmp_path: Path) -> None:
    row = {
        "id": "s1",
        "text": " Ми допоможемо сусідам. ",
        "document": "speech-1",
        "index": 7,
        "language": "uk",
        "labels": ["cooperation_pledge", "criticism"],
        "previous": "Вода спільна.",
        "source": "written",
        "sampling": "random",
    }
    path = write_rows(tmp_path / "c.jsonl", [row])
    corpus = Corpus.read(path, TINY)
    assert corpus.sentences == (
        Sentence(
            id="s1",
            text="Ми допоможемо сусідам.",
            document="speech-1",
            index=7,
            language="uk",
            previous="Вода спільна.",
            labels=(CRITICISM, PLEDGE),
            source="written",
            sampling="random",
        ),
    )
    assert corpus.files == {str(path): hashlib.sha256(path.read_bytes()).hexdigest()}
    assert corpus.notes == ()


@pytest.mark.parametrize(
    "header", ["sentence,doc_id,lang,label", "Statement,DOC,Language,Labels", " content ,document_id,LANG,label"]
)
def test_columns_are_recognised_by_other_names_and_in_any_case(tmp_path: Path, header: str) -> None:
    (found,) = Corpus.read(written(tmp_path, "c.csv", f"{header}\nVi hjälper.,d1,sv,criticism\n"), TINY)
    assert (found.text, found.document, found.language, found.labels) == ("Vi hjälper.", "d1", "sv", (CRITICISM,))


def test_named_columns_take_precedence_over_recognised_ones(tmp_path: Path) -> None:
    path = written(tmp_path, "c.csv", "text,body,doc,speech,labels,stance\nno,Oui.,no,s1,praise,criticism\n")
    columns = {"text": "body", "document": "speech", "labels": "stance"}
    (found,) = Corpus.read(path, TINY, columns=columns)
    assert (found.text, found.document, found.labels) == ("Oui.", "s1", (CRITICISM,))
    assert problems_of(path, columns={"text": "Body"}) == [
        ": there is no column 'Body' for the field 'text'. Name one of the columns: text, body, doc, speech, labels, stance"
    ]


@pytest.mark.parametrize("column", ["Position", "Date", "Source", "ID"])
def test_a_named_column_has_no_second_meaning(tmp_path: Path, column: str) -> None:
    path = written(tmp_path, "t.csv", f"text,document,{column}\nWe condemn it.,d,criticism\nAgain.,d,criticism\n")
    (first, second) = Corpus.read(path, TINY, columns={"labels": column})
    assert (first.labels, second.labels, second.index) == (("criticism",), ("criticism",), 1)
    assert (first.date, first.source) == (None, None)


def test_a_position_that_is_a_stance_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", "text,document,position,labels\nWe condemn it.,d,against,none\n")
    assert_problems(problems_of(path), ("row 2:", "'position'", "whole number", "--label-column"))


def test_without_a_document_column_each_row_is_a_document_and_a_note_reports_it(tmp_path: Path) -> None:
    path = written(tmp_path, "news.csv", "text\nOui.\nNon.\n")
    corpus = Corpus.read(path)
    assert [(s.id, s.document, s.index, s.labels) for s in corpus] == [
        ("news:2", "news:2", 0, None),
        ("news:3", "news:3", 0, None),
    ]
    (note,) = corpus.notes
    assert "each row counts as a separate document" in note


def test_a_missing_index_is_counted_within_the_document(tmp_path: Path) -> None:
    path = written(tmp_path, "c.csv", "text,document,index\na,d,\nb,e,\nc,d,5\nd,d,\ne,e,\n")
    assert [s.index for s in Corpus.read(path)] == [0, 0, 5, 6, 1]


def test_every_format_returns_the_same_sentences(tmp_path: Path) -> None:
    header = ["id", "document", "text", "language", "labels"]
    rows: list[Sequence[object]] = [
        [1, 2019, "Мы против, и это ясно.", "ru", "criticism|policy_claim"],
        [2, 2019, "我们愿意合作。", "zh", "cooperation_pledge"],
        [3, 2020, "نشكركم", "ar", "none"],
    ]
    for name, delimiter in (("c.csv", ","), ("s.csv", ";"), ("t.tsv", "\t")):
        lines = [delimiter.join(f'"{cell}"' for cell in row) for row in [header, *rows]]
        written(tmp_path, name, "\ufeff" + "\r\n".join(lines))
    write_rows(tmp_path / "j.jsonl", [dict(zip(header, row, strict=True)) for row in rows])
    pq.write_table(pa.table({name: [row[i] for row in rows] for i, name in enumerate(header)}), tmp_path / "p.parquet")
    workbook(tmp_path / "x.xlsx", [header, *rows])
    expected = [
        Sentence("1", "Мы против, и это ясно.", "2019", 0, "ru", labels=(CRITICISM, CLAIM)),
        Sentence("2", "我们愿意合作。", "2019", 1, "zh", labels=(PLEDGE,)),
        Sentence("3", "نشكركم", "2020", 0, "ar", labels=()),
    ]
    for path in sorted(tmp_path.iterdir()):
        assert list(Corpus.read(path, TINY)) == expected, path.name


# Labels


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["policy_claim", "criticism"], [CLAIM, CRITICISM]),
        (("policy_claim",), [CLAIM]),
        ([], []),
        ('["policy_claim", "criticism"]', [CLAIM, CRITICISM]),
        (" [] ", []),
        ("policy_claim|criticism", [CLAIM, CRITICISM]),
        ("policy_claim;criticism", [CLAIM, CRITICISM]),
        (" policy_claim ; criticism ", [CLAIM, CRITICISM]),
        ("policy_claim, criticism", [CLAIM, CRITICISM]),
        ("criticism|", [CRITICISM]),
        ("criticism", [CRITICISM]),
        ("none", []),
        (["none"], []),
        ("", []),
        (1, ["1"]),
        (1.0, ["1"]),
        (1.5, ["1.5"]),
        ([0, 2], ["0", "2"]),
    ],
)
def test_label_cells_are_read_in_every_notation(value: object, expected: list[str]) -> None:
    assert split_labels(value, TINY) == expected


def test_none_is_kept_if_it_may_be_a_label() -> None:
    assert split_labels("none", SINGLE) == ["none"]
    assert split_labels("none|criticism", TINY) == ["none", "criticism"]


@pytest.mark.parametrize("value", [True, {"criticism": 1}, [["criticism"]], [1.0]])
def test_cells_without_labels_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match=facts(repr(value), "a|b", "JSON")):
        split_labels(value, TINY)


def test_a_list_without_quotation_marks_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "c.csv", "text,labels\na,[criticism]\n")
    assert_problems(problems_of(path), ("row 2:", "'labels'", "[criticism]", "JSON", "a|b"))


@pytest.mark.parametrize(
    "cell",
    [
        ["cooperation_pledge", "criticism"],
        '["cooperation_pledge", "criticism"]',
        "cooperation_pledge|criticism",
        "cooperation_pledge;criticism",
        "cooperation_pledge, criticism",
    ],
)
def test_labels_are_in_the_order_of_the_codebook(tmp_path: Path, cell: object) -> None:
    path = write_rows(tmp_path / "c.jsonl", [{"text": "a", "labels": cell}])
    assert labels_of(path) == [(CRITICISM, PLEDGE)]
    assert labels_of(path, PERMUTED) == [(PLEDGE, CRITICISM)]


def test_unlabelled_rows_differ_from_rows_without_a_label(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "c.jsonl", [{"text": "a", "labels": []}, {"text": "b"}, {"text": "c", "labels": None}])
    assert labels_of(path) == [(), None, None]
    corpus = Corpus.read(path, TINY, labelled=True)
    assert [s.labels for s in corpus] == [()], "rows that nobody coded are left out"
    assert has_facts(corpus.notes[-1], "left out 2 rows", "'labels'", "'none'")


def test_rows_of_a_half_filled_sheet_are_left_out_and_counted_in_every_format(tmp_path: Path) -> None:
    """Empty cells of a row with an answer mean no. A row without any answer was not coded."""
    head = ["document", "text", CRITICISM, CLAIM, PLEDGE]
    rows = [["d", "a", "yes", "", ""], ["d", "b", "no", "no", "no"], ["d", "c", "", " ", ""], ["d", "e", "", "", ""]]
    written(tmp_path, "c.csv", "\n".join(",".join(row) for row in [head, *rows]))
    workbook(tmp_path / "x.xlsx", [head, *([cell.strip() or None for cell in row] for row in rows)])
    write_rows(tmp_path / "j.jsonl", [dict(zip(head, row, strict=True)) for row in rows])
    for path in sorted(tmp_path.iterdir()):
        corpus = Corpus.read(path, TINY, labelled=True)
        assert [s.labels for s in corpus] == [(CRITICISM,), ()], path.name
        assert has_facts(corpus.notes[-1], "left out 2 rows", "nobody coded"), path.name
        assert labels_of(path) == [(CRITICISM,), (), None, None], path.name


def test_a_table_that_nobody_coded_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "c.csv", f"document,text,{CRITICISM},{CLAIM},{PLEDGE}\nd,a,,,\nd,b,,,\n")
    assert_problems(problems_of(path, labelled=True), ("no row is coded", "'no'"))
    path = written(tmp_path, "c.csv", "document,text,labels\nd,a,\n")
    assert_problems(problems_of(path, labelled=True), ("no row is coded", "'labels'", "'none'"))


# The output of a model


@pytest.mark.parametrize("marker", ["probability_criticism", "truncated"])
def test_labels_of_a_model_are_refused_whatever_the_file_is_called(tmp_path: Path, marker: str) -> None:
    path = written(tmp_path, "gold.csv", f"document,text,labels,{marker}\nd,a,criticism,0\n")
    for labelled in (True, False):
        assert_problems(problems_of(path, labelled=labelled), ("'labels'", "output of a model", f"'{marker}'", "gold"))
    assert problems_of(path, codebook=None) == [], "without a codebook, no labels are read"


def test_nested_probabilities_show_the_output_of_a_model_too(tmp_path: Path) -> None:
    row = {"text": "a", "label": "criticism", "probabilities": {"criticism": 0.9}}
    assert_problems(problems_of(write_rows(tmp_path / "c.jsonl", [row])), ("'label'", "output of a model"))


def test_labels_of_people_next_to_those_of_a_model_are_used_if_they_are_named(tmp_path: Path) -> None:
    content = "document,text,labels,label,probability_criticism\nd,a,criticism,policy_claim,0.9\n"
    path = written(tmp_path, "c.csv", content)
    assert_problems(problems_of(path), ("'labels'", "'label'", "--label-column"))
    (found,) = Corpus.read(path, TINY, columns={"labels": "label"})
    assert found.labels == (CLAIM,)
    assert_problems(problems_of(path, columns={"labels": "labels"}), ("output of a model",))


def test_labels_of_a_model_can_be_left_unread(tmp_path: Path) -> None:
    path = written(tmp_path, "c.csv", "document,text,labels,probability_criticism\nd,a,criticism,0.9\n")
    reader = CorpusReader(TINY, {}, labelled=False, refuse_model=False)
    reader.read(path)
    assert (reader.problems, [s.labels for s in reader.sentences]) == ([], [None])
    assert has_facts(reader.notes[0], "output of a model", "not read")


# Unknown columns


def test_a_renamed_label_column_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "c.csv", "id,text,Criticism,policy_claim,coop_pledge,country\n1,a,1,0,0,FR\n")
    assert_problems(problems_of(path), (PLEDGE, "'coop_pledge'", "'country'", "rename it"))
    path = written(tmp_path, "c.csv", "id,text,lables\n1,a,none\n")
    assert_problems(problems_of(path, labelled=True), ("no labels", "'lables'", "rename it to 'labels'"))


def test_columns_of_unknown_labels_are_named(tmp_path: Path) -> None:
    content = f"document,text,{CRITICISM},{CLAIM},{PLEDGE},praise,country\nd,a,yes,no,,x,FR\nd,b,no,no,no,,1\n"
    (note,) = Corpus.read(written(tmp_path, "c.csv", content), TINY).notes
    assert has_facts(note, "not read", "'praise'")
    assert "country" not in note


def test_labels_are_not_read_without_a_codebook(tmp_path: Path) -> None:
    assert [s.labels for s in Corpus.read(written(tmp_path, "c.csv", "text,labels\na,praise\n"))] == [None]


@pytest.mark.parametrize(
    ("yes", "no"),
    [
        ("1", "0"),
        ("TRUE", "FALSE"),
        ("true", "false"),
        ("Yes", "No"),
        ("y", "n"),
        ("1.0", "0.0"),
    ],
)
def test_one_column_per_label_is_read_from_text_cells(tmp_path: Path, yes: str, no: str) -> None:
    content = (
        f"Cooperation_Pledge,text,criticism,policy_claim\n{no},a,{yes},{yes}\n{yes},b,{no},{no}\n{no},c,{no},{no}\n"
    )
    path = written(tmp_path, "c.csv", content)
    assert labels_of(path) == [(CRITICISM, CLAIM), (PLEDGE,), ()]
    assert labels_of(path, PERMUTED) == [(CLAIM, CRITICISM), (PLEDGE,), ()]


@pytest.mark.parametrize(("yes", "no"), [(1, 0), (1.0, 0.0), (True, False), ("yes", "no")])
def test_one_column_per_label_is_read_from_typed_cells(tmp_path: Path, yes: object, no: object) -> None:
    columns = {"text": ["a", "b", "c"], CRITICISM: [yes, no, no], CLAIM: [yes, no, no], PLEDGE: [no, yes, no]}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    pq.write_table(pa.table(columns), tmp_path / "c.parquet")
    workbook(tmp_path / "c.xlsx", [list(columns), *(list(row.values()) for row in rows)])
    write_rows(tmp_path / "c.jsonl", rows)
    for path in sorted(tmp_path.iterdir()):
        assert labels_of(path) == [(CRITICISM, CLAIM), (PLEDGE,), ()], path.name


@pytest.mark.parametrize("cell", ["2", "maybe", "ja", "0.5"])
def test_invalid_values_in_label_columns_are_reported(tmp_path: Path, cell: str) -> None:
    path = written(tmp_path, "c.csv", f"text,criticism,policy_claim,cooperation_pledge\na,1,{cell},0\nb,1,1,0\n")
    assert_problems(problems_of(path), ("row 2:", "'policy_claim'", repr(cell), "yes"))


def test_yes_no_cells_of_a_corpus_follow_the_common_rule(tmp_path: Path) -> None:
    cells = [*YES_CELLS, *NO_CELLS, ""]
    path = write_rows(tmp_path / "c.jsonl", [{"text": "a", CRITICISM: c, CLAIM: "no", PLEDGE: 1} for c in cells])
    yes = [(CRITICISM, PLEDGE)] * len(YES_CELLS)
    assert labels_of(path) == yes + [(PLEDGE,)] * (len(NO_CELLS) + 1), "an empty cell means no"
    write_rows(path, [{"text": "a", CRITICISM: None, CLAIM: "no", PLEDGE: 1}])
    assert labels_of(path) == [(PLEDGE,)], "a null is an empty cell"


def test_a_column_of_labels_takes_precedence_over_one_column_per_label(tmp_path: Path) -> None:
    path = written(
        tmp_path, "c.csv", "text,criticism,policy_claim,cooperation_pledge,labels\na,1,1,0,cooperation_pledge\n"
    )
    assert labels_of(path) == [(PLEDGE,)]
    assert any(has_facts(note, "'labels'", "not", "'criticism'") for note in Corpus.read(path, TINY).notes)


def test_a_multiclass_row_needs_exactly_one_label_in_its_label_column(tmp_path: Path) -> None:
    path = written(tmp_path, "c.csv", "text,label\na,policy_claim\nb,\nc,criticism|policy_claim\n")
    assert problems_of(path, SINGLE) == [
        ", row 4: column 'label': there are 2 labels, but the codebook's task is 'multiclass'. Write exactly one label"
    ]
    assert [s.labels for s in Corpus.scan(path, SINGLE)[0]] == [(CLAIM,), None]


def test_a_multiclass_row_needs_exactly_one_yes_in_its_label_columns(tmp_path: Path) -> None:
    path = written(tmp_path, "c.csv", "text,criticism,policy_claim,cooperation_pledge\na,0,1,0\nb,0,0,0\nc,1,1,0\n")
    corpus, problems = Corpus.scan(path, SINGLE)
    assert [s.labels for s in corpus] == [(CLAIM,)]
    assert problems == [
        f"{path}, row {row}: there are {n} labels, but the codebook's task is 'multiclass'. Write exactly one label"
        for row, n in ((3, 0), (4, 2))
    ]


def test_numbered_classes_are_read_in_every_format(tmp_path: Path) -> None:
    columns = {"text": ["a", "b", "c"], "label": [0, 2, 1]}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    written(tmp_path, "c.csv", "text,label\na,0\nb,2\nc,1\n")
    pq.write_table(pa.table(columns), tmp_path / "c.parquet")
    pq.write_table(pa.table(columns | {"label": [0.0, 2.0, 1.0]}), tmp_path / "f.parquet")
    workbook(tmp_path / "c.xlsx", [list(columns), *(list(row.values()) for row in rows)])
    write_rows(tmp_path / "c.jsonl", rows)
    for path in sorted(tmp_path.iterdir()):
        assert labels_of(path, NUMBERS) == [("0",), ("2",), ("1",)], path.name


# Problems


def test_unknown_labels_are_reported(tmp_path: Path) -> None:
    path = written(tmp_path, "c.csv", "text,labels\na,criticism\nb,criticism|praise\nc,Criticism\n")
    assert_problems(
        problems_of(path),
        ("row 3:", "'labels'", "'praise'", ALLOWED),
        ("row 4:", "'labels'", "'Criticism'", ALLOWED),
    )


@pytest.mark.parametrize("cell", ['""', "  ", '"\n"', "\u00a0"])
def test_an_empty_text_is_reported(tmp_path: Path, cell: str) -> None:
    path = written(tmp_path, "c.csv", f"id,Sentence\n1,a\n2,{cell}\n")
    assert_problems(problems_of(path), ("row 3:", "'Sentence'", "empty"))


def test_missing_and_null_texts_are_reported(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "c.jsonl", [{"text": "a"}, {"id": "x"}, {"text": None}])
    assert_problems(problems_of(path), ("row 2:", "'text'", "empty"), ("row 3:", "'text'", "empty"))


@pytest.mark.parametrize(
    ("value", "kind"), [(5, "int"), (2.5, "float"), (True, "bool"), (["a"], "list"), ({"a": 1}, "dict")]
)
def test_a_text_of_another_type_is_reported(tmp_path: Path, value: object, kind: str) -> None:
    path = write_rows(tmp_path / "c.jsonl", [{"text": value}])
    assert_problems(problems_of(path), ("row 1:", "'text'", repr(value), kind))


def test_numbers_and_bytes_instead_of_text_are_reported(tmp_path: Path) -> None:
    path = workbook(tmp_path / "c.xlsx", [["text"], ["a"], [2019]])
    assert_problems(problems_of(path), ("row 3:", "'text'", 2019, "int"))
    pq.write_table(pa.table({"text": [b"a"]}), tmp_path / "c.parquet")
    assert_problems(problems_of(tmp_path / "c.parquet"), ("row 1:", "'text'", "b'a'", "bytes"))


def test_a_lone_surrogate_is_reported_with_its_row(tmp_path: Path) -> None:
    path = written(tmp_path, "c.jsonl", '{"text": "a\\ud83d"}\n{"text": "b\\ud83d\\ude42"}\n')
    corpus, problems = Corpus.scan(path)
    assert [s.text for s in corpus] == ["b🙂"]
    assert len(problems) == 1
    assert problems[0].startswith(f"{path}, row 1: ")
    assert "column 'text'" in problems[0]
    assert "surrogate" in problems[0]
    assert problems[0].endswith("Correct or delete it")


def test_column_names_below_a_title_are_reported(tmp_path: Path) -> None:
    assert problems_of(written(tmp_path, "c.csv", "Coding of May,,\n,,\nText,labels,document\na,none,d\n")) == [
        ": the column names are in row 3, but they must be in the first row. Delete the rows above them"
    ]


def test_a_title_is_also_noticed_if_the_user_names_the_columns(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "c.csv", "Coding of May,,\nbody,code,text\na,none,d\n"))
    for columns in ({"text": "body"}, {"labels": "code"}):
        with pytest.raises(DataError, match=r"column names are in row 2"):
            CorpusReader(TINY, columns, labelled=True).add(table)
    with pytest.raises(DataError, match=r"no column 'speech'.*Coding of May"):
        CorpusReader(TINY, {"text": "speech"}, labelled=True).add(table)
    # The name of a column that does not exist can be an ordinary value.
    plain = read_table(written(tmp_path, "d.csv", ",id,genre,body\n0,1,speech,We help.\n"))
    with pytest.raises(DataError, match=r"no column 'speech'.*genre"):
        CorpusReader(TINY, {"text": "speech"}, labelled=True).add(plain)


def test_a_missing_text_column_is_reported(tmp_path: Path) -> None:
    assert problems_of(written(tmp_path, "c.csv", "id,body\n1,a\n")) == [
        ": there is no text column (text, sentence, statement, content). Rename one of the columns, or name it with "
        "--text-column if the command has this option: id, body"
    ]


def test_missing_labels_are_reported_if_they_are_required(tmp_path: Path) -> None:
    path = written(tmp_path, "c.csv", "text\na\n")
    assert labels_of(path) == [None]
    assert problems_of(path, labelled=True) == [
        ": there are no labels. Add a column 'labels' (a|b), or one column per label: criticism, policy_claim, "
        "cooperation_pledge"
    ]
    # A column with another name can contain the labels.
    (problem,) = problems_of(written(tmp_path, "d.csv", "text,stance\na,criticism\n"), labelled=True)
    assert has_facts(problem, "'stance'", "--label-column", "`columns`")


def test_columns_for_only_some_labels_are_reported(tmp_path: Path) -> None:
    problems = problems_of(written(tmp_path, "c.csv", "text,policy_claim\na,1\n"))
    assert_problems(problems, ("criticism, cooperation_pledge",))


@pytest.mark.parametrize("index", ["third", "1.5", "inf"])
def test_an_index_that_is_not_a_whole_number_is_reported(tmp_path: Path, index: str) -> None:
    path = written(tmp_path, "c.csv", f"text,document,index\na,d,3.0\nb,d,{index}\n")
    assert_problems(problems_of(path), ("row 3:", "'index'", repr(index), "whole number"))
    assert [s.index for s in Corpus.scan(path)[0]] == [3]


def test_repeated_ids_are_reported_within_and_across_files(tmp_path: Path) -> None:
    first = written(tmp_path, "a.csv", "id,text\n1,a\n2,b\n1,c\n")
    second = write_rows(tmp_path / "b.jsonl", [{"id": 2, "text": "d"}, {"id": 3, "text": "e"}])
    corpus, problems = Corpus.scan(tmp_path, TINY)
    assert_problems(
        problems, (f"{first}, row 4:", "id '1'", f"{first}, row 2"), (f"{second}, row 1:", "id '2'", f"{first}, row 3")
    )
    assert [s.text for s in corpus] == ["a", "b", "e"]


def test_all_problems_in_all_files_are_reported_at_once(tmp_path: Path) -> None:
    a = written(tmp_path, "a.csv", 'id,text,labels\n1,,criticism\n2,b,praise\n3\n4,d,none\n4,e,none\n5,"f,none\n')
    b = written(
        tmp_path, "b.jsonl", '{"id": "6", "text": 6}\nnope\n{"id": "7", "text": "g", "labels": ["criticism"]}\n'
    )
    c = written(tmp_path, "c.csv", "id,body\n8,h\n")
    d = written(tmp_path, "d.csv", "text,text\na,b\n")
    corpus, problems = Corpus.scan(tmp_path, TINY)
    assert [s.id for s in corpus] == ["4", "7"]
    assert {problem.split(":")[0] for problem in problems} == {
        *(f"{a}, row {row}" for row in (2, 3, 4, 6)),
        f"{a}, row 7 (line 7)",
        f"{b}, row 1",
        f"{b}, row 2",
        str(c),
        f"{d}, row 1",
    }
    assert len(problems) == 9
    with pytest.raises(DataError) as caught:
        Corpus.read(tmp_path, TINY)
    assert list(caught.value.problems) == problems
    *listed, last = str(caught.value).split("\n")
    assert listed == problems[:5]
    assert has_facts(last, " 4 ", "communique check")


def test_only_problems_of_labelled_tables_point_to_the_command_that_lists_them() -> None:
    assert str(DataError(*"abcdefg")).split("\n")[-1] == "... and 2 more"


def test_notes_of_tables_reach_the_corpus(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes("text;document\nМы осуждаем нападение и требуем прекращения огня.;d\n".encode("cp1251"))
    assert_problems(Corpus.read(path).notes, (path, "UTF-8", "cp1251"))


def test_paths_may_be_files_folders_and_globs(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "c.tsv"):
        written(tmp_path, name, f"text\n{name}\n")
    written(tmp_path, "notes.txt", "no table")
    written(tmp_path, "sub/d.csv.gz", gzip.compress(b"text\nd.csv.gz\n"))
    written(tmp_path, ".hidden.csv", "text\nhidden\n")
    assert [s.text for s in Corpus.read(tmp_path)] == ["a.csv", "b.csv", "c.tsv", "d.csv.gz"]
    assert [s.text for s in Corpus.read(str(tmp_path / "*.csv"))] == ["a.csv", "b.csv"]
    assert [s.text for s in Corpus.read([tmp_path / "c.tsv", tmp_path / "a.csv"])] == ["c.tsv", "a.csv"]
    with pytest.raises(DataError, match=facts("absent*", ".csv")):
        Corpus.read(str(tmp_path / "absent*"))


# Parts of a corpus


def test_corpora_can_be_added() -> None:
    one = Corpus((sentence(0, "a"),), {"a.csv": "1"}, ("note a",))
    other = Corpus((sentence(0, "b"), sentence(1, "b")), {"b.csv": "2"}, ("note b",))
    both = one + other
    assert both.sentences == one.sentences + other.sentences
    assert (dict(both.files), both.notes, len(both)) == ({"a.csv": "1", "b.csv": "2"}, ("note a", "note b"), 3)
    assert both.where(lambda s: s.document == "b").sentences == other.sentences


def test_documents_with_the_same_name_in_different_sources_are_distinct() -> None:
    rows = [
        sentence(0, "d", source="x"),
        sentence(1, "d", source="y"),
        sentence(2, "d", source="x"),
        sentence(3, "d"),
    ]
    assert Corpus(tuple(rows)).documents == {
        ("x", "d"): [rows[0], rows[2]],
        ("y", "d"): [rows[1]],
        (None, "d"): [rows[3]],
    }


# Splits


def documents_of(corpus: Corpus) -> set[tuple[str | None, str]]:
    return {s.document_key for s in corpus}


sizes = st.lists(
    st.tuples(st.integers(1, 9), st.sampled_from(["en", "zh"]), st.sampled_from([None, "un"])), max_size=25
)


@given(sizes, st.floats(0, 1), st.integers(0, 5))
def test_no_document_is_in_both_parts_and_none_is_lost(
    sizes: list[tuple[int, str, str | None]], share: float, seed: int
) -> None:
    rows = [
        sentence(i, f"d{d}", language=language, source=source, sampling=("random", "enriched", None)[i % 3])
        for d, (size, language, source) in enumerate(sizes)
        for i in range(size)
    ]
    first, second = Corpus(tuple(rows)).split(share, seed=seed)
    assert not documents_of(first) & documents_of(second)
    assert Counter(s.id for s in (*first, *second)) == Counter(s.id for s in rows)
    assert [s.id for s in first] == [s.id for s in rows if s.document_key in documents_of(first)]


def test_the_seed_determines_the_split() -> None:
    corpus = Corpus(tuple(many()))
    first = corpus.split(0.25, seed=3)
    assert first == corpus.split(0.25, seed=3)
    assert len({frozenset(documents_of(corpus.split(0.25, seed=seed)[1])) for seed in range(8)}) == 8


def test_the_split_does_not_depend_on_the_order_of_documents() -> None:
    rows = many()
    drawn = Corpus(tuple(rows)).split(0.25, seed=3)[1]
    assert documents_of(Corpus(tuple(rows[::-1])).split(0.25, seed=3)[1]) == documents_of(drawn)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_the_proportion_is_reached_in_each_source_and_language(share: float) -> None:
    strata = [("un", "fr", 40), ("un", "ar", 20), ("press", "fr", 80), ("press", "zh", 60)]
    rows = [
        sentence(i, f"{source}-{language}-{d}", source=source, language=language)
        for source, language, documents in strata
        for d in range(documents)
        for i in range(5)
    ]
    drawn = Counter((s.source, s.language) for s in Corpus(tuple(rows)).split(share, seed=1)[1])
    assert drawn == {(source, language): documents * 5 * share for source, language, documents in strata}


def test_a_proportion_of_0_holds_out_nothing_and_1_everything() -> None:
    corpus = Corpus(tuple(many(10)))
    assert [len(part) for part in corpus.split(0, seed=0)] == [60, 0]
    assert [len(part) for part in corpus.split(1, seed=0)] == [0, 60]


def test_a_document_with_most_of_a_language_is_not_drawn_for_a_small_proportion() -> None:
    rows = [sentence(i, "debate") for i in range(90)] + [sentence(0, f"d{d}") for d in range(30)]
    for seed in range(6):
        drawn = Corpus(tuple(rows)).split(0.1, seed=seed)[1]
        assert len(drawn) == 12
        assert "debate" not in {s.document for s in drawn}


def test_only_random_rows_count_and_their_documents_are_drawn_whole() -> None:
    rows = [
        *(sentence(i, f"r{d}", sampling="random") for d in range(20) for i in range(5)),
        *(sentence(9, f"r{d}", sampling="enriched") for d in range(20)),
        *(sentence(i, f"e{d}", sampling="enriched") for d in range(20) for i in range(5)),
        *(sentence(i, f"n{d}") for d in range(20) for i in range(5)),
    ]
    _, drawn = Corpus(tuple(rows)).split(0.2, seed=0)
    assert Counter(s.sampling for s in drawn) == {"random": 20, "enriched": 4}
    assert {s.document[0] for s in drawn} == {"r"}


def test_without_random_rows_all_rows_count() -> None:
    rows = many(20, 5)
    assert len(Corpus(tuple(rows)).split(0.2, seed=0)[1]) == 20
    enriched = tuple(replace(s, sampling="enriched") for s in rows)
    assert len(Corpus(enriched).split(0.2, seed=0)[1]) == 20


def test_documents_with_the_same_name_in_two_sources_are_drawn_separately() -> None:
    rows = many(10, 2, source="x") + [replace(s, id=f"y{s.id}", source="y") for s in many(10, 2, source="x")]
    outcomes = [documents_of(Corpus(tuple(rows)).split(0.5, seed=seed)[1]) for seed in range(4)]
    assert all(len(drawn) == 10 for drawn in outcomes)
    assert any({d for s, d in drawn if s == "x"} != {d for s, d in drawn if s == "y"} for drawn in outcomes)


# Leaks


def test_a_fingerprint_contains_no_text_and_recognises_its_own_corpus() -> None:
    corpus = Corpus(tuple(many(3, 2, source="un")))
    fingerprint = corpus.fingerprint()
    assert (len(fingerprint.documents), len(fingerprint.texts)) == (3, 6)
    assert all(len(h) == 16 and int(h, 16) >= 0 for h in fingerprint.documents | fingerprint.texts)
    assert {fingerprint.overlap(s) for s in corpus} == {"document"}


def test_shared_documents_and_texts_are_recognised() -> None:
    known = Sentence("k", "L’eau est à tous : nous aiderons.", "speech", source="un")
    fingerprint = Corpus((known,)).fingerprint()
    spaced = unicodedata.normalize("NFD", known.text).replace(" ", "  ") + "\n"
    assert fingerprint.overlap(Sentence("a", "Autre chose.", "speech", source="un")) == "document"
    assert fingerprint.overlap(Sentence("a", spaced, "other", source="un")) == "text"
    assert fingerprint.overlap(Sentence("a", "Autre chose.", "speech", source="press")) is None
    assert fingerprint.overlap(Sentence("a", "Autre chose.", "speech")) is None
    assert fingerprint.overlap(Sentence("a", "Autre chose.", "other", source="un")) is None


def test_a_version_of_a_document_is_recognised() -> None:
    known = Sentence("k", "We will help.", "s.en.17", source="un", parallel="s.17")
    fingerprint = Corpus((known,)).fingerprint()
    assert (
        fingerprint.overlap(Sentence("a", "Nous aiderons.", "s.fr.17", source="press", parallel="s.17")) == "parallel"
    )
    assert fingerprint.overlap(Sentence("a", "Nous aiderons.", "s.en.17", source="un", parallel="s.18")) == "document"
    assert fingerprint.overlap(Sentence("a", "Nous aiderons.", "s.17", source="un")) is None
    assert fingerprint.overlap(Sentence("a", "Nous aiderons.", "s.fr.18", parallel="s.18")) is None
    with pytest.raises(LeakError, match=facts("2 of 2 rows", "1 shared document ", "version of the same document")):
        fingerprint.check([Sentence(i, f"Texte {i}.", "s.fr.17", parallel="s.17") for i in "ab"], "test.csv")


def test_a_document_without_a_source_is_recognised() -> None:
    fingerprint = Corpus((sentence(0, "d"),)).fingerprint()
    assert fingerprint.overlap(sentence(5, "d")) == "document"


def test_leaks_are_refused_with_their_number_and_the_first_one() -> None:
    training = Corpus(tuple(many(4, 3)))
    fresh = [Sentence(f"f{i}", f"Neu {i}.", "fresh") for i in range(3)]
    training.fingerprint().check(fresh, "test.csv")
    repeated = replace(training.sentences[0], id="again", document="elsewhere")
    leaking = Corpus((fresh[0], repeated, sentence(9, "d1"), sentence(9, "d2"), fresh[1]), {"test.csv": "0"})
    with pytest.raises(LeakError) as caught:
        training.fingerprint().check(leaking, "test.csv")
    message = str(caught.value)
    assert "\n" not in message
    assert has_facts(message, "test.csv: 3 of 5 rows", "2 shared documents", "'again'", "Remove")
    assert "--" not in message, "the commands that train have no option for it"


def test_an_empty_fingerprint_has_nothing_in_common_with_any_corpus() -> None:
    Fingerprint(frozenset(), frozenset()).check(many(2, 2), "test.csv")


# Conflicts


def test_equal_texts_with_different_labels_are_reported() -> None:
    rows = [
        Sentence("a", "Das Wasser gehört allen.", "d", labels=(CRITICISM, CLAIM)),
        Sentence("b", "Das  Wasser\ngehört allen.", "e", labels=()),
        Sentence("c", "Wir helfen.", "d", labels=(PLEDGE,)),
        Sentence("d", "Wir helfen.", "e", labels=(PLEDGE,)),
        Sentence("e", "Niemand weiß es.", "d", labels=(CRITICISM,)),
        Sentence("f", "Niemand weiß es.", "e", labels=None),
        Sentence("g", unicodedata.normalize("NFD", "Das Wasser gehört allen."), "e", labels=()),
    ]
    assert_problems(
        conflicts(rows), ("3 rows", "'Das Wasser gehört allen.'", "a: criticism|policy_claim; b: none; g: none")
    )
    assert conflicts(rows[1:]) == []


def test_control_characters_in_labels_are_escaped_in_problems(tmp_path: Path) -> None:
    path = written(tmp_path, "c.jsonl", json.dumps({"text": "a", "labels": "two\x1blines"}) + "\n")
    assert_problems(problems_of(path), ("row 1:", "'labels'", "'two\\x1blines'", ALLOWED))


def test_rows_with_an_empty_label_cell_are_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("document,text,labels\na,One.,\na,Two.,none\na,Three.,\n")
    corpus = Corpus.read(path, TINY, labelled=True)
    assert [s.text for s in corpus] == ["Two."]
    assert_problems(corpus.notes, ("2 rows", "'labels'", "none"))
    path.write_text("document,text,labels\na,One.,none\n")
    assert Corpus.read(path, TINY).notes == ()


def test_files_with_the_same_name_have_different_ids_and_documents(tmp_path: Path) -> None:
    for year in ("2019", "2020"):
        (tmp_path / year).mkdir()
        write_rows(tmp_path / year / "s.jsonl", [{"text": f"A text of {year}."}, {"text": "Another."}])
    corpus = Corpus.read(tmp_path)
    assert [s.id for s in corpus] == ["s:1", "s:2", "2020/s:1", "2020/s:2"]
    assert len(corpus.documents) == 4


def test_a_table_that_is_read_twice_is_refused(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.jsonl", [{"text": "A text.", "document": "d"}])
    copy = write_rows(tmp_path / "copy.jsonl", [{"text": "A text.", "document": "d"}])
    with pytest.raises(CorpusError, match="named twice"):
        Corpus.read([path, path])
    with pytest.raises(CorpusError, match=facts("copy.jsonl", "same rows", "a.jsonl")):
        Corpus.read([path, copy])
    (tmp_path / "e1.csv").write_text("text\n")
    (tmp_path / "e2.csv").write_text("text\n")
    assert len(Corpus.read([tmp_path / "e1.csv", tmp_path / "e2.csv"])) == 0


@pytest.mark.parametrize(
    ("content", "problems"),
    [("", ["the file is empty"]), ("\n\n", ["the file is empty"]), ("no JSON\n", ["not valid JSON"])],
)
def test_json_lines_without_any_key_are_not_said_to_lack_a_column(
    tmp_path: Path, content: str, problems: list[str]
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(content)
    with pytest.raises(CorpusError) as caught:
        Corpus.read(path)
    assert len(caught.value.problems) == len(problems)
    assert all(words in problem for words, problem in zip(problems, caught.value.problems, strict=True))
