"""Test that output files and folders appear complete or not at all."""

from __future__ import annotations

import gzip
import os
import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from communique.data.codebook import Codebook
from communique.errors import DataError, OutputError
from communique.io.atomic import disk_errors, new_folder, replacing


def interrupt(path: Path, content: str | bytes) -> None:
    before = path.read_bytes() if path.exists() else None
    with replacing(path, "wb" if isinstance(content, bytes) else "w") as handle:
        handle.write(content)
        handle.flush()
        assert (path.read_bytes() if path.exists() else None) == before
        raise KeyboardInterrupt


def test_replacing_writes_the_whole_file_or_keeps_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        interrupt(path, "half of the new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.txt"]
    with replacing(path) as handle:
        handle.write("neu: ü\r\n")
    assert path.read_bytes() == "neu: ü\r\n".encode()
    assert os.listdir(tmp_path) == ["out.txt"]


def test_an_interrupted_replacement_leaves_no_new_file(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupt(tmp_path / "out.bin", b"x")
    assert os.listdir(tmp_path) == []


def test_a_replacement_has_the_permissions_of_an_ordinary_file(tmp_path: Path) -> None:
    with replacing(tmp_path / "out.txt") as handle:
        handle.write("x")
    (tmp_path / "ordinary.txt").write_text("x")
    assert (tmp_path / "out.txt").stat().st_mode == (tmp_path / "ordinary.txt").stat().st_mode


def test_a_replacement_is_flushed_to_disk_before_it_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for name in ("fsync", "replace"):

        def recorded(*arguments: Any, name: str = name, original: Any = getattr(os, name)) -> Any:  # noqa: B008
            calls.append(name)
            return original(*arguments)

        monkeypatch.setattr(os, name, recorded)
    with replacing(tmp_path / "out.txt.gz", "wb") as handle, gzip.open(handle, "wb") as compressed:
        compressed.write(b"x")
        handle.flush()
    assert calls == ["fsync", "replace", "fsync"], "flush the file, rename it, flush the folder"
    assert gzip.decompress((tmp_path / "out.txt.gz").read_bytes()) == b"x"


def test_replacing_puts_the_temporary_file_into_the_named_folder(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    with replacing(tmp_path / "out.txt", folder=tmp_path / "parts") as handle:
        handle.write("x")
        assert os.listdir(tmp_path) == ["parts"]
        (part,) = (tmp_path / "parts").glob("*.part")
    assert not part.exists()
    assert (tmp_path / "out.txt").read_text() == "x"


def test_a_disk_error_has_a_message_of_one_line(tmp_path: Path) -> None:
    path = tmp_path / "absent" / "out.txt"
    with pytest.raises(DataError, match=r"out\.txt: No such file or directory\. Free some disk space"), replacing(path):
        pass
    with pytest.raises(DataError, match=r"out\.txt: No space left on device\. Do this$"), disk_errors(path, "Do this"):
        raise OSError(28, "No space left on device")
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=r"file is not a folder"), folder_of_a_model(tmp_path / "file" / "model"):
        pass


folder_of_a_model = partial(new_folder, marker="bundle.json")


def half_a_folder(path: Path) -> None:
    with folder_of_a_model(path, replace=True) as folder:
        (folder / "half").write_text("x")
        raise KeyboardInterrupt


def test_a_new_folder_appears_complete_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        half_a_folder(tmp_path / "model")
    assert os.listdir(tmp_path) == []
    with folder_of_a_model(tmp_path / "model") as folder:
        (folder / "bundle.json").write_text("old")
    with (
        pytest.raises(OutputError, match=r"model: already exists\. .* --overwrite"),
        folder_of_a_model(tmp_path / "model"),
    ):
        pass
    with pytest.raises(KeyboardInterrupt):
        half_a_folder(tmp_path / "model")
    assert (tmp_path / "model" / "bundle.json").read_text() == "old"
    with folder_of_a_model(tmp_path / "model", replace=True) as folder:
        (folder / "other").write_text("new")
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "other"]


def test_a_folder_of_other_files_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("precious")
    with (
        pytest.raises(OutputError, match="contains other files"),
        folder_of_a_model(tmp_path / "thesis", replace=True),
    ):
        pass
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "precious"


def test_replacing_follows_links_and_keeps_permissions(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real" / "out.txt", tmp_path / "link.txt"
    real.write_text("old")
    real.chmod(0o600)
    link.symlink_to(real)
    with replacing(link) as handle:
        handle.write("new")
    assert (link.is_symlink(), real.read_text(), real.stat().st_mode & 0o777) == (True, "new", 0o600)
    assert os.listdir(tmp_path / "real") == ["out.txt"]


def test_replacing_writes_into_a_pipe(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    with replacing(pipe) as handle:
        handle.write("through")
    reader.join()
    assert read == ["through"]
    assert pipe.is_fifo()


def test_replacing_writes_to_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    for name in ("-", "/dev/stdout"):
        with replacing(name) as text:
            text.write("é\n")
        with replacing(name, "wb") as handle:
            handle.write(b"b\n")
    assert capfdbinary.readouterr().out == "é\nb\né\nb\n".encode()
    assert not Path("-").exists()


def test_the_old_codebook_is_kept_if_the_new_one_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = [{"name": name, "definition": name} for name in ("a", "b")]
    codebook = Codebook.model_validate({"name": "tiny", "version": "1", "task": "multilabel", "labels": labels})
    path = tmp_path / "codebook.yaml"
    codebook.dump(path)

    def full(*names: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(DataError, match=r"codebook\.yaml: No space left on device"):
        codebook.model_copy(update={"version": "2"}).dump(path)
    assert Codebook.load(path) == codebook
    assert os.listdir(tmp_path) == ["codebook.yaml"]


def test_an_error_of_a_library_on_a_full_disk_says_that_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill() -> None:
        with folder_of_a_model(tmp_path / "model"):
            raise RuntimeError("iostream error")

    with pytest.raises(RuntimeError, match="iostream error"):
        fill()
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=4096))
    with pytest.raises(DataError, match=r"model: No space left on device\. Free some disk space"):
        fill()
    assert os.listdir(tmp_path) == []


def test_a_new_folder_that_cannot_be_filled_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(DataError, match=r"model: No space left on device\. Free some disk space"),
        folder_of_a_model(tmp_path / "model"),
    ):
        raise OSError(28, "No space left on device")
    assert os.listdir(tmp_path) == []


def test_an_error_about_another_file_is_not_one_about_the_new_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), folder_of_a_model(tmp_path / "model"):
        (tmp_path / "missing").read_bytes()
    assert os.listdir(tmp_path) == []
