"""A model without a network, and the folder of one, so that everything around the network is tested in a moment."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import typer
import yaml
from helpers import CODEBOOK
from typer.testing import CliRunner

import communique.load
from communique.cli import label as command
from communique.data.codebook import Codebook
from communique.data.inputs import as_texts
from communique.io.atomic import file_sha256
from communique.models.folder import read_info
from communique.models.info import FORMAT
from communique.models.predictor import Predictions

runner = CliRunner()


class FakeModel:
    """Probabilities from a text's hash, and from that of the whole batch, so that another batch gives other bytes."""

    def __init__(self, folder: Path, *, delay: float = 0.0, log: Path | None = None) -> None:
        self.info = read_info(folder)
        self.codebook = Codebook.load(folder / "codebook.yaml")
        self.delay, self.log = delay, log

    def predict(self, given: Sequence[str], *, languages: Sequence[str] | None = None) -> Predictions:
        texts = as_texts(given)
        if self.log is not None:
            with self.log.open("a") as handle:
                handle.write(f"{len(texts)}\n")
        time.sleep(self.delay)
        batch = hashlib.sha256("\0".join(texts).encode("utf-8", "replace")).digest()
        digests = [hashlib.sha256(text.encode("utf-8", "replace") + batch).digest() for text in texts]
        k = len(self.codebook.names)
        probabilities = np.array([[b / 255 for b in d[:k]] for d in digests], np.float32).reshape(len(texts), k)
        cut = np.array([len(text) > 2000 for text in texts], np.bool_)
        return Predictions(self.codebook.names, probabilities, probabilities > 0.5, cut)


def bundle_folder(folder: Path, **changes: object) -> Path:
    """Write a bundle that is whole but for a network: its IR and tokenizer are a line each."""
    folder.mkdir(parents=True)
    (folder / "codebook.yaml").write_text(yaml.safe_dump(CODEBOOK))
    for name in ("model.xml", "model.bin", "tokenizer.json"):
        (folder / name).write_text(f"no {name}\n")
    codebook = Codebook.load(folder / "codebook.yaml")
    names = ("codebook.yaml", "model.xml", "model.bin", "tokenizer.json")
    training = {"sentences": 1, "documents": 1, "by_language": {}, "by_source": {}, "by_label": {}, "files": {}}
    info = {
        "format": FORMAT,
        "kind": "bundle",
        "name": "fake",
        "version": "1",
        "description": "A test.",
        "license": "MIT",
        "labels": codebook.names,
        "task": "multilabel",
        "codebook_name": "tiny",
        "codebook_version": "1",
        "codebook_sha256": codebook.sha256,
        "thresholds": [0.5] * len(codebook.names),
        "temperature": 1.0,
        "max_tokens": 32,
        "recipe": {},
        "training": training | {"document_hashes": [], "text_hashes": []},
        "training_seconds": 0.0,
        "precision": "fp32",
        "tuned_on": 0,
        "versions": {},
        "commit": None,
        "created": "2026-01-01",
        "files": {name: file_sha256(folder / name) for name in names},
    }
    (folder / "bundle.json").write_text(json.dumps(info | changes))
    return folder


@pytest.fixture(scope="session")
def fake_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle_folder(tmp_path_factory.mktemp("fake") / "bundle")


@pytest.fixture
def fake_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open every folder as a `FakeModel`."""
    monkeypatch.setattr("communique.load.load_model", lambda folder, *, threads=None: FakeModel(folder))


def label(*arguments: object, stdin: bytes | None = None) -> tuple[int, bytes, str]:
    """Run `communique label`: exit code, standard output, error stream."""
    app = typer.Typer()
    app.command()(command.label)
    result = runner.invoke(app, [str(a) for a in arguments], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout_bytes, result.stderr


def until(condition: Callable[[], bool], message: str, *, pid: int | None = None, seconds: float = 300) -> None:
    """Wait for a condition; fail if a process ends before, or after so many seconds, which a busy machine may need."""
    limit = time.monotonic() + seconds
    while not condition():
        assert pid is None or not os.waitpid(pid, os.WNOHANG)[0], f"the process ended: {message}"
        assert time.monotonic() < limit, f"after {seconds} s: {message}"
        time.sleep(0.002)


def label_in_a_process(*arguments: object, delay: float, log: Path) -> int:
    """Start `communique label` in a process of its own and give its id; a fork, so that it starts in a moment."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        # A shell that starts the tests in the background has SIGINT ignored, and children inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        communique.load.load_model = lambda folder, *, threads=None: FakeModel(folder, delay=delay, log=log)
        app = typer.Typer()
        app.command()(command.label)
        code = app([str(a) for a in arguments], standalone_mode=False) or 0
    finally:
        os._exit(code)
