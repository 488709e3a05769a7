"""Measure and report the progress of a training. Requires the extra `train`."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import transformers
from transformers.trainer_callback import ExportableState

from ..reporting.progress import ProgressReporter


class Clock(transformers.TrainerCallback, ExportableState):
    """Measure the seconds of a training and store them in each of its checkpoints, so that those of a resumed run can be added.

    Args:
        earlier: Seconds of the training before this run.
    """

    def __init__(self, earlier: float) -> None:
        self.earlier, self._start = earlier, time.monotonic()

    @property
    def seconds(self) -> float:
        """The seconds of this run and of earlier ones."""
        return self.earlier + time.monotonic() - self._start

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Make the trainer store the seconds even if it resumed from a checkpoint of an older version, which has none."""
        state.stateful_callbacks.setdefault(type(self).__name__, self.state())

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint stores."""
        return {"seconds": self.seconds}

    @classmethod
    def read(cls, checkpoint: Path | None) -> float:
        """Return the seconds that a checkpoint stores, or 0 if it stores none, as those of older versions."""
        if checkpoint is None:
            return 0.0
        stored = json.loads((checkpoint / "trainer_state.json").read_bytes()).get("stateful_callbacks") or {}
        return float(stored.get(cls.__name__, {}).get("seconds", 0.0))


class LogCallback(transformers.TrainerCallback):
    """Report the training loss every few steps, and the validation score after each epoch."""

    def __init__(self, progress: ProgressReporter) -> None:
        self.progress = progress

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock. The steps of an interrupted run do not count towards the rate."""
        self.progress.skipped(state.global_step)
        self.progress.begin()

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, float] | None = None, **_: Any) -> None:
        """Report a training loss or a validation score."""
        logs = logs or {}
        if "loss" in logs:
            step, steps = state.global_step, state.max_steps
            # Every loss is printed, so that log files contain the complete record.
            self.progress.update(step, steps, f"step {step}/{steps}, loss {logs['loss']:.4f}", every=0)
        elif "eval_macro_f1" in logs:
            score = logs["eval_macro_f1"]
            shown = "not defined" if math.isnan(score) else f"{score:.3f} at threshold 0.5"
            self.progress.say(f"epoch {logs['epoch']:.1f}: validation macro-F1 {shown}, loss {logs['eval_loss']:.4f}")
