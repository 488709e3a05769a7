"""Tests of the command line: output, messages and exit codes."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import has_facts, run, tiny_rows, write_rows

from communique import __version__
from communique.cli.app import TASKS


def test_version_is_printed_and_unknown_options_are_refused() -> None:
    assert run("--version") == (0, f"communique {__version__}\n", "")
    assert run("label", "--nonsense")[0] == 2
    assert run("label")[0] == 2


def test_help_groups_the_commands_by_task() -> None:
    printed = run("--help").stdout
    words = ["Label", "label", "Train", "check", "train", "export", "Measure", "evaluate", "benchmark", "robustness"]
    words += ["Code", "sample", "agree", "Estimate", "estimate"]
    starts = [re.search(rf"^\W+{word}\b", printed, re.MULTILINE) for word in words]
    places = [start.start() for start in starts if start is not None]
    assert len(places) == len(words)
    assert places == sorted(places)


@pytest.mark.parametrize("command", [command for commands in TASKS.values() for command in commands])
def test_help_of_every_command_starts_with_a_sentence(command: Callable[..., None]) -> None:
    assert re.match(r"[A-Z][^\n]+\.\n", f"{command.__doc__}\n")


def test_usage_errors_name_the_command_and_have_simple_punctuation() -> None:
    assert run("labe").stderr.endswith("Did you mean 'label'? For all options, run communique --help\n")
    assert run("sample", "x.csv").stderr.endswith(". For all options, run communique sample --help\n")


def test_usage_errors_repeat_the_value_and_say_what_to_write() -> None:
    assert has_facts(run("label", "x.csv", "--abstain", "-o", "y.csv").stderr, "--abstain", "'-o'", "Write a number")
    assert has_facts(run("label", "x.csv", "--threads", "0").stderr, "--threads", "'0'", "at least 1")
    assert has_facts(run("label", "x.csv", "--engine", "fast").stderr, "'fast'", "'local', 'ray'")
    assert "Value error" not in run("label", "x.csv", "--engine", "fast").stderr
    assert "communique evaluate [OPTIONS] {model} {corpus}..." in run("evaluate", "communique-small").stderr


def test_check_lists_all_problems_and_counts(tiny_project: Path, tmp_path: Path) -> None:
    rows = tiny_rows(2)
    rows[3]["labels"] = ["praise"]
    rows[7]["text"] = "  "
    rows[9]["id"] = rows[0]["id"]
    path = write_rows(tmp_path / "corpus.jsonl", rows)
    code, out, _ = run("check", path, "--codebook", tiny_project / "codebook.yaml")
    assert code == 1
    lines = out.splitlines()
    for values in (
        (f"{path}, row 4:", "'labels'", "'praise'", "criticism, policy_claim"),
        (f"{path}, row 8:", "'text'", "empty"),
        (f"{path}, row 10:", "'d0.0'", f"{path}, row 1"),
        ("17 rows", "2 documents", " 3 "),
        ("language", "fr 10", "en 7"),
    ):
        assert any(has_facts(line, *values) for line in lines), values


def test_check_warns_of_identical_texts_with_different_labels(tiny_project: Path, tmp_path: Path) -> None:
    rows = tiny_rows(1)
    rows[1] |= {"text": rows[0]["text"], "labels": ["criticism"]}
    rows[0]["labels"] = []
    code, _, err = run("check", write_rows(tmp_path / "c.jsonl", rows), "--codebook", tiny_project / "codebook.yaml")
    assert code == 0
    assert has_facts(err, "warning", "2 rows", "d0.0: none; d0.1: criticism")


def test_errors_end_in_one_line_and_exit_code_1(tmp_path: Path) -> None:
    code, _, err = run("train", tmp_path / "none.yaml")
    assert (code, err.count("\n")) == (1, 1)
    assert "none.yaml: No such file" in err
    assert run("export", tmp_path)[0] == 1


@pytest.mark.slow
class TestLabel:
    """Tests with the shipped model. The tests in `tests/labelling` use models without a network."""

    @pytest.fixture
    def texts(self, tmp_path: Path) -> Path:
        folder = tmp_path / "texts"
        (folder / "sub").mkdir(parents=True)
        (folder / "b.txt").write_text("We strongly condemn this attack. Israel should lift the siege.\n\nThe end.\n")
        (folder / "sub" / "a.md").write_text("# Title\n\n- We *will send* humanitarian aid to the refugees.\n")
        (folder / "ignored.zip").write_bytes(b"%PDF")
        return folder

    def test_a_folder_is_labelled_to_jsonl(self, texts: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.jsonl"
        code, stdout, err = run("label", texts, "-o", out, "--language", "en")
        assert (code, stdout) == (0, ""), err
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        assert [(r["id"], r["document"], r["index"], r["text"]) for r in rows] == [
            ("b:0", "b", 0, "We strongly condemn this attack."),
            ("b:1", "b", 1, "Israel should lift the siege."),
            ("b:2", "b", 2, "The end."),
            ("sub/a:0", "sub/a", 0, "Title"),
            ("sub/a:1", "sub/a", 1, "We will send humanitarian aid to the refugees."),
        ]
        assert "criticism" in rows[0]["labels"]
        assert "policy_claim" in rows[1]["labels"]
        assert "cooperation_pledge" in rows[4]["labels"]
        assert rows[2]["labels"] == rows[3]["labels"] == []
        assert list(rows[0]) == ["id", "document", "index", "language", "text", "labels", "probabilities", "truncated"]
        assert list(rows[0]["probabilities"]) == ["criticism", "policy_claim", "cooperation_pledge"]
        assert rows[0]["language"] == "en"
        assert "5 sentences in 2 documents; criticism " in err
        assert "none 2; languages: en 5; truncated 0" in err

    def test_without_out_a_table_is_printed_and_nothing_is_saved(self, texts: Path) -> None:
        code, out, err = run("label", texts / "b.txt")
        assert code == 0
        assert err.endswith("Nothing was saved. To save the labels, use -o FILE\n")
        assert "We strongly condemn this attack." in out
        assert "criticism" in out

    def test_a_table_keeps_its_columns_and_row_order(self, tmp_path: Path) -> None:
        source = tmp_path / "in.csv"
        source.write_text(
            "\ufeffcountry , sentence,labels,year\r\n"
            'FR,We strongly condemn this attack,old,2020\r\nCN,"fish,\nand grain",,2021\r\n',
            encoding="utf-8",
        )
        out = tmp_path / "out.jsonl"
        code, _, err = run("label", source, "-o", out)
        assert code == 0
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        assert [r["country"] for r in rows] == ["FR", "CN"]
        assert [r["year"] for r in rows] == ["2020", "2021"]
        assert [r["input_labels"] for r in rows] == ["old", ""]
        assert [r["labels"] for r in rows] == [["criticism"], []]
        assert rows[1]["text"] == "fish,\nand grain"
        assert "column 'labels' is kept as 'input_labels'" in err

    def test_rows_of_a_named_text_column_are_split(self, tmp_path: Path) -> None:
        source = write_rows(
            tmp_path / "in.jsonl", [{"body": "We condemn it. We pledge fish.", "n": 7}, {"body": "The port.", "n": 8}]
        )
        out = tmp_path / "out.jsonl"
        assert run("label", source, "-o", out)[0] == 1
        assert run("label", source, "--text-column", "body", "--split", "-o", out)[0] == 0
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        assert [(r["text"], r["n"], r["index"]) for r in rows] == [
            ("We condemn it.", 7, 0),
            ("We pledge fish.", 7, 1),
            ("The port.", 8, 0),
        ]
        assert len({r["id"] for r in rows}) == 3

    def test_csv_and_parquet_outputs_have_labels_and_probabilities(self, tmp_path: Path) -> None:
        source = tmp_path / "in.parquet"
        texts = ["We strongly condemn this attack", "fish"]
        pq.write_table(pa.table({"text": texts, "n": pa.array([1, 2], pa.int16())}), source)
        assert run("label", source, "-o", tmp_path / "out.csv")[0] == 0
        rows = list(csv.DictReader((tmp_path / "out.csv").read_text("utf-8-sig").splitlines()))
        assert [r["labels"] for r in rows] == ["criticism", ""]
        assert float(rows[0]["probability_criticism"]) > 0.5
        assert run("label", source, "-o", tmp_path / "out.parquet")[0] == 0
        table = pq.read_table(tmp_path / "out.parquet")
        assert table["labels"].to_pylist() == [["criticism"], []]
        assert table["n"].type == pa.int16()

    def test_the_labels_of_a_text_do_not_depend_on_its_batch(self, tmp_path: Path) -> None:
        texts = [f"We will send aid to {word} and condemn the siege." for word in ("Mali", "Gaza", "Kharkiv " * 9)]
        found = []
        for n, order in enumerate(([0, 1, 2], [2, 0, 1], [0])):
            source = write_rows(tmp_path / f"in{n}.jsonl", [{"text": texts[i]} for i in order])
            assert run("label", source, "-o", tmp_path / "out.jsonl", "--overwrite")[0] == 0
            rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
            found.append(next(row for row in rows if row["text"] == texts[0]))
        for other in found[1:]:
            assert other["labels"] == found[0]["labels"]
            assert other["probabilities"] == pytest.approx(found[0]["probabilities"], abs=0.02)

    def test_unreadable_rows_are_reported_and_the_others_are_labelled(self, tmp_path: Path) -> None:
        (tmp_path / "in.jsonl").write_text('{"text": "We condemn it"}\nnot json\n{"text": ""}\n')
        code, _, err = run("label", tmp_path / "in.jsonl", "-o", tmp_path / "out.jsonl")
        assert code == 1
        rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
        assert [row["text"] for row in rows] == ["We condemn it", "not json", ""]
        assert ["error" in row for row in rows] == [False, True, False]
        assert "in.jsonl, row 2: not valid JSON" in err
        assert "empty 1" in err
        assert "unreadable 1" in err

    def test_missing_files_and_unknown_suffixes_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "x.pdf").write_bytes(b"")
        for argument in (tmp_path / "x.pdf", tmp_path / "none.txt", tmp_path / "none.csv"):
            code, _, err = run("label", argument)
            assert code == 1
            assert str(argument) in err
        assert run("label", tmp_path, "-o", "out.xls")[0] == 2

    @pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
    def test_an_unreadable_file_in_a_folder_does_not_stop_the_others(self, texts: Path) -> None:
        (texts / "b.txt").chmod(0)
        code, out, err = run("label", texts)
        assert code == 1
        assert "humanitarian aid" in out
        assert "b.txt: Permission denied" in err

    def test_evaluate_writes_json_and_markdown(self, tiny_bundle: Path, tmp_path: Path) -> None:
        rows = tiny_rows(6, seed=77)
        for row in rows:
            row["id"], row["document"] = f"n{row['id']}", f"n{row['document']}"
        corpus = write_rows(tmp_path / "corpus.jsonl", rows)
        code, out, err = run(
            "evaluate", tiny_bundle, corpus, "--exclude", "sampling=enriched", "--json", tmp_path / "r.json",
            "--markdown", tmp_path / "r.md",
        )  # fmt: skip
        assert code == 0, err
        content = json.loads((tmp_path / "r.json").read_text())
        assert content["groups"][0]["n"] == 30
        assert content["model"] == "tiny"
        assert (tmp_path / "r.md").read_text().strip() == out.strip()
        assert "30 rows left out by --exclude" in err
        assert run("evaluate", tiny_bundle, corpus, "--exclude", "color=red")[0] == 2
