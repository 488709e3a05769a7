"""Progress: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from communique.reporting.progress import ProgressReporter


class Screen(io.StringIO):
    """A file that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_plain_lines_are_told_now_and_then() -> None:
    lines: list[str] = []
    now = [0.0]
    with ProgressReporter(1000, lines.append, clock=lambda: now[0]) as told:
        told.skipped(200)
        told.begin()
        for step in range(1, 9):
            now[0] += 10
            told.done(200 + step * 100, 50)
    assert lines == ["50%: 150 sentences, 5 a second, 0:00:50 left", "80%: 300 sentences, 5 a second, 0:00:20 left"]


def test_a_terminal_gets_a_bar() -> None:
    screen = Screen()
    with ProgressReporter(100, print, console=Console(file=screen, force_terminal=True, width=100)) as told:
        told.done(50, 10)
    assert "10 sentences" in screen.getvalue()
    assert "50%" in screen.getvalue()


def test_colour_that_is_asked_for_makes_no_bar_in_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    log, lines = io.StringIO(), list[str]()
    now = [0.0]
    with ProgressReporter(1000, lines.append, console=Console(file=log), clock=lambda: now[0]) as told:
        for step in range(1, 9):
            now[0] += 10
            told.done(step * 100, 50)
    assert log.getvalue() == ""
    assert len(lines) == 2
