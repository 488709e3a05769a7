"""Tests of progress reports: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from communique.reporting.progress import ProgressReporter
from communique.reporting.progress_file import PROGRESS_FILE, RunState, read_state


class Screen(io.StringIO):
    """A file that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_plain_line_is_printed_every_thirty_seconds() -> None:
    lines: list[str] = []
    now = [0.0]
    with ProgressReporter(1000, lines.append, clock=lambda: now[0]) as progress:
        progress.skipped(200)
        progress.begin()
        for step in range(1, 9):
            now[0] += 10
            progress.done(200 + step * 100, 50)
    assert lines == ["50%: 150 sentences, 5 per second, 0:00:50 left", "80%: 300 sentences, 5 per second, 0:00:20 left"]


def test_progress_is_a_bar_on_a_terminal() -> None:
    screen = Screen()
    with ProgressReporter(100, print, console=Console(file=screen, force_terminal=True, width=100)) as progress:
        progress.done(50, 10)
    assert "10 sentences" in screen.getvalue()
    assert "50%" in screen.getvalue()


def test_forced_colour_draws_no_bar_in_a_log_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    log, lines = io.StringIO(), list[str]()
    now = [0.0]
    with ProgressReporter(1000, lines.append, console=Console(file=log), clock=lambda: now[0]) as progress:
        for step in range(1, 9):
            now[0] += 10
            progress.done(step * 100, 50)
    assert log.getvalue() == ""
    assert len(lines) == 2


def test_steps_report_their_progress() -> None:
    lines: list[str] = []
    now = [0.0]
    for _ in ProgressReporter(line=lines.append, clock=lambda: now[0]).track(range(10), "embedding"):
        now[0] += 20
    assert lines == [
        f"{percent}%: embedding, 0:0{left} left"
        for percent, left in ((20, "2:40"), (40, "2:00"), (60, "1:20"), (80, "0:40"), (100, "0:00"))
    ]


def test_every_update_can_be_a_line() -> None:
    lines: list[str] = []
    now = [0.0]
    progress = ProgressReporter(line=lines.append, clock=lambda: now[0])
    progress.begin()
    for step in (1, 2):
        now[0] += 3
        progress.update(step, 2, f"step {step}", every=0)
    assert lines == ["50%: step 1, 0:00:03 left", "100%: step 2, 0:00:00 left"]


def test_lines_go_to_standard_error_and_a_silent_reporter_prints_none(capfd: pytest.CaptureFixture[str]) -> None:
    for progress in (ProgressReporter(), ProgressReporter.silent()):
        with progress:
            progress.say("loading")
            assert list(progress.track(range(3), "asking")) == [0, 1, 2]
            progress.update(1, 2, every=0)
    captured = capfd.readouterr()
    assert (captured.out, captured.err.splitlines()) == ("", ["loading", "50%: 0:00:00 left"])


def test_each_run_of_steps_has_its_own_bar_on_a_terminal() -> None:
    screen = Screen()
    progress = ProgressReporter(console=Console(file=screen, force_terminal=True, width=100))
    for what in ("embedding", "asking"):
        assert list(progress.track(range(3), what)) == [0, 1, 2]
        assert what in screen.getvalue()


def test_a_detail_is_printed_with_the_proportion_of_this_run_and_states_between_shards_too() -> None:
    now, lines = [0.0], list[str]()
    proportions: list[float] = []

    def detail(proportion: float) -> str:
        proportions.append(proportion)
        return "12 tokens"

    progress = ProgressReporter(1000, lines.append, clock=lambda: now[0], detail=detail)
    progress.skipped(200)
    progress.begin()
    now[0] = 31.0
    progress.done(600, 10)
    assert proportions == [0.5]
    assert "12 tokens" in lines[0]
    progress.state("3 of 4 texts")
    now[0] = 62.0
    progress.state("4 of 4 texts")
    assert lines[1:] == ["4 of 4 texts"]


def test_the_state_is_also_kept_in_a_file_more_often_than_lines_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "progress.json"
    monkeypatch.setenv(PROGRESS_FILE, str(path))
    lines: list[str] = []
    now = [0.0]
    with ProgressReporter(100, lines.append, clock=lambda: now[0]) as progress:
        progress.begin()
        progress.update(1, text="rows")
        assert (state := read_state(path)) is not None
        assert (state.done, state.text.startswith("rows, "), state.expected) == (0.01, True, None)
        now[0] += 0.5
        progress.update(2, text="rows")
        assert read_state(path) == state
        progress.expect(60)
        now[0] += 1
        progress.state("one large document")
        assert read_state(path) == RunState(0.02, "one large document", 60)
    assert lines == []
    # Another part of the same command does not know how long the whole run takes.
    ProgressReporter(None, lines.append).state("writing")
    assert read_state(path) == RunState(None, "writing", 60)
    silent = ProgressReporter.silent()
    silent.update(50, 100)
    silent.expect(1)
    assert read_state(path) == RunState(None, "writing", 60)
    for content in ("", "35%: rows", "[]", '{"done": "x"}'):
        path.write_text(content)
        assert read_state(path) is None
    monkeypatch.setenv(PROGRESS_FILE, str(tmp_path / "missing" / "progress.json"))
    ProgressReporter(100, lines.append).update(1, text="continues without the file")
