"""Models without a network, and their folders, so that tests of everything around the network are fast."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import typer
from helpers import CUES, TINY
from helpers import until as until
from typer.testing import CliRunner

import communique.load
from communique.cli import label as command
from communique.data.codebook import Codebook
from communique.data.inputs import as_texts
from communique.data.leakage import Fingerprint
from communique.data.sentence import Sentence
from communique.metrics.calibration import decide
from communique.models.folder import finish, read_codebook, read_info
from communique.models.info import INFO, IR, TOKENIZER, WEIGHTS, ModelInfo, TrainingData
from communique.models.predictions import Predictions

runner = CliRunner()


class FakeModel:
    """A model whose probabilities depend on the hash of the text and of the whole batch, so a different batch changes them."""

    def __init__(self, folder: Path, *, delay: float = 0.0, log: Path | None = None) -> None:
        self.info = read_info(folder)
        self.codebook = read_codebook(folder, self.info)
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


class RuleModel:
    """A model whose probabilities are a function of the text. A text that contains the word "cut" counts as truncated.

    Args:
        info: Determines the task and the thresholds.
        codebook: The k labels.
        score: Returns k probabilities for a text. A multiclass model divides them by their sum.
    """

    def __init__(self, info: ModelInfo, codebook: Codebook, score: Callable[[str], Sequence[float]]) -> None:
        self.info, self.codebook, self.score = info, codebook, score
        self.seen: list[str] = []

    def predict(
        self, texts: str | Iterable[str] | Iterable[Sentence], *, languages: Sequence[str] | None = None
    ) -> Predictions:
        given = as_texts(texts)
        self.seen += given
        p = np.array([self.score(text) for text in given], np.float32).reshape(-1, len(self.codebook.names))
        if not self.info.multilabel:
            p = p / p.sum(axis=1, keepdims=True)
        thresholds = None if self.info.thresholds is None else np.array(self.info.thresholds)
        cut = np.array(["cut" in text.split() for text in given], np.bool_)
        return Predictions(self.codebook.names, p, decide(p, thresholds), cut)

    def predict_proba(self, sentences: Sequence[Sentence]) -> Any:
        return self.predict(sentences).probabilities


def cue_scores(text: str) -> list[float]:
    """Return 0.9 for each label of `TINY` whose cue is in the text, and 0.1 for the others."""
    return [0.9 if cue in text else 0.1 for cue in CUES.values()]


def open_cue_model(folder: Path) -> RuleModel:
    """Open a folder as a model that looks for cue words. Use it in place of `load_model`."""
    info = read_info(folder)
    return RuleModel(info, read_codebook(folder, info), cue_scores)


def model_info(codebook: Codebook = TINY, trained_on: Sequence[Sentence] = ()) -> ModelInfo:
    """Return the info of a bundle that was trained on some sentences."""
    fingerprint = Fingerprint.of(trained_on)
    return ModelInfo(
        kind="bundle",
        name="fake",
        version="1",
        description="A test.",
        license="MIT",
        labels=codebook.names,
        task=codebook.task,
        codebook_name=codebook.name,
        codebook_version=codebook.version,
        codebook_sha256=codebook.sha256,
        thresholds=(0.5,) * len(codebook.names) if codebook.multilabel else None,
        temperature=1.5,  # not 1, so that reports compare the calibration before and after
        max_tokens=32,
        recipe={},
        training=TrainingData(
            sentences=len(trained_on),
            documents=len(fingerprint.documents),
            by_language={},
            by_source={},
            by_label={},
            files={},
            document_hashes=tuple(fingerprint.documents),
            text_hashes=tuple(fingerprint.texts),
        ),
        training_seconds=0,
        precision="fp32",
        tuned_on=0,
        versions={},
        commit=None,
        created="2026-01-01",
    )


def bundle_folder(
    folder: Path,
    codebook: Codebook = TINY,
    trained_on: Sequence[Sentence] = (),
    *,
    signed: bool = False,
    **changes: object,
) -> Path:
    """Write a bundle that is complete except for its network. The files of the network and the tokenizer contain one line each.

    Args:
        folder: Folder to write, which must not exist.
        codebook: The codebook.
        trained_on: Sentences that the model was trained on.
        signed: Whether to write the near-duplicate signatures of these sentences.
        **changes: Fields of `bundle.json` to replace without validation.
    """
    folder.mkdir(parents=True)
    for name in (IR, WEIGHTS, TOKENIZER):
        (folder / name).write_text(f"no {name}\n")
    texts = [sentence.text for sentence in trained_on] if signed else None
    info = finish(folder, model_info(codebook, trained_on), codebook, {}, texts)
    if changes:
        (folder / INFO).write_text(json.dumps(info.model_dump(mode="json") | changes))
    return folder


# Fixtures of tests/conftest.py. Test modules that still import their names from here need not.


def label(*arguments: object, stdin: bytes | None = None) -> tuple[int, bytes, str]:
    """Run `communique label`, and return the exit code, standard output and standard error."""
    app = typer.Typer()
    app.command()(command.label)
    result = runner.invoke(app, [str(a) for a in arguments], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout_bytes, result.stderr


def label_in_a_process(*arguments: object, delay: float, log: Path) -> int:
    """Start `communique label` in a new process, and return its id. The process is a fork, so it starts fast."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        # Children inherit ignored signals: SIGINT from a shell that runs the tests in the background, SIGHUP from nohup.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        loading: Any = communique.load
        loading.load_model = lambda folder, *, threads=None, info=None: FakeModel(folder, delay=delay, log=log)
        app = typer.Typer()
        app.command()(command.label)
        code = app([str(a) for a in arguments], standalone_mode=False) or 0
    finally:
        os._exit(code)
