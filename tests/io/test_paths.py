"""Test that pipes are read as input files."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from communique.errors import DataError
from communique.io.paths import find_files, list_files


@contextmanager
def pipe(path: Path, content: bytes) -> Iterator[Path]:
    """Create a named pipe to which another thread writes."""
    path.parent.mkdir()
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=[content], daemon=True)
    writer.start()
    yield path
    writer.join(5)


def test_two_pipes_with_the_same_name_are_two_files(tmp_path: Path) -> None:
    with (
        pipe(tmp_path / "a" / "rows", b"We condemn it.") as first,
        pipe(tmp_path / "b" / "rows", b"We help.") as second,
    ):
        found = find_files([first, second], file_format="txt", spool=tmp_path / "spool")
    assert [file.path.read_bytes() for file in found.files] == [b"We condemn it.", b"We help."]
    # Ids begin with the path that the user typed, not with the path of the copy, which differs between runs.
    assert [file.name for file in found.files] == [str(first), str(second)]


def test_a_pipe_named_twice_is_rejected(tmp_path: Path) -> None:
    with pipe(tmp_path / "a" / "rows", b"We condemn it.") as path, pytest.raises(DataError, match="named twice"):
        find_files([path, path], file_format="txt", spool=tmp_path / "spool")


def test_lock_files_of_excel_are_not_read(tmp_path: Path) -> None:
    for name in ("a.csv", "~$a.csv"):
        (tmp_path / name).write_text("text\n")
    assert list_files(tmp_path) == list_files(str(tmp_path / "*.csv")) == [tmp_path / "a.csv"]
