"""One run of a benchmark: train, tune, decide, in a process of its own, so that its peak memory is its own."""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..errors import CommuniqueError, MissingExtraError
from ..metrics.calibration import to_logits
from ..models.classifier import TrainableClassifier, tune_on
from ..reporting.progress import ProgressReporter
from .recipe import ClassifierSettings
from .splits import Sets

#: What to do where memory is short.
NARROWER = "take a smaller batch_size or max_tokens, or free memory"


@dataclass(frozen=True)
class Job:
    """Everything that a run needs.

    `folder` is that of the benchmark's recipe; `work` keeps what an interrupted run resumes from, and caches. `verbose` shows the
    run's progress on the error stream.
    """

    classifier: ClassifierSettings
    seed: int
    sets: Sets
    codebook: Codebook
    folder: Path
    work: Path
    steps: Path
    verbose: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a run found: probabilities and decisions (n, k) of the test rows, and what they cost.

    Memory is the peak resident set in bytes; that of inference is the peak after training, with the trained model in memory.
    """

    probabilities: NDArray[np.float32]
    decisions: NDArray[np.bool_]
    temperature: float
    bias: tuple[float, ...]
    thresholds: tuple[float, ...] | None
    training_seconds: float
    inference_seconds: float
    training_bytes: int
    inference_bytes: int
    resumed: bool
    precision: str | None


def end_with_parent() -> None:
    """End this process when its parent ends, however that happens: a run that nobody waits for would go on for hours."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, name="communique-parent", daemon=True).start()


def work(job: Job) -> Outcome:
    """Do a run.

    Raises:
        CommuniqueError: The classifier cannot run: an extra is missing, an endpoint is not reached, settings are invalid, memory
            is short. What is none of these is told in a line, with a file that has its traceback: other runs go on.
    """
    try:
        return _work(job)
    except CommuniqueError as error:
        # Plain, for the way back to the parent: an error whose arguments differ from its message does not survive pickling.
        raise CommuniqueError(str(error)) from None
    except MemoryError:
        raise CommuniqueError(f"out of memory; {NARROWER}") from None
    except ImportError as error:
        raise CommuniqueError(
            f"module {error.name or '?'!r} cannot be imported ({_line(error)}); install or repair its package, see {_kept(job)}"
        ) from None
    except Exception as error:  # what a classifier or a library of it throws is not known, and ends this run alone
        raise CommuniqueError(
            f"failed with {type(error).__name__} ({_line(error)}); the traceback is in {_kept(job)}; run it again, or report it"
        ) from None


def _line(error: Exception) -> str:
    """Take an error's first line."""
    return next(iter(str(error).splitlines()), "no message")[:200]


def _kept(job: Job) -> Path:
    """Keep the traceback of the error that is being handled, and give its place."""
    path = job.steps.with_suffix(".error.txt")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(traceback.format_exc(), encoding="utf-8")
    return path


def _work(job: Job) -> Outcome:
    sets, codebook = job.sets, job.codebook
    classifier = make_classifier(job)
    # Then the seconds are those of the last part alone.
    resumed = any(job.steps.glob("checkpoint-*"))
    start = time.monotonic()
    classifier.fit(sets.train)
    training_seconds, training_bytes = time.monotonic() - start, peak_bytes()
    tuning = tune_on(classifier, sets.tuning, codebook)
    _reset_peak()
    start = time.monotonic()
    raw = np.asarray(classifier.predict_proba(sets.test.sentences), np.float32)
    inference_seconds, inference_bytes = time.monotonic() - start, peak_bytes()
    if raw.shape != (len(sets.test), len(codebook.names)) or not np.isfinite(raw).all():
        raise CommuniqueError(
            f"classifier {job.classifier.name!r}: probabilities of shape {raw.shape}, {np.isfinite(raw).mean():.0%} finite; "
            f"({len(sets.test)}, {len(codebook.names)}) finite ones are needed"
        )
    logits = to_logits(raw, multilabel=codebook.multilabel)
    return Outcome(
        probabilities=tuning.probabilities(logits),
        decisions=tuning.decide(logits),
        temperature=tuning.temperature,
        bias=tuple(tuning.bias.tolist()),
        thresholds=None if tuning.thresholds is None else tuple(tuning.thresholds.tolist()),
        training_seconds=training_seconds,
        inference_seconds=inference_seconds,
        training_bytes=training_bytes,
        inference_bytes=inference_bytes,
        resumed=resumed,
        precision=getattr(classifier, "precision_", None),
    )


def make_classifier(job: Job) -> TrainableClassifier:
    """Make the classifier of a run; training resumes from `job.steps` where it can."""
    # A reporter cannot be sent to this process, so it makes its own.
    progress = ProgressReporter() if job.verbose else ProgressReporter.silent()
    if job.classifier.kind == "transformer":
        try:
            from transformers.utils import logging

            from ..training.trainer import TransformerClassifier
        except ModuleNotFoundError as error:
            raise MissingExtraError(str(error.name), "train", f"classifier {job.classifier.name!r}") from None
        # This process is the benchmark's own, and a bar per file of weights says nothing.
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        return TransformerClassifier(
            job.classifier.training_recipe(job.seed, job.folder), job.codebook, steps=job.steps, progress=progress
        )
    from ..baselines import make, options

    given = dict(job.classifier.options)
    if job.classifier.cache and "cache" in options(job.classifier.kind):
        # Embeddings are a folder, answers of a chat model one file.
        given["cache"] = job.work / "cache" / "chat.sqlite" if job.classifier.kind == "chat" else job.work / "cache"
    baseline = make(job.classifier.kind, job.codebook, seed=job.seed, **given)
    baseline.progress = progress
    return baseline


def peak_bytes() -> int:
    """Give the peak resident memory of this process since its start, or since `_reset_peak` where that works (Linux)."""
    with suppress(OSError), open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _reset_peak() -> None:
    # 5 resets VmHWM (proc(5)); elsewhere the peak of inference is that of the whole run, an upper bound.
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
