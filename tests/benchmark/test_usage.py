"""Test the measurement of commands: time, memory and failures."""

from __future__ import annotations

from pathlib import Path

import pytest
from usage import measured


@pytest.mark.slow
def test_a_command_is_measured_and_a_failure_is_reported(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    used = measured(["--help"], log)
    assert "estimate" in log.read_text(encoding="utf-8")
    assert used.cpu_seconds > 0
    assert used.seconds > 0
    assert 5 < used.peak_mb < 5000
    with pytest.raises(SystemExit, match="no-such-command"):
        measured(["no-such-command"], log, tmp_path)
