"""Progress of long runs: a bar on a terminal, or a plain line every half minute elsewhere.

The command line creates a reporter and passes it to the library. Without a reporter, the library prints nothing.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from .format import one_line
from .progress_file import PROGRESS_FILE, change_state

Step = TypeVar("Step")

#: Minimum number of seconds between two plain lines.
EVERY = 30.0

#: Minimum number of seconds between two changes of the file in which the state of the run is kept.
FILE_EVERY = 1.0


def error_line(line: str) -> None:
    """Print a line to standard error."""
    print(one_line(line), file=sys.stderr, flush=True)


class ProgressReporter:
    """Report the progress of a long run on standard error.

    Args:
        total: Size of the whole run in any unit, such as bytes or steps. None if it is not known yet.
        line: Function that prints a plain line. None for a silent reporter.
        console: The terminal. Default: standard error.
        clock: Function that returns the time in seconds.
        detail: Function that returns a further description of the state, such as the cost so far. Its argument is the proportion of
            the work of this run that is done.
    """

    def __init__(
        self,
        total: float | None = None,
        line: Callable[[str], None] | None = error_line,
        *,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
        detail: Callable[[float], str] = lambda proportion: "",
    ) -> None:
        self._detail = detail
        self._total, self._line, self._clock = total, line, clock
        self._bar = None if line is None else _bar(console or Console(stderr=True))
        self._task = self._bar.add_task("starting", total=total) if self._bar else None
        self._begin: float | None = None
        self._first = self._position = 0.0
        self._last_line = clock()
        named = None if line is None else os.environ.get(PROGRESS_FILE)
        self._file = None if named is None else Path(named)
        self._last_write = -math.inf
        self._sentences = 0

    @classmethod
    def silent(cls) -> Self:
        """Return a reporter that prints nothing."""
        return cls(line=None)

    @property
    def is_silent(self) -> bool:
        """Whether the reporter prints nothing."""
        return self._line is None

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, line: str) -> None:
        """Print a message."""
        if self._line is not None:
            self._line(line)

    def expect(self, seconds: float) -> None:
        """Record how long the whole run will probably take, for programs that show it. Messages are for people."""
        if self._file is not None:
            change_state(self._file, expected=seconds)

    def skipped(self, position: float) -> None:
        """Record that an earlier run finished everything up to a position. The rate does not include that part."""
        self._first = self._position = position
        self._draw(position, "finished before" if position else "starting")

    def begin(self) -> None:
        """Start the clock if it is not running yet. Call this when everything is loaded and the work begins."""
        if self._begin is None:
            self._begin = self._clock()

    def done(self, position: float, sentences: int) -> None:
        """Record that a shard was labelled.

        Args:
            position: Byte of the input at which the shard ends. Rows are not counted in advance, so the unit is bytes.
            sentences: Number of sentences in the shard.
        """
        self._sentences += sentences
        text = f"{self._sentences:,} sentences, {self._sentences / self._seconds():,.0f} per second"
        done = (position - self._first) / max(1.0, (self._total or 0.0) - self._first)
        text = ", ".join(filter(None, (text, self._detail(done))))
        # No line after the last shard, because the summary follows.
        self.update(position, text=text, every=EVERY if position < (self._total or 0) else math.inf)

    def update(self, position: float, total: float | None = None, text: str = "", *, every: float = EVERY) -> None:
        """Show how much of the run is done.

        Args:
            position: How much is done, in the same unit as the total.
            total: Size of the whole run. Default: the previous value.
            text: Short description of the current state.
            every: Minimum number of seconds since the last plain line.
        """
        self._total = self._total if total is None else total
        self._position = position
        now = self._clock()
        text = ", ".join(part for part in (text, f"{_clock_time(self.seconds_left(position))} left") if part)
        self._draw(position, text)
        if self._bar is None and now - self._last_line >= every and self._total:
            self.say(f"{position / self._total:.0%}: {text}")
            self._last_line = now

    def state(self, text: str) -> None:
        """Describe what is happening within a part of the run that takes long, such as a shard."""
        self._draw(self._position, text)
        now = self._clock()
        if self._bar is None and now - self._last_line >= EVERY:
            self.say(text)
            self._last_line = now

    def track(self, steps: Sequence[Step], what: str) -> Iterator[Step]:
        """Yield the steps and show how many are done. A single step is not shown."""
        if self.is_silent or len(steps) < 2:
            yield from steps
            return
        self._total, self._first, self._begin = len(steps), 0.0, self._clock()
        self._last_line = self._begin
        self._draw(0, what)
        with self:
            for number, step in enumerate(steps, 1):
                yield step
                self.update(number, text=what)

    def seconds_left(self, position: float) -> float:
        """Estimate the remaining time in seconds from the rate so far."""
        return max(0.0, (self._total or 0.0) - position) * self._seconds() / max(1.0, position - self._first)

    def _seconds(self) -> float:
        self.begin()
        return max(1e-6, self._clock() - (self._begin or 0.0))

    def _draw(self, position: float, text: str) -> None:
        now = self._clock()
        if self._file is not None and now - self._last_write >= FILE_EVERY:
            done = min(1.0, position / self._total) if self._total else None
            change_state(self._file, done=done, text=one_line(text))
            self._last_write = now
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=position, description=one_line(text), total=self._total)


def _bar(console: Console) -> Progress | None:
    """Return a progress bar if the console is a terminal."""
    # FORCE_COLOR makes rich treat a log file as a terminal. The bar would then be written to the file again and again.
    if not (console.is_terminal and console.file.isatty()):
        return None
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}", markup=False))
    return Progress(*columns, console=console, transient=True)


def _clock_time(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
