"""How the command line leaves: at once, with its code, and with everything written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_RUN = "import sys; sys.argv = ['communique', {argument!r}]\n{before}\nfrom communique.cli.app import run\nrun()"


def _leave(argument: str, before: str = "", redirect: str = "") -> subprocess.CompletedProcess[str]:
    code = _RUN.format(argument=argument, before=before)
    shell = f'"$0" -c "$1" {redirect}'
    return subprocess.run(
        ["sh", "-c", shell, sys.executable, code], capture_output=True, text=True, timeout=120, check=False
    )


def test_output_is_written_and_the_code_kept() -> None:
    done = _leave("--version")
    assert (done.returncode, done.stdout.split()[0]) == (0, "communique")
    assert _leave("--nonsense").returncode == 2


@pytest.mark.parametrize("redirect", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams_are_no_failure(redirect: str) -> None:
    done = _leave("--version", redirect=redirect)
    assert done.returncode == 0, done.stderr


def test_a_full_disk_behind_standard_output_is_a_failure() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    assert _leave("--help", redirect="> /dev/full").returncode != 0


def test_what_was_registered_for_the_end_is_done(tmp_path: Path) -> None:
    there = tmp_path / "there"
    done = _leave("--version", f"import atexit, pathlib; atexit.register(pathlib.Path({str(there)!r}).touch)")
    assert done.returncode == 0
    assert there.exists()


def test_a_thread_that_is_at_work_is_waited_for(tmp_path: Path) -> None:
    there = tmp_path / "there"
    before = (
        "import pathlib, threading, time\n"
        f"def work(): time.sleep(1); pathlib.Path({str(there)!r}).touch()\n"
        "threading.Thread(target=work).start()"
    )
    assert _leave("--version", before).returncode == 0
    assert there.exists()
