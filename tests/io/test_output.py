"""Test which outputs may be written. The rules are the same for every command."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers import has_facts

from communique.errors import OutputError
from communique.io.output import check_files_in, check_folder, check_outputs
from communique.io.paths import files_below


def refused(*outputs: Any, inputs: Any = (), overwrite: bool = False) -> str:
    with pytest.raises(OutputError) as caught:
        check_outputs(outputs, inputs=inputs, overwrite=overwrite)
    return str(caught.value)


def test_an_existing_file_is_replaced_only_with_overwrite(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    check_outputs([out, None])
    out.write_text("old")
    assert has_facts(refused(out), out, "already exists", "--overwrite")
    check_outputs([out], overwrite=True)
    assert out.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.json"]


@pytest.mark.parametrize("name", ["a.csv", "./a.csv", "x/../a.csv", "link.csv", "hard.csv", "into/a.csv"])
def test_an_input_is_never_an_output_under_any_of_its_names(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("text\nx\n")
    Path("x").mkdir()
    Path("link.csv").symlink_to("a.csv")
    Path("hard.csv").hardlink_to("a.csv")
    Path("into").symlink_to(".")
    # The message must not suggest --overwrite, which would not help.
    for overwrite in (False, True):
        message = refused(name, inputs=["-", "*.txt", "x", "a.csv"], overwrite=overwrite)
        assert has_facts(message, name, "also an input")
        assert "--overwrite" not in message


def test_folders_devices_and_missing_folders_are_rejected(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to("loop")
    for path, reason in (
        (tmp_path, "is a folder"),
        (Path("/dev/null"), "is a device"),
        (tmp_path / "absent" / "out.csv", "does not exist"),
        (tmp_path / "file" / "out.csv", "Not a directory"),
        (tmp_path / "loop", "symbolic link"),
        (tmp_path / ("n" * 300), "too long"),
        (Path("/proc/out.csv"), "Choose a folder in which files can be written"),
    ):
        for overwrite in (False, True):
            assert has_facts(refused(path, overwrite=overwrite), path, reason)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other limits")
def test_a_name_is_refused_if_the_files_next_to_the_output_would_have_too_long_names(tmp_path: Path) -> None:
    short = tmp_path / ("n" * 255)
    for length in (241, 256):
        with pytest.raises(OutputError, match="too long"):
            check_folder(tmp_path / ("n" * length), overwrite=False, marker="x")
    check_folder(tmp_path / ("n" * 240), overwrite=False, marker="x")
    check_files_in(short, ["*.csv"], overwrite=False)
    with pytest.raises(OutputError, match="too long"):
        check_files_in(f"{short}n", ["*.csv"], overwrite=False)
    assert has_facts(refused(short), "too long")
    check_outputs([tmp_path / ("n" * 248)])


def test_streams_may_always_be_written(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    read, write = os.pipe()
    check_outputs(["-", "/dev/stdout", tmp_path / "pipe.csv", f"/dev/fd/{write}"])
    os.close(read)
    os.close(write)


def test_standard_output_redirected_to_an_input_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("{}\n")
    with source.open("a") as redirected:
        monkeypatch.setattr(sys, "stdout", redirected)
        assert "standard output" in refused("-", inputs=[source])
        assert source in check_outputs(["-"])


def test_two_outputs_must_be_different_files(tmp_path: Path) -> None:
    (tmp_path / "b.md").symlink_to("a.md")
    assert has_facts(refused(tmp_path / "a.md", tmp_path / "b.md"), "b.md", "two outputs")


def test_a_command_does_not_read_its_own_outputs_and_shards(tmp_path: Path) -> None:
    for name in ("out.csv", "out.csv.shards/run.json", "other.csv.shards/run.json", "my.shards/a.csv", "in.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    outputs = check_outputs([tmp_path / "out.csv"], overwrite=True)
    found = files_below(tmp_path)[0]
    assert [path.name for path in found if path not in outputs] == ["in.csv", "a.csv"]


def test_a_folder_that_contains_an_input_is_not_replaced(tmp_path: Path) -> None:
    for name in ("runs/x/bundle.json", "runs/bundle.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    for folder in (tmp_path / "runs" / "x", tmp_path / "runs"):
        with pytest.raises(OutputError, match="contains the input"):
            check_folder(folder, inputs=[tmp_path / "runs" / "x"], overwrite=True, marker="bundle.json")
    check_folder(tmp_path / "runs" / "x", overwrite=True, marker="bundle.json")
    check_folder(tmp_path / "a" / "b", overwrite=False, marker="bundle.json")
    assert not (tmp_path / "a").exists()


def test_files_may_be_written_into_a_folder_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("mine")
    check_files_in(tmp_path, ["methods.md", "*.csv"], overwrite=False)
    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(OutputError, match=r"a\.csv: already exists"):
        check_files_in(tmp_path, ["methods.md", "*.csv"], overwrite=False)
    check_files_in(tmp_path, ["methods.md", "*.csv"], overwrite=True)
    with pytest.raises(OutputError, match="also an input"):
        check_files_in(tmp_path, ["*.csv"], inputs=[tmp_path / "a.csv"], overwrite=True)
    with pytest.raises(OutputError, match="is not a folder"):
        check_files_in(tmp_path / "a.csv", ["*.csv"], overwrite=True)
