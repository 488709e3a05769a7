"""Run a command in a process of its own, and measure its time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: A process begins with the peak memory of the one that starts it. The command is therefore started by a small process.
_STARTER = """
import json, resource, subprocess, sys, time
with open(sys.argv[1], "wb") as log:
    begin = time.perf_counter()
    code = subprocess.call(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    seconds = time.perf_counter() - begin
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, seconds, used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""


@dataclass(frozen=True)
class Usage:
    """Seconds of wall-clock time and of processor time, and peak resident memory in MB (10^6 bytes)."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def measured(command: Sequence[str], log: Path, folder: Path | None = None) -> Usage:
    """Run a command of `communique`, such as `["label", "in.csv"]`, to its end.

    Args:
        command: The words after `communique`.
        log: File that receives the output.
        folder: Working folder. Default: that of this process.

    Raises:
        SystemExit: The command fails.
    """
    words = [sys.executable, "-c", _STARTER, str(log.resolve()), sys.executable, "-m", "communique", *command]
    done = subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, check=True)
    code, seconds, cpu_seconds, peak = json.loads(done.stdout)
    if code:
        raise SystemExit(
            f"communique {' '.join(command)} failed with exit code {code}:\n{log.read_text(encoding='utf-8')}"
        )
    # Linux reports kilobytes, and macOS bytes.
    return Usage(seconds, cpu_seconds, peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6)
