"""Bad input: each case ends with a clear message, and readable rows are kept."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from bad_input.cases import CASES, ROOT, Case, in_docs
from fakes import bundle_folder, label, label_in_a_process, until
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from communique.errors import BundleError, DataError
from communique.io.encoding import read_text
from communique.io.paths import find_files
from communique.io.read import open_table, read_table
from communique.io.tables import Chunk, Problem
from communique.labelling.options import Options
from communique.labelling.reader import ShardReader
from communique.load import load_model

pytestmark = pytest.mark.usefixtures("fake_network")


@pytest.mark.parametrize(
    "case", [pytest.param(c, id=c.name, marks=[pytest.mark.slow] if c.slow else []) for c in CASES]
)
def test_every_bad_input_has_the_documented_result(case: Case, fake_bundle: Path, tmp_path: Path) -> None:
    arguments = case.make(tmp_path)
    out = tmp_path / "out.jsonl"
    code, _, err = label(*arguments, "-o", out, "--model", fake_bundle, "--language", "en", "--no-split")
    assert code == case.code, err
    assert case.message in err.replace(f"{tmp_path}/", "")
    assert "Traceback" not in err
    assert not (tmp_path / "out.jsonl.shards").exists()
    if case.texts is None:
        assert not out.exists()
        return
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").split("\n") if line]
    labelled = [row["text"] for row in rows if "error" not in row]
    if isinstance(case.texts, int) and "cut off in the middle" in case.name:
        assert len(labelled) >= case.texts
    else:
        assert labelled == case.texts if isinstance(case.texts, list) else len(labelled) == case.texts
    errors = [row for row in rows if "error" in row]
    assert len(errors) == case.errors
    assert all(row["labels"] == [] and set(row["probabilities"].values()) == {None} for row in errors)
    assert len({row["id"] for row in rows}) == len(rows)


def test_case_names_are_unique_and_the_docs_list_every_case() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    text = (ROOT / "docs/reference/bad-input.md").read_text(encoding="utf-8")
    assert text == in_docs(text)


@pytest.mark.parametrize("form", ["csv", "tsv", "parquet", "jsonl.gz"])
@pytest.mark.parametrize("case", [c for c in CASES if c.texts is not None and not c.slow], ids=lambda c: c.name)
def test_every_output_format_has_all_rows_of_bad_input(
    case: Case, form: str, fake_bundle: Path, tmp_path: Path
) -> None:
    arguments = case.make(tmp_path)
    out = tmp_path / f"out.{form}"
    code, _, err = label(*arguments, "-o", out, "--model", fake_bundle, "--language", "en", "--no-split")
    assert code == case.code, err
    expected = (len(case.texts) if isinstance(case.texts, list) else case.texts or 0) + case.errors
    # How much of a damaged compressed file can be read depends on the codec.
    assert len(_rows(out)) >= expected if "cut off in the middle" in case.name else len(_rows(out)) == expected


def _rows(path: Path) -> list[object]:
    return pq.read_table(path).to_pylist() if path.suffix == ".parquet" else [row for _, row in read_table(path).rows]


def test_a_file_that_is_deleted_after_it_was_found_is_reported(fake_bundle: Path, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.txt").write_text("We agree.")
        (tmp_path / f"{name}.csv").write_text("text\nWe agree.\n")
    for ending in ("txt", "csv"):
        reader = ShardReader(find_files([f"{tmp_path}/*.{ending}"]), Options())
        (tmp_path / f"b.{ending}").unlink()
        before, deleted, after = [record.error for shard in reader.shards() for record in shard.records]
        assert before is after is None
        assert str(deleted).startswith(f"{tmp_path}/b.{ending}: no such file")


# Disks


def test_a_full_device_as_standard_output_is_reported(fake_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "We agree."}\n')
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r})\n"
        "import fakes, typer\n"
        "import communique.load\n"
        "communique.load.load_model = lambda folder, *, threads=None, info=None: fakes.FakeModel(folder)\n"
        "app = typer.Typer(); app.command()(fakes.command.label); app()\n"
    )
    arguments = [str(tmp_path / "in.jsonl"), "-o", "-", "--model", str(fake_bundle)]
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.executable, "-c", code, *arguments], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "error: standard output: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_keeps_finished_shards_and_the_run_can_be_resumed(fake_bundle: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps({"text": f"text {i} {os.urandom(64).hex()}"}) + "\n" for i in range(400)))
    arguments = (source, "-o", tmp_path / "out.jsonl", "--shard-rows", 100, "--language", "en", "--model", fake_bundle)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Each shard fits, but the whole output does not.
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
    try:
        code, _, err = label(*arguments)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 1
    assert f"error: {tmp_path / 'out.jsonl'}: File too large. Free some disk space or choose another output" in err
    assert not (tmp_path / "out.jsonl").exists()
    assert label(*arguments, "--resume")[0] == 0
    assert (tmp_path / "out.jsonl").read_bytes().count(b"\n") == 400
    assert set(os.listdir(tmp_path)) == {"in.jsonl", "out.jsonl"}


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a file system in which no file can be created")
def test_an_output_where_no_file_can_be_created_is_refused(fake_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "We agree."}\n')
    code, _, err = label(tmp_path / "in.jsonl", "-o", "/proc/out.jsonl", "--model", fake_bundle)
    assert code == 2
    assert err.startswith("error: /proc/out.jsonl: ")
    assert "Choose a folder in which files can be written" in err


def test_an_output_in_a_missing_folder_or_with_the_name_of_a_folder_is_refused(
    fake_bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "We agree."}\n')
    code, _, err = label(tmp_path / "in.jsonl", "-o", tmp_path / "none" / "o.csv", "--model", fake_bundle)
    assert (code, f"{tmp_path / 'none'} does not exist" in err) == (2, True)
    (tmp_path / "o.csv").mkdir()
    code, _, err = label(tmp_path / "in.jsonl", "-o", tmp_path / "o.csv", "--model", fake_bundle)
    assert (code, "o.csv: is a folder" in err) == (2, True)


# Bundles


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "model.bin").unlink(), "model.bin: the file is missing. Copy the model folder again"),
        (lambda f: os.truncate(f / "model.bin", 3), "model.bin: this is not the file that was saved (SHA-256 differs)"),
        (
            lambda f: (f / "model.xml").write_text("edited"),
            "model.xml: this is not the file that was saved (SHA-256 differs)",
        ),
        (lambda f: (f / "codebook.yaml").unlink(), "codebook.yaml: "),
        (lambda f: (f / "bundle.json").unlink(), "not a model, because it contains no bundle.json"),
        (lambda f: os.truncate(f / "bundle.json", 50), "bundle.json: not JSON"),
        (
            lambda f: (f / "bundle.json").write_text('{"format": 99}'),
            "written by a newer version of communique (format 99",
        ),
        (lambda f: (f / "bundle.json").write_bytes(b"\xff\xfe\0"), "bundle.json: not JSON"),
    ],
)
def test_damaged_bundles_are_reported(
    damage: object, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("communique.load.load_model", load_model)
    bundle = bundle_folder(tmp_path / "bundle")
    damage(bundle)  # type: ignore[operator]
    (tmp_path / "in.jsonl").write_text('{"text": "We agree."}\n')
    with pytest.raises(BundleError):
        load_model(bundle)
    code, _, err = label(tmp_path / "in.jsonl", "-o", tmp_path / "o.csv", "--model", bundle)
    assert code == 1
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1
    assert set(os.listdir(tmp_path)) == {"bundle", "in.jsonl"}


# Fuzzing


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.binary(max_size=400),
        st.text(alphabet='a,;"\t\n\r{}[]:\\u0 éж中\u2028\0', max_size=200).map(
            lambda t: t.encode("utf-8", "surrogatepass")
        ),
        st.text(max_size=100).map(lambda t: t.encode("utf-16", "surrogatepass")),
    ),
    ending=st.sampled_from(["csv", "tsv", "jsonl", "csv.gz", "jsonl.zst", "parquet", "xlsx", "arrow"]),
)
def test_readers_return_rows_and_problems_or_raise_an_error_of_one_line(
    content: bytes, ending: str, tmp_path: Path
) -> None:
    path = tmp_path / f"x.{ending}"
    path.write_bytes(content)
    numbers: list[int] = []
    refused = ""
    try:
        with open_table(path) as stream:
            for chunk in stream.chunks:
                numbers += [chunk.number] if isinstance(chunk, Problem) else list(chunk.numbers)
                if isinstance(chunk, Chunk):
                    assert all(isinstance(row, dict) for row in chunk.to_rows())
            assert 0 <= stream.position() <= 1
    except DataError as error:
        refused = str(error)
    assert numbers == sorted(set(numbers))
    assert not refused or refused.startswith(str(path))
    assert "\n" not in refused


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=200), encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_unicode_text_is_read_as_it_was_written(text: str, encoding: str, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(text.encode(encoding))
    # UTF-8 with NUL characters may be UTF-16 without a byte order mark.
    assume(encoding != "utf-8" or "\0" not in text)
    # The byte order mark of UTF-16 and a NUL character together equal that of UTF-32.
    assume(encoding != "utf-16" or not text.startswith("\0"))
    assert read_text(tmp_path / "x.txt") == (text.removeprefix("\ufeff") if encoding == "utf-8" else text, [])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "text": st.one_of(
                    st.text(max_size=30), st.none(), st.integers(), st.lists(st.text(max_size=3), max_size=2)
                )
            },
            optional={
                "n": st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
                "labels": st.text(max_size=3),
            },
        ),
        max_size=6,
    ),
    form=st.sampled_from(["jsonl", "csv", "parquet"]),
)
def test_the_output_has_every_row_whatever_its_values(
    rows: list[dict[str, object]], form: str, fake_bundle: Path, tmp_path: Path
) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / f"out.{form}"
    code, _, err = label(source, "-o", out, "--model", fake_bundle, "--shard-rows", 2, "--restart")
    unreadable = sum(isinstance(row["text"], list) for row in rows)
    if unreadable < len(rows):
        assert code == (unreadable > 0), err
        assert len(_rows(out)) == len(rows)
    else:
        assert code == 1
        assert err.startswith("error: ")
    out.unlink(missing_ok=True)


def test_a_killed_process_leaves_no_lock(fake_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "We agree."}\n')
    arguments = (tmp_path / "in.jsonl", "-o", tmp_path / "o.jsonl", "--model", fake_bundle)
    pid = label_in_a_process(*arguments, delay=60, log=tmp_path / "log")
    until((tmp_path / "log").exists, "the model was not called")
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    assert label(*arguments)[0] == 0
