"""Tests of `communique train` and `export` that are interrupted or killed at every stage, as real processes.

A process waits at a chosen call, so that no test depends on timing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import PATIENCE, has_facts, succeed, tiny_rows, until, write_rows

from communique.models.folder import read_info, verify_files

pytestmark = pytest.mark.slow

#: Runs a command that waits at the n-th call of a function. The arguments are its module, its name, n, a file that is then created,
#: and those of the command.
WAITING = """
import sys, time
from importlib import import_module
from pathlib import Path

module, name, number, reached, *arguments = sys.argv[1:]
owner, calls = import_module(module), 0
*path, last = name.split(".")
for part in path:
    owner = getattr(owner, part)
original = getattr(owner, last)

def waiting(*args, **options):
    global calls
    calls += 1
    if calls == int(number):
        Path(reached).touch()
        time.sleep(1000)
    return original(*args, **options)

setattr(owner, last, waiting)
from communique.cli.app import app
app(arguments)
"""

#: A call at which a process waits: module, function and number of the call.
Call = tuple[str, str, int]


def stop(call: Call, number: int, folder: Path, *arguments: object) -> str:
    """Run a command until a call, send a signal, check the exit code, and return what the command printed to standard error."""
    reached, errors = folder / "reached", folder / "errors.txt"
    given = [*call[:2], str(call[2]), str(reached), *map(str, arguments)]
    with errors.open("wb") as handle:
        process = subprocess.Popen(
            [sys.executable, "-c", WAITING, *given],
            stdout=subprocess.DEVNULL,
            stderr=handle,
            # A shell may have started the tests so that they ignore SIGINT.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    try:

        def has_reached() -> bool:
            assert process.poll() is None, errors.read_text()
            return reached.exists()

        until(has_reached, "the call was not reached")
        process.send_signal(number)
        assert process.wait(PATIENCE) == (130 if number == signal.SIGINT else -number)
    finally:
        process.kill()
        process.wait()
    said = errors.read_text()
    lines = [line for line in said.splitlines() if line.startswith("stopped")]
    assert (len(lines), "Traceback" in said) == (int(number == signal.SIGINT), False)
    return lines[0] if lines else ""


def parts(folder: Path) -> list[str]:
    """Return the names of files and folders that are being written."""
    return [name for name in os.listdir(folder) if name.startswith(".")]


@pytest.fixture(scope="module")
def tfidf(tmp_path_factory: pytest.TempPathFactory, tiny_project: Path) -> tuple[Path, Callable[[Path], list[object]]]:
    """Return a model that was trained without an interruption, and the arguments that train it."""
    folder = tmp_path_factory.mktemp("tfidf")
    table = write_rows(folder / "table.jsonl", tiny_rows(12))

    def arguments(out: Path) -> list[object]:
        return ["train", table, "--codebook", tiny_project / "codebook.yaml", "--kind", "tfidf", "-o", out]

    succeed(*arguments(folder / "model"))
    return folder / "model", arguments


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize(
    "call",
    [
        ("communique.selection.candidates", "_Baseline.fit", 5),  # a fold
        ("numpy", "savez_compressed", 4),  # the predictions of a fold are being written
        ("communique.baselines.saving", "finish", 1),  # the model is being written
    ],
)
def test_an_interrupted_comparison_resumes_and_ends_with_the_same_model(
    tfidf: tuple[Path, Callable[[Path], list[object]]], tmp_path: Path, call: Call, number: int
) -> None:
    whole, arguments = tfidf
    out = tmp_path / "model"
    line = stop(call, number, tmp_path, *arguments(out))
    assert number == signal.SIGKILL or has_facts(line, "model.steps", "To resume, run the same command")
    assert not out.exists()
    assert number == signal.SIGKILL or not parts(tmp_path)
    assert "resuming from" in succeed(*arguments(out)).stderr
    assert read_info(out).files == read_info(whole).files
    assert not (tmp_path / "model.steps").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize(
    "call",
    [
        ("communique.training.loop", "Trainer.compute_loss", 100),  # a training step
        # The third checkpoint is being written: it has weights and no state yet.
        ("transformers", "Trainer._save_optimizer_and_scheduler", 3),
        ("communique.training.saving", "finish", 1),  # the model is being written
    ],
)
def test_an_interrupted_training_resumes_and_ends_with_the_same_weights(
    tiny_project: Path, tiny_checkpoint: Path, tmp_path: Path, call: Call, number: int
) -> None:
    out = tmp_path / "model"
    arguments = ["train", tiny_project / "recipe.yaml", "-o", out]
    line = stop(call, number, tmp_path, *arguments)
    assert number == signal.SIGKILL or has_facts(line, "model.steps", "To resume, run the same command")
    assert not out.exists()
    assert number == signal.SIGKILL or not parts(tmp_path)
    assert "resuming from" in succeed(*arguments).stderr
    assert (out / "model.safetensors").read_bytes() == (tiny_checkpoint / "model.safetensors").read_bytes()
    verify_files(out, read_info(out))
    assert not (tmp_path / "model.steps").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize(
    "call",
    [
        ("communique.training.export", "quantize", 1),
        ("communique.training.export", "finish", 2),  # the bundle is being written
    ],
)
def test_an_interrupted_export_writes_nothing_and_can_be_repeated(
    tiny_checkpoint: Path, tmp_path: Path, call: Call, number: int
) -> None:
    out = tmp_path / "bundle"
    stop(call, number, tmp_path, "export", tiny_checkpoint, "-o", out)
    assert not out.exists()
    assert number == signal.SIGKILL or not parts(tmp_path)
    succeed("export", tiny_checkpoint, "-o", out)
    verify_files(out, read_info(out, "bundle"))
