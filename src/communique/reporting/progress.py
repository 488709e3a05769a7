"""Show how far a long run is: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

#: Seconds between plain lines.
EVERY = 30.0


class ProgressReporter:
    """Progress of labelling on the error stream.

    Args:
        total: Bytes of the input.
        line: How a plain line is told.
        console: The terminal, or what stands for it; the error stream where None.
        clock: Seconds, for the rate.
    """

    def __init__(
        self,
        total: float,
        line: Callable[[str], None],
        *,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._line, self._clock = total, line, clock
        console = console or Console(stderr=True)
        columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"))
        # FORCE_COLOR makes rich take a log for a terminal; a bar would be written into it again and again.
        shows = console.is_terminal and console.file.isatty()
        self._bar = Progress(*columns, console=console, transient=True) if shows else None
        self._task = self._bar.add_task("starting", total=total) if self._bar else None
        self._begin: float | None = None
        self._last_line = clock()
        self._from = 0.0
        self._sentences = 0

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def skipped(self, position: float) -> None:
        """Take note of a shard that an earlier run finished: it is no part of the rate."""
        self._from = position
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=position, description="finished before")

    def begin(self) -> None:
        """Start the clock: the model is loaded and the first shard to label is read."""
        if self._begin is None:
            self._begin = self._clock()

    def done(self, position: float, sentences: int) -> None:
        """Take note of a labelled shard that ends at a byte of the input."""
        now = self._clock()
        self._sentences += sentences
        seconds = max(1e-6, now - (now if self._begin is None else self._begin))
        # Bytes, not rows: nobody has counted the rows of a file before its end.
        left = (self._total - position) * seconds / max(1.0, position - self._from)
        text = f"{self._sentences:,} sentences, {self._sentences / seconds:,.0f} a second, {_clock_time(left)} left"
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=position, description=text)
        elif now - self._last_line >= EVERY and position < self._total:
            self._line(f"{position / self._total:.0%}: {text}")
            self._last_line = now


def _clock_time(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
