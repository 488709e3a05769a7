"""Tests that every command that reads tables of users has the options --encoding and --sheet."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
import yaml
from helpers import CODEBOOK, TINY, has_facts, run, succeed
from openpyxl import Workbook
from typer.main import get_command

from communique.training.recipe import Recipe


@pytest.fixture
def codebook(tmp_path: Path) -> Path:
    path = tmp_path / "codebook.yaml"
    path.write_text(yaml.safe_dump(CODEBOOK))
    return path


def workbook(path: Path, rows: list[list[str]]) -> Path:
    """Write rows to the second sheet of a workbook. The first sheet has no texts."""
    book = Workbook()
    book.active.append(["nothing"])
    sheet = book.create_sheet("data")
    for row in rows:
        sheet.append(row)
    book.save(path)
    return path


def test_check_reads_the_named_sheet_and_encoding(codebook: Path, tmp_path: Path) -> None:
    rows = [["text", "labels"], ["Größe.", "criticism"], ["Straße.", "policy_claim"]]
    book = workbook(tmp_path / "a.xlsx", rows)
    assert run("check", book, "--codebook", codebook).exit_code == 1
    for sheet in ("data", "2"):
        assert "2 rows" in succeed("check", book, "--codebook", codebook, "--sheet", sheet).output
    # These bytes are valid in both encodings, so the result shows which one was used.
    (tmp_path / "a.csv").write_text("text,größe\na,1\n", encoding="utf-8")
    named = run("check", tmp_path / "a.csv", "--codebook", codebook, "--encoding", "cp1252", "--text-column", "größe")
    assert has_facts(named.output, "'größe'")
    assert succeed("check", tmp_path / "a.csv", "--codebook", codebook, "--text-column", "größe").exit_code == 0


def test_sample_reads_the_named_sheet(codebook: Path, tmp_path: Path) -> None:
    columns = ["id", "document", "text", "labels", *(f"probability_{name}" for name in TINY.names)]
    rows = [columns, *([f"i{n}", f"d{n}", f"Text {n}.", "criticism", "0.9", "0.1", "0.1"] for n in range(4))]
    book = workbook(tmp_path / "p.xlsx", rows)
    out = tmp_path / "s.csv"
    succeed("sample", book, "-n", 4, "-o", out, "--codebook", codebook, "--sheet", "data")
    with out.open(encoding="utf-8-sig", newline="") as handle:
        assert {row["id"] for row in csv.DictReader(handle)} == {"i0", "i1", "i2", "i3"}


def test_a_recipe_for_tables_contains_encoding_and_sheet(codebook: Path, tmp_path: Path) -> None:
    recipe = Recipe.for_tables([tmp_path / "a.csv"], codebook, encoding="cp1250", sheet="2")
    assert [(one.encoding, one.sheet) for one in recipe.corpora] == [("cp1250", "2")]


@pytest.mark.parametrize("command", ["check", "train", "evaluate", "robustness", "sample", "label"])
def test_every_command_refuses_an_unknown_encoding(command: str, tmp_path: Path) -> None:
    code, _, err = run(command, tmp_path / "x", tmp_path / "y", "--encoding", "klingon")
    assert (code, has_facts(err, "--encoding", "klingon")) == (2, True), err


@pytest.mark.parametrize("option", ["--encoding", "--sheet"])
def test_encoding_and_sheet_are_refused_with_a_recipe(option: str, codebook: Path) -> None:
    path = codebook.with_name("own.yaml")
    path.write_text("name: own\ncodebook: codebook.yaml\ncorpora: [{path: a.csv}]\n")
    code, _, err = run("train", path, option, "utf-8")
    assert (code, option in err) == (2, True), err


ROWS = [("id", "text", "language", "document", "labels")] + [
    (
        f"r{i}",
        f"{('Odsuzujeme útok', 'Žádáme příměří', 'Přispějeme na léky')[i % 3]} č. {i}.",
        "cs",
        f"d{i}",
        TINY.names[i % 3],
    )
    for i in range(60)
]
COMMANDS = ("check", "sample", "evaluate", "robustness", "train")


def tables(folder: Path, *, predicted: bool) -> dict[str, Path]:
    """Write a table in cp1250, and a workbook that contains it in its second sheet. For `sample`, add probabilities."""
    names = tuple(f"probability_{name}" for name in TINY.names) if predicted else ()
    more = [names, *((0.5,) * len(names) for _ in ROWS[1:])]
    rows = [(*row, *cells) for row, cells in zip(ROWS, more, strict=True)]
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    (folder / "rows.csv").write_bytes(text.getvalue().encode("cp1250"))
    book = Workbook()
    book.create_sheet("Data")
    for row in (("about", "nothing"), ("a", "b")):
        book.worksheets[0].append(row)
    for cells in rows:
        book.worksheets[1].append(cells)
    book.save(folder / "rows.xlsx")
    return {".csv": folder / "rows.csv", ".xlsx": folder / "rows.xlsx"}


@pytest.mark.usefixtures("fake_network")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("suffix", "option", "right", "wrong"),
    [(".csv", "--encoding", "cp1250", "utf-8"), (".xlsx", "--sheet", "Data", "1"), (".xlsx", "--sheet", "2", "1")],
)
def test_each_command_reads_the_named_encoding_and_sheet(
    command: str,
    suffix: str,
    option: str,
    right: str,
    wrong: str,
    fake_bundle: Path,
    tmp_path: Path,
) -> None:
    folder = tmp_path
    path = tables(folder, predicted=command == "sample")[suffix]
    TINY.dump(folder / "codebook.yaml")
    codebook = ("--codebook", folder / "codebook.yaml")
    arguments = {
        "check": codebook,
        "sample": ("-n", 5, "-o", folder / "sheet.csv", *codebook),
        "evaluate": (),
        "robustness": (),
        "train": (*codebook, "--name", "x", "--kind", "tfidf", "-o", folder / "trained", "--overwrite"),
    }[command]
    model = (fake_bundle,) if command in ("evaluate", "robustness") else ()
    refused = run(command, *model, path, *arguments, option, wrong)
    assert refused.exit_code == 1, refused.output
    read = run(command, *model, path, *arguments, option, right)
    assert read.exit_code == 0, read.output


#: Commands that read labelled tables, and the options that say how their columns are read.
LABELLED = ("check", "train", "evaluate", "robustness")
COLUMNS = {"--text-column", "--label-column", "--document-column", "--language-column", "--label-map"}
COLUMNS |= {"--texts", "--encoding", "--sheet"}


@pytest.mark.parametrize("command", LABELLED)
def test_every_command_that_reads_labelled_tables_has_the_same_options(command: str) -> None:
    from communique.cli.app import app

    parameters = get_command(app).commands[command].params  # type: ignore[attr-defined]
    assert {option for one in parameters for option in one.opts} >= COLUMNS


@pytest.mark.usefixtures("fake_network")
@pytest.mark.parametrize("command", LABELLED)
def test_columns_and_words_of_labels_can_be_named(command: str, fake_bundle: Path, tmp_path: Path) -> None:
    head, *rows = ROWS
    assert head == ("id", "text", "language", "document", "labels")
    words = dict(zip(TINY.names, ("kritika", "požadavek", "slib"), strict=True))
    lines = [("id", "věta", "jazyk", "projev", "kód"), *((*row[:4], words[row[4]]) for row in rows)]
    with (tmp_path / "own.csv").open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows(lines)
    TINY.dump(tmp_path / "codebook.yaml")
    codebook = ("--codebook", tmp_path / "codebook.yaml")
    more = {
        "check": codebook,
        "train": (*codebook, "--name", "x", "--kind", "tfidf", "-o", tmp_path / "trained"),
    }.get(command, ())
    model = (fake_bundle,) if command in ("evaluate", "robustness") else ()
    names = ("--text-column", "věta", "--label-column", "kód", "--document-column", "projev")
    named = (*names, "--language-column", "jazyk")
    translated = [part for label, word in words.items() for part in ("--label-map", f"{word}={label}")]
    assert run(command, *model, tmp_path / "own.csv", *more, *named).exit_code == 1
    read = run(command, *model, tmp_path / "own.csv", *more, *named, *translated)
    assert read.exit_code == 0, read.output
    if command == "check":
        assert has_facts(read.output, "criticism 20", "cs 60")
    if command == "train":
        recipe = json.loads((tmp_path / "trained" / "bundle.json").read_text())
        assert '"cs"' in json.dumps(recipe)


@pytest.mark.parametrize(("option", "value"), [("--language-column", "jazyk"), ("--label-map", "slib=criticism")])
def test_columns_and_words_are_refused_with_a_recipe(option: str, value: str, codebook: Path) -> None:
    path = codebook.with_name("own.yaml")
    path.write_text("name: own\ncodebook: codebook.yaml\ncorpora: [{path: a.csv}]\n")
    code, _, err = run("train", path, option, value)
    assert (code, option in err) == (2, True), err


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "-", "--codebook", "BOOK", "--kind", "tfidf"],
        ["check", "-", "--codebook", "BOOK"],
        ["check", "-", "--predictions", "--codebook", "BOOK"],
        ["agree", "-", "--codebook", "BOOK"],
        ["estimate", "-", "TABLE", "--codebook", "BOOK"],
        ["estimate", "TABLE", "-", "--codebook", "BOOK"],
        ["init", "PROJECT", "--codebook", "BOOK", "--documents", "-"],
    ],
)
def test_commands_that_cannot_read_standard_input_say_so(codebook: Path, tmp_path: Path, arguments: list[str]) -> None:
    table = tmp_path / "table.csv"
    table.write_text("id,document,text,labels,inclusion_probability\na,d,We condemn this.,criticism,0.5\n")
    names = {"BOOK": codebook, "TABLE": table, "PROJECT": tmp_path / "project"}
    result = run(*(names.get(one, one) for one in arguments))
    assert result.exit_code == 1
    assert has_facts(result.stderr, "-: standard input", "Save it to a file")
