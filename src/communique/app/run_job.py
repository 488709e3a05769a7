"""Run a command of the program as a job: `python -m communique.app.run_job FOLDER`.

The process holds a lock in the folder of the job while it runs. The system releases the lock however the process ends, so that
every server can see whether the job is still running. The exit code is written at the end.
"""

from __future__ import annotations

import json
import runpy
import signal
import sys
from pathlib import Path

from filelock import FileLock, Timeout

#: Files in the folder of a job.
JOB, LOG, LOCK, EXIT, PID = "job.json", "log.txt", "lock", "exit.txt", "pid"

#: File in the folder of a job in which its command keeps how far it is.
PROGRESS = "progress.json"

#: Empty files in the folder of a job. They mean that it was started and does not hold its lock yet, and that a user cancelled it.
STARTING, CANCELLED = "starting", "cancelled"

#: Exit code of a job that found the folder locked.
BUSY = 75


def main(folder: Path) -> int:
    """Run the command of a job in this process, and return its exit code."""
    job = json.loads((folder / JOB).read_text(encoding="utf-8"))
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=5)  # a server that checks the lock holds it for a moment
    except Timeout:
        return BUSY
    (folder / STARTING).unlink(missing_ok=True)
    # A server that was started with `nohup` ignores this signal, and would pass that on.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = [job["module"], *job["arguments"]]
    try:
        if (folder / CANCELLED).exists():  # the signal came before this process could receive it
            raise KeyboardInterrupt
        runpy.run_module(job["module"], run_name="__main__", alter_sys=True)
        code: int = 0
    except SystemExit as stopped:
        code = stopped.code if isinstance(stopped.code, int) else int(stopped.code is not None)
    except KeyboardInterrupt:
        code = 130
    (folder / EXIT).write_text(f"{code}\n", encoding="ascii")
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
