"""One run of a benchmark: train, tune and predict in a separate process, so that its peak memory can be measured."""

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
from ..models.info import git_commit
from ..reporting.progress import ProgressReporter
from .recipe import ClassifierSettings
from .splits import Sets

#: What to do if memory runs out.
NARROWER = "Set a smaller batch_size or max_tokens, or free memory"


@dataclass(frozen=True)
class Job:
    """Everything that a run requires.

    `folder` is the folder of the benchmark's recipe. `work` is the folder for caches, and `steps` the one for the state from which
    an interrupted run resumes. With `verbose`, the run's progress is shown on standard error.
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
    """The result of a run: probabilities and decisions (n, k) for the test rows, and their costs.

    Memory is the peak resident set size in bytes. For inference it is the peak after training, with the trained model in memory.
    `commit` is that of the source code when the run began.
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
    commit: str | None


def end_with_parent() -> None:
    """End this process when its parent ends for any reason. Otherwise a run whose result nobody needs could continue for hours."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, name="communique-parent", daemon=True).start()


def work(job: Job) -> Outcome:
    """Execute a run.

    Raises:
        CommuniqueError: The run failed, for example because an extra is missing, an endpoint cannot be reached, settings are
            invalid, or memory ran out. For unexpected errors, the message names a file with the traceback.
    """
    try:
        return _work(job)
    except CommuniqueError as error:
        # The error is pickled on the way to the parent, which subclasses whose arguments differ from the message do not support.
        raise CommuniqueError(str(error)) from None
    except MemoryError:
        raise CommuniqueError(f"out of memory. {NARROWER}") from None
    except ImportError as error:
        raise CommuniqueError(
            f"module {error.name or '?'!r} cannot be imported ({_line(error)}). Install or repair its package; the traceback is in "
            f"{_kept(job)}"
        ) from None
    except (
        Exception
    ) as error:  # A classifier or a library that it uses can raise any error, which must not end the other runs.
        raise CommuniqueError(
            f"failed with {type(error).__name__} ({_line(error)}). Run it again, or report it with the traceback in {_kept(job)}"
        ) from None


def _line(error: Exception) -> str:
    """Return the first line of an error's message."""
    return next(iter(str(error).splitlines()), "no message")[:200]


def _kept(job: Job) -> Path:
    """Write the traceback of the error that is being handled to a file, and return its path."""
    path = job.steps.with_suffix(".error.txt")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(traceback.format_exc(), encoding="utf-8")
    return path


def _work(job: Job) -> Outcome:
    sets, codebook = job.sets, job.codebook
    commit = git_commit()
    classifier = make_classifier(job)
    resumed = any(job.steps.glob("checkpoint-*"))
    start = time.monotonic()
    classifier.fit(sets.train)
    # The seconds after the last checkpoint of an interrupted run are not known.
    training_seconds = time.monotonic() - start + getattr(classifier, "earlier_seconds_", 0.0)
    training_bytes = peak_bytes()
    tuning = tune_on(classifier, sets.tuning, codebook)
    _reset_peak()
    start = time.monotonic()
    raw = np.asarray(classifier.predict_proba(sets.test.sentences), np.float32)
    inference_seconds, inference_bytes = time.monotonic() - start, peak_bytes()
    if raw.shape != (len(sets.test), len(codebook.names)) or not np.isfinite(raw).all():
        raise CommuniqueError(
            f"classifier {job.classifier.name!r}: the probabilities have the shape {raw.shape}, and {np.isfinite(raw).mean():.0%} "
            f"of them are finite. The shape must be ({len(sets.test)}, {len(codebook.names)}), and all values must be finite"
        )
    logits = to_logits(raw, multilabel=codebook.multilabel)
    return Outcome(
        probabilities=tuning.probabilities(logits),
        decisions=tuning.decide(logits),
        temperature=tuning.temperature,
        bias=tuple(tuning.bias.tolist()),
        thresholds=tuning.plain_thresholds,
        training_seconds=training_seconds,
        inference_seconds=inference_seconds,
        training_bytes=training_bytes,
        inference_bytes=inference_bytes,
        resumed=resumed,
        precision=getattr(classifier, "precision_", None),
        commit=commit,
    )


def make_classifier(job: Job) -> TrainableClassifier:
    """Build the classifier of a run. The transformer resumes training from `job.steps` if possible."""
    # A reporter cannot be pickled and sent to this process, so a new one is created.
    progress = ProgressReporter() if job.verbose else ProgressReporter.silent()
    if job.classifier.kind == "transformer":
        try:
            from transformers.utils import logging

            from ..training.trainer import TransformerClassifier
        except ModuleNotFoundError as error:
            raise MissingExtraError(str(error.name), "train", f"classifier {job.classifier.name!r}") from None
        # A progress bar for each file of weights would clutter the output of the benchmark.
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        return TransformerClassifier(
            job.classifier.training_recipe(job.seed, job.folder), job.codebook, steps=job.steps, progress=progress
        )
    from ..baselines import make, options

    given = dict(job.classifier.options)
    if job.classifier.cache and "cache" in options(job.classifier.kind):
        # Embeddings are stored in a folder, and answers of a chat model in one file.
        given["cache"] = job.work / "cache" / "chat.sqlite" if job.classifier.kind == "chat" else job.work / "cache"
    baseline = make(job.classifier.kind, job.codebook, seed=job.seed, **given)
    baseline.progress = progress
    return baseline


def peak_bytes() -> int:
    """Return the peak resident memory of this process in bytes since its start, or, on Linux, since the last `_reset_peak`."""
    with suppress(OSError), open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _reset_peak() -> None:
    # Writing 5 resets VmHWM (see proc(5)). On other systems the peak of inference is that of the whole run, an upper bound.
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
