"""Labelling of corpora: formats and types, shards and memory, interrupting and resuming, and messages."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import random
import signal
import time
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import FakeModel, label, label_in_a_process, until
from helpers import CODEBOOK

from communique.data.codebook import Codebook
from communique.data.predictions_schema import OUTPUT
from communique.io.paths import find_files
from communique.io.read import open_table
from communique.io.tables import CHUNK, Chunk
from communique.labelling import run
from communique.labelling.label import LabelledShard
from communique.labelling.options import Options
from communique.labelling.reader import ShardReader
from communique.labelling.shard_folder import shards_folder
from communique.reporting.progress import ProgressReporter

TEXTS = ["We condemn it.", "We will send aid.", "Мы требуем мира.", "我们愿意合作。", "We condemn it.", ""]

pytestmark = pytest.mark.usefixtures("fake_network")


def table(n: int = 30) -> pa.Table:
    draw = random.Random(0)
    return pa.table(
        {
            "id": [f"r{i}" for i in range(n)],
            "text": [f"{draw.choice(TEXTS[:4])} {draw.randrange(n // 2)}" for _ in range(n)],
            "year": pa.array([2000 + i % 20 for i in range(n)], pa.int16()),
            "day": pa.array([date(2020, 1, 1 + i % 28) for i in range(n)]),
            "tags": [["a", "b"][: i % 3] for i in range(n)],
            "kind": pa.array([("speech", "note")[i % 2] for i in range(n)]).dictionary_encode(),
            "place": [{"city": "Genève", "lat": i / 7} for i in range(n)],
            "when": pa.array([10**9 * i for i in range(n)], pa.timestamp("ns", "Europe/Paris")),
            "raw": pa.array([b"\xff%d" % i for i in range(n)], pa.binary()),
        }
    )


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    pq.write_table(table(), tmp_path / "in.parquet", row_group_size=7)
    return tmp_path / "in.parquet"


def rows(path: Path) -> list[dict[str, Any]]:
    content = path.read_bytes() if path.suffix == ".jsonl" else pa.input_stream(str(path)).read()
    # str.splitlines would also split at U+2028.
    return [json.loads(line) for line in content.decode().split("\n") if line]


# Formats


def test_parquet_keeps_every_type_and_value(parquet: Path, fake_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    assert label(parquet, "-o", out, "--model", fake_bundle, "--shard-rows", 8)[0] == 0
    given, found = pq.read_table(parquet), pq.read_table(out)
    for name in ("year", "day", "tags", "kind", "place", "when", "raw"):
        assert found.schema.field(name).type == given.schema.field(name).type
        assert found[name].to_pylist() == given[name].to_pylist()
    assert found["id"].to_pylist() == given["id"].to_pylist()
    assert found["text"].to_pylist() == given["text"].to_pylist()
    assert found.schema.names[:8] == [
        "id",
        "document",
        "index",
        "language",
        "text",
        "labels",
        "probabilities",
        "truncated",
    ]
    assert "error" not in found.schema.names
    # One row group per shard.
    groups = pq.ParquetFile(out).metadata
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [8, 8, 8, 6]
    assert set(os.listdir(tmp_path)) == {"in.parquet", "out.parquet"}


def test_a_numeric_id_is_kept_with_its_type(fake_bundle: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": pa.array([7, 8], pa.int32()), "text": ["a b", "c d"]}), tmp_path / "in.parquet")
    assert label(tmp_path / "in.parquet", "-o", tmp_path / "o.parquet", "--model", fake_bundle)[0] == 0
    found = pq.read_table(tmp_path / "o.parquet")
    assert found["id"].to_pylist() == ["7", "8"]
    assert found["input_id"].type == pa.int32()


FORMS = ("csv", "tsv", "jsonl", "csv.gz", "tsv.zst", "jsonl.gz", "jsonl.zst", "parquet", "xlsx")


def write(path: Path, texts: list[str]) -> Path:
    """Write texts and their numbers in any format."""
    form = path.name.split(".", 1)[1]
    if form == "parquet":
        pq.write_table(pa.table({"text": texts, "n": list(range(len(texts)))}), path)
    elif form == "xlsx":
        from openpyxl import Workbook

        book = Workbook()
        for row in [["text", "n"], *([text, n] for n, text in enumerate(texts))]:
            book.active.append(row)
        book.save(path)
    else:
        if form.startswith("jsonl"):
            content = "".join(json.dumps({"text": t, "n": n}, ensure_ascii=False) + "\n" for n, t in enumerate(texts))
        else:
            buffer = io.StringIO()
            writer = csv.writer(buffer, delimiter="\t" if form.startswith("tsv") else ",")
            writer.writerows([["text", "n"], *([text, n] for n, text in enumerate(texts))])
            content = buffer.getvalue()
        with pa.output_stream(str(path), compression="detect") as stream:
            stream.write(content.encode())
    return path


@pytest.mark.parametrize("form", FORMS)
def test_every_input_format_gives_the_same_texts_and_labels(form: str, fake_bundle: Path, tmp_path: Path) -> None:
    source = write(tmp_path / f"in.{form}", TEXTS)
    out = tmp_path / "out.jsonl"
    assert label(source, "-o", out, "--model", fake_bundle)[0] == 0
    found = rows(out)
    assert [row["text"] for row in found] == TEXTS
    assert [str(row["n"]) for row in found] == [str(n) for n in range(len(TEXTS))]
    first = 1 if form.startswith(("jsonl", "parquet")) else 2
    assert [row["id"] for row in found] == [f"in:{n}" for n in range(first, first + len(TEXTS))]
    expected = FakeModel(fake_bundle).predict(list(dict.fromkeys(TEXTS[:5]))).labels
    assert [row["labels"] for row in found] == [*expected, expected[0], []]
    assert set(found[5]["probabilities"].values()) == {None}


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "csv.gz", "tsv.zst", "jsonl.gz", "jsonl.zst", "parquet"])
def test_every_output_format_can_be_read_back(form: str, parquet: Path, fake_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / f"out.{form}"
    assert label(parquet, "-o", out, "--model", fake_bundle, "--shard-rows", 8)[0] == 0
    again = tmp_path / "again.jsonl"
    assert label(out, "-o", again, "--model", fake_bundle, "--shard-rows", 8)[0] == 0
    assert [(r["id"], r["text"]) for r in rows(again)] == list(
        zip(table()["id"].to_pylist(), table()["text"].to_pylist(), strict=True)
    )
    kept = [row["input_labels"] for row in rows(again)]
    joined = ["|".join(labels) for labels in kept] if isinstance(kept[0], list) else kept
    assert joined == ["|".join(row["labels"]) for row in rows(again)]


def test_compressed_outputs_contain_no_time(parquet: Path, fake_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.jsonl.gz"
    label(parquet, "-o", out, "--model", fake_bundle)
    assert out.read_bytes()[4:8] == b"\0\0\0\0"
    assert gzip.decompress(out.read_bytes()).count(b"\n") == 30


def test_json_values_are_kept_unchanged(fake_bundle: Path, tmp_path: Path) -> None:
    values = [2**70, 1.0, 1e-300, True, None, [1, "a"], {"b": [None]}, "\u2028", ""]
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps({"text": "x y", "v": value}) + "\n" for value in values), encoding="utf-8")
    assert label(source, "-o", tmp_path / "o.jsonl", "--model", fake_bundle, "--shard-rows", 2)[0] == 0
    assert [json.dumps(row["v"]) for row in rows(tmp_path / "o.jsonl")] == [json.dumps(value) for value in values]


def test_columns_that_appear_late_or_change_type_have_one_type_in_parquet(fake_bundle: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    lines = [
        {"text": "a b", "n": 1, "m": 1},
        {"text": "c", "n": 2.5, "m": "x"},
        {"text": "d", "late": {"k": 1}},
        {"text": "e", "o": {}},
    ]
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert label(source, "-o", tmp_path / "o.parquet", "--model", fake_bundle, "--shard-rows", 1)[0] == 0
    found = pq.read_table(tmp_path / "o.parquet")
    assert found["n"].to_pylist() == [1.0, 2.5, None, None]
    assert found["m"].to_pylist() == ["1", "x", None, None]
    assert found["late"].to_pylist() == [None, None, {"k": 1}, None]
    assert found["o"].to_pylist() == [None, None, None, "{}"]


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "parquet", "xlsx", "txt"])
def test_standard_input_can_be_labelled_to_standard_output(form: str, fake_bundle: Path, tmp_path: Path) -> None:
    content = b"We condemn it." if form == "txt" else write(tmp_path / f"in.{form}", TEXTS[:4]).read_bytes()
    code, out, err = label("-", "--format", form, "-o", "-", "--model", fake_bundle, stdin=content)
    assert code == 0, err
    found = [json.loads(line) for line in out.decode().splitlines()]
    assert [row["text"] for row in found] == TEXTS[: 1 if form == "txt" else 4]
    assert str(found[0]["id"]).startswith("stdin:")
    code, out, _ = label(
        "-", "--format", form, "-o", "-", "--out-format", "parquet", "--model", fake_bundle, stdin=content
    )
    assert pq.read_table(io.BytesIO(out))["text"].to_pylist() == [row["text"] for row in found]


def test_standard_input_needs_a_format(fake_bundle: Path) -> None:
    code, _, err = label("-", "-o", "-", "--model", fake_bundle, stdin=b"")
    assert code == 1
    assert "-: unknown format. Name one of these with --format: txt, md, " in err
    code, _, err = label("-", "-", "--format", "txt", "-o", "-", "--model", fake_bundle, stdin=b"We condemn it.")
    assert (code, err) == (1, "error: -: named twice, but a stream can be read only once. Name it once\n")
    assert label("-", "--format", "png", "--model", fake_bundle)[0] == 2
    assert label("x.csv", "-o", "-", "--out-format", "docx", "--model", fake_bundle)[0] == 2


def test_saved_datasets_are_read_with_and_without_splits(fake_bundle: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    data = datasets.Dataset.from_dict({"text": TEXTS[:4], "n": [1, 2, 3, 4]})
    data.save_to_disk(tmp_path / "one", num_shards=2)
    datasets.DatasetDict({"train": data, "test": data}).save_to_disk(tmp_path / "two")
    for folder, texts in (("one", TEXTS[:4]), ("two", TEXTS[:4] * 2)):
        out = tmp_path / f"{folder}.jsonl"
        assert label(tmp_path / folder, "-o", out, "--model", fake_bundle)[0] == 0
        assert [row["text"] for row in rows(out)] == texts
        assert len({row["id"] for row in rows(out)}) == len(texts)


def test_tables_in_folders_and_globs_are_read(fake_bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "f"
    (folder / "sub").mkdir(parents=True)
    for name in ("b.csv", "a.jsonl", "sub/a.parquet", "sub/.hidden.csv"):
        write(folder / name, [f"text of {name}"])
    for given in (folder, f"{folder}/**/*.*"):
        assert label(given, "-o", tmp_path / "o.jsonl", "--overwrite", "--model", fake_bundle)[0] == 0
        assert {row["text"] for row in rows(tmp_path / "o.jsonl")} == {
            f"text of {n}" for n in ("a.jsonl", "b.csv", "sub/a.parquet")
        }
    code, _, err = label(f"{folder}/*.pdf", "--model", fake_bundle)
    assert code == 1
    assert "no document or table matches this pattern" in err


def test_tables_next_to_documents_are_reported_and_not_read(fake_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "a.txt").write_text("We condemn it.")
    write(tmp_path / "f" / "m.csv", ["x"])
    code, out, err = label(tmp_path / "f", "-o", "-", "--model", fake_bundle)
    assert (code, out.count(b"\n")) == (0, 1)
    assert "not read: 1 .csv (name these files to read them)" in err


def test_files_with_the_same_name_get_different_ids(fake_bundle: Path, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "x.csv", ["one", "two"])
    write(tmp_path / "x.jsonl", ["three"])
    code, _, err = label(
        tmp_path / "a" / "x.csv", tmp_path / "b" / "x.csv", tmp_path / "x.jsonl", tmp_path / "x.jsonl",
        "-o", tmp_path / "o.jsonl", "--model", fake_bundle,
    )  # fmt: skip
    assert code == 0
    assert len({row["id"] for row in rows(tmp_path / "o.jsonl")}) == 6
    assert len({row["document"] for row in rows(tmp_path / "o.jsonl")}) == 6
    assert "4 files are named 'x', so their ids begin with their paths instead of this name" in err


# Shards


def test_the_input_determines_the_shards_and_equal_texts_are_predicted_once_per_shard(
    fake_bundle: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    source = write(tmp_path / "in.jsonl", [f"text {i % 3}" for i in range(20)] + ["x" * 4000, "y", "z"])
    reader = ShardReader(find_files([source]), Options(shard_rows=8))
    shards: list[LabelledShard] = []
    model = FakeModel(fake_bundle, log=log)
    engine = run.LocalEngine(model)  # type: ignore[arg-type]
    run.label_files(reader, engine, run.StreamSink(shards.append, model.info.labels), ProgressReporter(1, print))
    # A text of 4,000 characters counts as ten rows.
    assert [len(shard.table) for shard in shards] == [8, 8, 5, 2]
    assert log.read_text().split() == ["3", "3", "4", "2"]


def test_a_row_of_many_sentences_stays_in_one_shard(fake_bundle: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", ["We agree. " * 10_000, "Short."])
    code, out, err = label(source, "--split", "--language", "en", "-o", "-", "--model", fake_bundle)
    assert (code, out.count(b"\n")) == (0, 10_001)
    assert "10,001 sentences in 2 documents" in err
    assert "repeated 9999" in err


def test_the_summary_reports_counts_and_warns_that_they_are_not_estimates(fake_bundle: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(
        '{"text": "We condemn the attack."}\n{"text": "We condemn the attack."}\nno\n{"text": " \u200e"}\n{"text": "2024"}\n'
    )
    code, _, err = label(source, "-o", tmp_path / "o.jsonl", "--model", fake_bundle)
    assert code == 1
    assert "Read 5 rows or documents: 3 sentences in 5 documents; criticism " in err
    assert "; languages: en 2, und 1; truncated 0; empty 1; without letters 1 (" in err
    assert (
        "; language unknown 1 (to name it, use --language or a column 'language'); unreadable 1; repeated 1 (50.0% of"
        in err
    )
    assert "run `communique estimate`" in err
    assert [row.get("error") for row in rows(tmp_path / "o.jsonl")][2].startswith(f"{source}, row 3: not valid JSON")  # type: ignore[union-attr]
    assert [row["id"] for row in rows(tmp_path / "o.jsonl")] == [f"in:{i}" for i in range(1, 6)]


def test_the_error_column_follows_the_output_columns(fake_bundle: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("text,n\na b,1\nbroken\nc d,2\n")
    for form in ("csv", "parquet"):
        assert label(source, "-o", tmp_path / f"o.{form}", "--model", fake_bundle, "--shard-rows", 1)[0] == 1
    header = (tmp_path / "o.csv").read_text("utf-8-sig").splitlines()[0]
    assert header.endswith("probability_cooperation_pledge,truncated,error,n")
    found = pq.read_table(tmp_path / "o.parquet")
    assert found["n"].to_pylist() == ["1", None, "2"]
    assert found["text"].to_pylist() == ["a b", "broken", "c d"]
    assert found["error"].to_pylist()[1].startswith(f"{source}, row 3: the row has 1 cell, but the header has 2")


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_a_table_without_rows_gives_an_output_without_rows(form: str, fake_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,n\n")
    assert label(tmp_path / "in.csv", "-o", tmp_path / f"o.{form}", "--model", fake_bundle)[0] == 0
    if form == "parquet":
        assert pq.read_table(tmp_path / "o.parquet").num_rows == 0
    else:
        assert (tmp_path / f"o.{form}").read_bytes().count(b"\n") == (form == "csv")


def test_the_memory_limit_determines_the_shard_size(fake_bundle: Path, parquet: Path, tmp_path: Path) -> None:
    assert run.shard_rows(None) == run.SHARD_ROWS == run.shard_rows(8000)
    small = run.shard_rows(run.BASE_MB + 1000 * run.ROW_MB)
    assert small == 1000
    out = tmp_path / "o.jsonl"
    code, _, err = label(parquet, "-o", out, "--model", fake_bundle, "--memory-limit", "100MB")
    assert code == 1
    assert "--memory-limit 100 MB: labelling needs at least" in err
    assert label(parquet, "-o", out, "--model", fake_bundle, "--memory-limit", "much")[0] == 2
    assert label(parquet, "-o", out, "--model", fake_bundle, "--memory-limit", "2GB")[0] == 0


# Interrupting and resuming


def finished(out: Path) -> int:
    return len(list(shards_folder(out).glob("*.arrow")))


def stop(pid: int, out: Path, shards: int, delay: float, number: signal.Signals = signal.SIGKILL) -> bool:
    """Kill a process after a number of finished shards and a delay. Return whether it was still running."""
    while finished(out) < shards:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return False
        time.sleep(0.002)
    time.sleep(delay)
    if os.waitpid(pid, os.WNOHANG)[0]:
        return False
    os.kill(pid, number)
    os.waitpid(pid, 0)
    return True


@pytest.mark.slow
@pytest.mark.parametrize("form", ["jsonl", "csv.gz", "parquet", "html", "xlsx"])
def test_a_run_that_is_killed_at_random_points_writes_the_same_bytes(
    form: str, fake_bundle: Path, tmp_path: Path
) -> None:
    texts = [f"We condemn {i % 40}. We will send aid." for i in range(300)]
    source = write(tmp_path / "in.jsonl", texts)
    whole, out, log = tmp_path / f"whole.{form}", tmp_path / f"out.{form}", tmp_path / "log"
    options = ("--split", "--language", "en", "--shard-rows", 10, "--model", fake_bundle)
    assert label(source, "-o", whole, *options)[0] == 0
    draw = random.Random(form)
    kills = 0
    while not out.exists():
        pid = label_in_a_process(source, "-o", out, "--resume", *options, delay=0.005, log=log)
        before = finished(out)
        # A kill can come at any point: before the first shard, in the middle of one, or while the output is written.
        kills += (
            stop(pid, out, before + draw.randrange(2), draw.random() * 0.02) if kills < 30 else not os.waitpid(pid, 0)
        )
        assert out.exists() or finished(out) >= before, "a kill lost a finished shard"
        assert not out.exists() or out.read_bytes() == whole.read_bytes()
    assert kills >= 20
    assert out.read_bytes() == whole.read_bytes()
    # There are 30 shards, and each kill repeats at most one of them.
    assert len(log.read_text().split()) <= 30 + kills
    label(source, "-o", out, "--restart", "--overwrite", *options)
    assert out.read_bytes() == whole.read_bytes()
    assert not shards_folder(out).exists()


@pytest.fixture
def stopped(fake_bundle: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Return the input and the output of a run that was killed after two of three shards."""
    source = write(tmp_path / "in.jsonl", [f"text {i}" for i in range(30)])
    out = tmp_path / "out.jsonl"
    arguments = (source, "-o", out, "--shard-rows", 10, "--model", fake_bundle)
    pid = label_in_a_process(*arguments, delay=0.3, log=tmp_path / "log")
    assert stop(pid, out, 2, 0.0)
    assert not out.exists()
    return source, out


def test_finished_shards_are_reported_and_can_be_resumed(stopped: tuple[Path, Path], fake_bundle: Path) -> None:
    source, out = stopped
    arguments = (source, "-o", out, "--shard-rows", 10, "--model", fake_bundle)
    code, _, err = label(*arguments)
    assert code == 1
    assert f"{shards_folder(out)}: the folder has 2 finished shards of an interrupted run" in err
    code, _, err = label(*arguments, "--resume")
    assert code == 0
    assert "Read 30 rows or documents: " in err
    resumed = out.read_bytes()
    code, _, err = label(*arguments, "--resume")
    assert code == 0
    assert "already complete" in err
    assert label(*arguments)[0] == 2
    assert label(*arguments, "--overwrite")[0] == 0
    assert out.read_bytes() == resumed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("model", "different model sha256: "),
        ("codebook", "different model codebook: "),
        ("input", "different input "),
        ("--split", "different option split: False then, True now"),
        ("--language=fr", "different option language: none then, fr now"),
        ("--threads=3", "different option threads: none then, 3 now"),
        ("--shard-rows=11", "different option shard_rows: 10 then, 11 now"),
    ],
)
def test_resuming_with_a_different_model_input_or_option_is_refused(
    stopped: tuple[Path, Path], fake_bundle: Path, tmp_path: Path, change: str, message: str
) -> None:
    from fakes import bundle_folder

    source, out = stopped
    model = fake_bundle
    if change == "model":
        model = bundle_folder(tmp_path / "other", temperature=2.0)
    elif change == "codebook":
        model = bundle_folder(tmp_path / "other", Codebook.model_validate(CODEBOOK | {"version": "2"}))
    elif change == "input":
        source.write_bytes(source.read_bytes().replace(b"text 29", b"text 28"))
    more = [change] if change.startswith("--") else []
    code, _, err = label(source, "-o", out, "--shard-rows", 10, "--model", model, "--resume", *more)
    assert code == 1
    assert f"{shards_folder(out)}: the interrupted run had a {message}" in err
    assert finished(out) == 2


def test_a_damaged_shard_is_labelled_again(stopped: tuple[Path, Path], fake_bundle: Path, tmp_path: Path) -> None:
    source, out = stopped
    arguments = (source, "--shard-rows", 10, "--model", fake_bundle)
    first = shards_folder(out) / "00000.arrow"
    first.write_bytes(first.read_bytes()[:100])
    assert label(*arguments, "-o", out, "--resume")[0] == 0
    assert label(*arguments, "-o", tmp_path / "whole.jsonl")[0] == 0
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_ctrl_c_ends_with_130_and_keeps_finished_shards(fake_bundle: Path, tmp_path: Path) -> None:
    source, out = write(tmp_path / "in.jsonl", [f"text {i}" for i in range(60)]), tmp_path / "out.csv"
    pid = label_in_a_process(
        source, "-o", out, "--shard-rows", 10, "--model", fake_bundle, delay=0.3, log=tmp_path / "log"
    )
    until(lambda: finished(out) >= 1, "no shard was finished", pid=pid)
    os.kill(pid, signal.SIGINT)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 130
    assert finished(out) >= 1
    assert not out.exists()
    assert label(source, "-o", out, "--shard-rows", 10, "--model", fake_bundle, "--resume")[0] == 0


def test_two_processes_cannot_write_the_same_output(fake_bundle: Path, tmp_path: Path) -> None:
    source, out = write(tmp_path / "in.jsonl", [f"text {i}" for i in range(30)]), tmp_path / "out.jsonl"
    arguments = (source, "-o", out, "--shard-rows", 10, "--model", fake_bundle)
    pid = label_in_a_process(*arguments, delay=0.5, log=tmp_path / "log")
    until(lambda: finished(out) >= 1, "no shard was finished", pid=pid)
    code, _, err = label(*arguments)
    assert code == 1
    assert "another process is writing this output" in err
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert len(rows(out)) == 30


def test_a_full_disk_keeps_finished_shards_even_if_the_first_is_unreadable(
    fake_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("broken\n" * 10 + '{"text": "We agree."}\n' * 10)
    arguments = (source, "-o", out, "--shard-rows", 10, "--model", fake_bundle)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(run, "write_shards", full)
        code, _, err = label(*arguments)
    assert (code, "No space left" in err, finished(out), out.exists()) == (1, True, 2, False)
    assert label(*arguments, "--resume")[0] == 1
    assert len(rows(out)) == 20


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_nothing_is_written_to_standard_output_if_nothing_can_be_read(
    form: str, fake_bundle: Path, tmp_path: Path
) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("broken\nbroken\n")
    code, out, err = label(source, "-o", "-", "--out-format", form, "--model", fake_bundle)
    assert code == 1
    assert f"{source}, row 1" in err
    assert b"id,document" not in out
    assert (form == "jsonl") or out == b""


def test_a_column_with_an_internal_name_is_kept(fake_bundle: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps({"text": "a b", "_extra": '{"id": "forged"}'}) + "\n")
    label(source, "-o", tmp_path / "o.jsonl", "--model", fake_bundle)
    assert rows(tmp_path / "o.jsonl")[0]["_extra"] == '{"id": "forged"}'
    label(source, "-o", tmp_path / "o.parquet", "--model", fake_bundle)
    found = pq.read_table(tmp_path / "o.parquet")
    assert found["id"].to_pylist() == ["in:1"]
    assert found["_extra"].to_pylist() == ['{"id": "forged"}']


@pytest.mark.parametrize("before", [1, CHUNK])
@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_a_column_of_any_name_keeps_its_values(form: str, before: int, fake_bundle: Path, tmp_path: Path) -> None:
    """Columns with the name of an output column are renamed, even if a column that appears later already has the new name."""
    names = [*OUTPUT[5:], "error", "probability_criticism", "_own", "_extra", "json", "communique", "", "a"]
    given = {"text": "a b"} | {name: f"mine {i}" for i, name in enumerate(names)}
    source, out = tmp_path / "in.jsonl", tmp_path / f"o.{form}"
    lines = [given] * before + [given | {"input_labels": "late"}]
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert label(source, "-o", out, "--model", fake_bundle)[0] == 0
    with open_table(out) as stream:
        found = [row for chunk in stream.chunks if isinstance(chunk, Chunk) for row in chunk.to_rows()]
    place = {value: column for column, value in found[0].items() if isinstance(value, str)}
    columns = [place[f"mine {i}"] for i in range(len(names))]
    assert not {*columns} & {*OUTPUT, "error", "probability_criticism"}
    for row in found:
        assert [row[column] for column in columns] == [f"mine {i}" for i in range(len(names))]
        assert row["text"] == "a b"
    assert "late" in found[-1].values()
    assert columns[5:9] == ["_own", "_extra", "json", "communique"]


def test_a_very_long_output_name_and_foreign_files_among_the_shards_are_accepted(
    stopped: tuple[Path, Path], fake_bundle: Path, tmp_path: Path
) -> None:
    source, out = stopped
    (shards_folder(out) / "copy.arrow").write_bytes((shards_folder(out) / "00000.arrow").read_bytes())
    pq.write_table(pa.table({"a": [1]}), shards_folder(out) / "00007.arrow")
    arguments = (source, "--shard-rows", 10, "--model", fake_bundle)
    assert label(*arguments, "-o", out, "--resume")[0] == 0
    long = tmp_path / ("n" * 240 + ".jsonl")
    assert label(*arguments, "-o", long)[0] == 0
    assert long.read_bytes() == out.read_bytes()
