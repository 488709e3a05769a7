"""Test the locks of folders and files."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest
from helpers import PATIENCE, facts

from communique.errors import DataError, OutputError
from communique.io.lock import LOCK, acquire, locked, release, wait_for_lock


def anything(folder: Path) -> None:
    """Accept every folder."""


def test_only_one_process_holds_the_lock_and_the_folder_is_deleted_if_it_is_empty(tmp_path: Path) -> None:
    folder = tmp_path / "out.steps"
    with locked(folder, anything), pytest.raises(DataError, match=facts(folder, "another process", "use -x")):
        acquire(folder, anything, "use -x")
    assert not folder.exists()
    with locked(folder, anything):
        (folder / "kept").touch()
    assert os.listdir(folder) == ["kept"]


def test_a_killed_process_holds_no_lock(tmp_path: Path) -> None:
    folder = tmp_path / "out.steps"
    code = (
        "import sys, time; from pathlib import Path; from communique.io.lock import acquire\n"
        "held = acquire(Path(sys.argv[1]), lambda folder: None); print('held', flush=True); time.sleep(1000)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(DataError, match="another process"):
            acquire(folder, anything)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait(PATIENCE)
    assert os.listdir(folder) == [LOCK]
    with locked(folder, anything):
        pass
    assert not folder.exists()


def test_the_lock_of_a_folder_that_was_created_again_is_not_released(tmp_path: Path) -> None:
    folder = tmp_path / "out.steps"
    first = acquire(folder, anything)
    shutil.rmtree(folder)
    with locked(folder, anything):
        release(folder, first)
        with pytest.raises(DataError, match="another process"):
            acquire(folder, anything)


def test_a_folder_of_somebody_else_is_not_changed(tmp_path: Path) -> None:
    def refuse(folder: Path) -> None:
        raise OutputError(f"{folder}: no")

    with pytest.raises(OutputError):
        acquire(tmp_path, refuse)
    assert not list(tmp_path.iterdir())


def test_a_link_to_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "out.steps"
    folder.symlink_to(tmp_path / "missing")
    with pytest.raises(OutputError, match=facts(folder, "link", "use -x")):
        acquire(folder, anything, "use -x")


def test_a_file_system_without_locks_is_used_without_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(handle: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("communique.io.lock._lock", unsupported)
    with locked(tmp_path / "out.steps", anything):
        pass


@pytest.mark.skipif(os.name != "posix", reason="nothing is locked")
def test_the_lock_of_a_file_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "codings.jsonl"

    def append() -> None:
        with path.open("ab") as handle:
            wait_for_lock(handle)
            handle.write(b"second\n")

    with path.open("ab") as handle:
        wait_for_lock(handle)
        (other := Thread(target=append)).start()
        other.join(0.2)
        assert other.is_alive()
        handle.write(b"first\n")
    other.join(PATIENCE)
    assert path.read_bytes() == b"first\nsecond\n"
