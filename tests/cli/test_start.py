"""Tests of the command line as a process: streams, signals and unexpected errors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT, run

from communique.cli import common

COMMAND = [sys.executable, "-m", "communique"]


def start(shell: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a shell line in which $C is the command. Only `environment` changes the default encoding."""
    kept = {k: v for k, v in os.environ.items() if k not in ("COMMUNIQUE_DEBUG", "PYTHONIOENCODING", "PYTHONUTF8")}
    known = kept | {"C": " ".join(COMMAND), "PYTHONPATH": str(ROOT / "src")} | environment
    return subprocess.run(["bash", "-c", shell], cwd=folder, env=known, capture_output=True, timeout=250)


@pytest.fixture
def codebook(tmp_path: Path) -> Path:
    path = tmp_path / "zh.csv"
    path.write_text("text,labels,document\n我们谴责这次袭击,none,中国\n", encoding="utf-8")
    os.link(path, tmp_path / "中国é.csv")
    with open(os.fsencode(tmp_path) + b"/bad\xff.csv", "wb") as handle:
        handle.write(path.read_bytes())
    return path


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("$C check zh.csv >&-", 1),
        ("$C check zh.csv <&-", 0),
        ("$C check zh.csv 2>&-", 0),
        ("$C check zh.csv >&- 2>&- <&-", 1),
        ("$C check zh.csv > /dev/full", 1),
        ("$C check bad*.csv", 1),
        ("$C check none中国é.csv", 1),
        ("$C label - <&-", 1),
    ],
)
@pytest.mark.parametrize(
    "encoding", [{"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, {"PYTHONIOENCODING": "cp1252"}]
)
def test_closed_and_full_streams_end_in_one_line(
    line: str, code: int, encoding: dict[str, str], codebook: Path
) -> None:
    result = start(line, codebook.parent, **encoding)
    assert b"Traceback" not in result.stderr, result.stderr
    assert result.returncode == code, result.stderr
    if code and "2>&-" not in line:
        assert result.stderr.startswith(b"error: "), result.stderr
        assert result.stderr.count(b"\n") == 1, result.stderr


def test_a_broken_pipe_ends_quietly(codebook: Path) -> None:
    result = start("$C check zh.csv | true; echo ${PIPESTATUS[0]}", codebook.parent)
    assert result.stdout.strip() in (b"0", b"1")
    assert not result.stderr


def test_a_full_temporary_folder_ends_in_one_line(codebook: Path) -> None:
    result = start("yes We condemn it. | head -100 | $C label - -o out.jsonl", codebook.parent, TMPDIR="/dev/full")
    assert result.returncode in (0, 1), result.stderr
    assert b"Traceback" not in result.stderr


def test_a_copy_of_standard_input_that_does_not_fit_ends_in_one_line(tmp_path: Path) -> None:
    """A limit on the size of files simulates a full disk."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    line = "ulimit -f 40; yes We condemn it. | head -9000 | $C label - --format txt -o out.jsonl; echo $?"
    result = start(line, tmp_path, TMPDIR=str(temporary))
    assert result.stdout == b"1\n"
    assert result.stderr.startswith(b"error: -: "), result.stderr
    assert b"TMPDIR" in result.stderr
    assert result.stderr.count(b"\n") == 1, result.stderr
    assert [*tmp_path.iterdir(), *temporary.iterdir()] == [temporary]


@pytest.mark.parametrize("line", [1, 40, 150])
def test_ctrl_c_while_modules_are_imported_ends_in_one_line(line: int) -> None:
    # With -X importtime, Python prints a line after each import.
    code = "from communique.cli.start import run; run()"
    kept = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-X", "importtime", "-c", code, "label", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=kept) as process:
        assert process.stderr is not None
        while b"communique.cli.start" not in process.stderr.readline():
            assert process.poll() is None
        for _ in range(line):
            process.stderr.readline()
        process.send_signal(signal.SIGINT)
        err = process.stderr.read()
        assert process.wait(timeout=100) == 130
    assert b"Traceback" not in err
    assert b"stopped\n" in err


@pytest.mark.parametrize(
    "code",
    [
        # Ctrl-C while the first module is imported.
        "import sys\nclass Interrupted:\n  def find_spec(self, name, *_):\n    if name == 'signal': raise KeyboardInterrupt\n"
        "sys.modules.pop('signal', None)\nsys.meta_path.insert(0, Interrupted())\nimport communique.cli.start",
        # Ctrl-C before the command.
        "import os, signal, typer.main\nfrom communique.cli.start import run\n"
        "typer.main.get_command = lambda *_: os.kill(os.getpid(), signal.SIGINT)\nrun()",
        # Ctrl-C after the command.
        "import os, signal, sys\nfrom communique.cli.start import run\n"
        "sys.exit = lambda *_: os.kill(os.getpid(), signal.SIGINT)\nsys.argv[1:] = ['--version']\nrun()",
    ],
)
def test_ctrl_c_around_a_command_ends_in_one_line(code: str) -> None:
    kept = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, env=kept, timeout=100)
    assert (result.returncode, result.stderr) == (130, b"stopped\n")


def test_files_with_non_ascii_names_are_read_in_the_c_locale(codebook: Path) -> None:
    result = start("$C check 中国é.csv", codebook.parent, LC_ALL="C")
    assert result.returncode == 0, result.stderr


def test_an_unexpected_error_is_one_line_that_explains_how_to_see_the_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise KeyError("\x1b[2Jsurprise")

    monkeypatch.setattr("communique.data.codebook.Codebook.load", fail)
    monkeypatch.delenv(common.DEBUG, raising=False)
    result = run("check", "x.csv")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "\x1b" not in result.stderr
    for part in ("error: unexpected error", "KeyError", "surprise", "COMMUNIQUE_DEBUG=1"):
        assert part in result.stderr
    monkeypatch.setenv(common.DEBUG, "1")
    with pytest.raises(KeyError):
        run("check", "x.csv")


def test_a_full_disk_ends_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device", "/tmp/x\x1b")

    monkeypatch.setattr("communique.data.codebook.Codebook.load", fail)
    monkeypatch.delenv(common.DEBUG, raising=False)
    assert run("check", "x.csv")[::2] == (1, "error: /tmp/x\\x1b: No space left on device\n")
