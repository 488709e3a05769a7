"""Run long commands as processes that outlive the server, and report how far they are.

A job is a command such as `communique train` in the folder of the project. Its folder `.app/jobs/ID/` contains the command, its
output and its exit code. A server that starts later finds the jobs of earlier ones there.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from ..errors import DataError, NotFoundError
from ..io.atomic import disk_errors, replacing
from ..project.coding import now
from ..reporting.format import printable
from ..reporting.lines import is_project_command, warning_in
from ..reporting.progress_file import PROGRESS_FILE, RunState, read_state
from .ids import is_id, new_id
from .run_job import CANCELLED, EXIT, JOB, LOCK, LOG, PID, PROGRESS, STARTING
from .store import APP_FOLDER

#: Folder of the jobs inside the folder of the app.
JOBS = "jobs"

#: Commands that may run as a job.
COMMANDS = frozenset(("label", "train", "sample", "evaluate", "estimate", "status"))

#: Number of bytes at the end of the output that are shown.
_TAIL = 8000

#: Seconds after which a process that never locked its folder counts as ended.
_START = 60.0

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")

State = Literal["running", "done", "failed", "cancelled", "interrupted"]


@dataclass(frozen=True)
class Job:
    """A command that runs or ran.

    Attributes:
        id: Its id.
        command: Name of the command, or of work that is no command.
        arguments: Its arguments.
        state: `failed` means that the command reported an error; `interrupted` that its process ended without an exit code, for
            example because the computer was switched off.
        percent: Proportion that is done in percent, or None if it is not known.
        progress: What the command last reported about its progress.
        output: The end of its output, without control characters.
        begun: When it was started.
        exit_code: Its exit code, or None.
        kind: What the job writes. Jobs of the same kind would write the same files, so only one of them runs at a time. None for a
            job whose files are its own.
        expected: Estimate of its duration in seconds by the command, or None.
        stopping: Whether it is still running, but somebody has cancelled it.
        resumable: Whether `resume` continues it.
    """

    id: str
    command: str
    arguments: tuple[str, ...]
    state: State
    percent: int | None
    progress: str
    output: str
    begun: datetime
    exit_code: int | None
    kind: str | None
    expected: float | None = None
    stopping: bool = False

    @property
    def resumable(self) -> bool:
        """Whether the job can be resumed."""
        return self.state in ("failed", "cancelled", "interrupted")

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings in its output, if it is done. They matter for what the user does next."""
        if self.state != "done":
            return ()
        marked = [found for line in self.output.splitlines() if (found := warning_in(line)) is not None]
        return tuple(f"{line[:1].upper()}{line[1:]}" for line in dict.fromkeys(marked))

    @property
    def line(self) -> str | None:
        """The command as it would be typed, or None if the work of the job is no command, such as building the index."""
        return None if self.command not in COMMANDS else shlex.join(("communique", self.command, *self.arguments))


class BusyError(DataError):
    """A job cannot start, because another one of its kind is running."""


class Jobs:
    """The jobs of one project.

    Args:
        project: Folder of the project.
    """

    def __init__(self, project: Path) -> None:
        self._project = project
        self._folder = project / APP_FOLDER / JOBS
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self, command: str, arguments: Sequence[str] = (), *, resume_with: Sequence[str] = (), alone: bool = True
    ) -> Job:
        """Start a command in the folder of the project.

        Args:
            command: Name of the command, one of `COMMANDS`.
            arguments: Its arguments. Values that come from a request must have been checked.
            resume_with: Arguments that are added if the job is resumed, such as `--resume`.
            alone: Whether only one such job may run at a time, because they would write the same files.

        Raises:
            BusyError: Such a job is running.
        """
        if command not in COMMANDS:
            raise ValueError(f"{command!r} cannot run as a job. Allowed: {', '.join(sorted(COMMANDS))}")
        return self._start(command, "communique", [command, *arguments], resume_with, command if alone else None)

    def start_module(self, name: str, module: str, arguments: Sequence[str] = (), *, alone: bool = True) -> Job:
        """Start a module of this package that is no command, such as `communique.app.indexing`.

        Args:
            name: Name of the job for pages.
            module: The module.
            arguments: Its arguments.
            alone: Whether only one such job runs at a time, and only the newest one is kept. If one is running, it is returned, and
                no other one is started.
        """
        if not alone:
            return self._start(name, module, arguments, (), None)
        with self._one_at_a_time():
            if (running := self.running(name)) is not None:
                return running
            # Only the newest run of such a job is of interest.
            for job in self.all():
                if job.command == name:
                    shutil.rmtree(self._of(job.id), ignore_errors=True)
            id = self._launch_new(name, module, arguments, (), name)
        return self.get(id)

    def all(self) -> list[Job]:
        """Return all jobs, from the newest to the oldest."""
        if not self._folder.is_dir():
            return []
        names = sorted((path.name for path in self._folder.iterdir() if (path / JOB).is_file()), reverse=True)
        found = []
        for name in filter(is_id, names):
            with suppress(NotFoundError):  # another server removes old jobs
                found.append(self.get(name))
        return found

    def get(self, id: str) -> Job:
        """Return a job.

        Raises:
            NotFoundError: There is no such job, or its description is damaged.
        """
        folder = self._of(id)
        content = _description(folder)
        output = _tail(folder / LOG)
        found = read_state(folder / PROGRESS) or RunState()
        exit_code = _number(folder / EXIT)
        state = self._state(folder, exit_code)
        return Job(
            id=id,
            command=content["name"],
            arguments=tuple(content["arguments"][1:] if content["module"] == "communique" else content["arguments"]),
            state=state,
            percent=100 if state == "done" else None if found.done is None else round(100 * found.done),
            progress=printable(found.text) or _last_line(output),
            output=output,
            begun=datetime.fromisoformat(content["begun"]),
            exit_code=exit_code,
            kind=content.get("kind"),
            expected=found.expected,
            stopping=state == "running" and (folder / CANCELLED).exists(),
        )

    def running(self, kind: str) -> Job | None:
        """Return the job of a kind that is running, or None."""
        return next((one for one in self.all() if one.state == "running" and one.kind == kind), None)

    def newest(self, kind: str) -> Job | None:
        """Return the newest job of a kind, or None."""
        return next((one for one in self.all() if one.kind == kind), None)

    def cancel(self, id: str) -> Job:
        """Stop a job as Ctrl-C would. It keeps what is finished, and can be resumed.

        Raises:
            NotFoundError: There is no such job.
        """
        folder = self._of(id)
        pid = _number(folder / PID)
        if pid is not None and self._state(folder, _number(folder / EXIT)) == "running":
            (folder / CANCELLED).touch()
            with suppress(ProcessLookupError):  # it has ended in the meantime
                os.kill(pid, getattr(signal, "CTRL_BREAK_EVENT", signal.SIGINT))
        return self.get(id)

    def resume(self, id: str) -> Job:
        """Run the command of a job again, which continues what it had begun.

        Raises:
            NotFoundError: There is no such job.
            BusyError: Another job of its kind is running.
        """
        folder = self._of(id)
        with self._one_at_a_time():
            content = _description(folder)
            if self._state(folder, _number(folder / EXIT)) != "running":
                added = [one for one in content["resume_with"] if one not in content["arguments"]]
                content["arguments"] += added
                self._launch(folder, content)
        return self.get(id)

    def _start(
        self, name: str, module: str, arguments: Sequence[str], resume_with: Sequence[str], kind: str | None
    ) -> Job:
        with self._one_at_a_time():
            id = self._launch_new(name, module, arguments, resume_with, kind)
        return self.get(id)

    def _launch_new(
        self, name: str, module: str, arguments: Sequence[str], resume_with: Sequence[str], kind: str | None
    ) -> str:
        begun = now()
        content = {
            "name": name,
            "module": module,
            "arguments": list(arguments),
            "resume_with": list(resume_with),
            "begun": begun.isoformat(),
            "kind": kind,
        }
        id = new_id(begun)
        self._launch(self._folder / id, content)
        return id

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Keep other requests and other servers from starting a job."""
        with disk_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self._folder / LOCK):
            yield

    def _launch(self, folder: Path, content: dict[str, Any]) -> None:
        """Start the process of a job, unless another job of its kind is running. The caller keeps others from starting one."""
        kind = content.get("kind")
        if kind is not None and (other := self.running(kind)) is not None:
            raise BusyError(f"`communique {other.command}` is running. Wait until it has finished, or cancel it")
        folder.mkdir(exist_ok=True)
        for name in (EXIT, CANCELLED, PID, PROGRESS):
            (folder / name).unlink(missing_ok=True)
        # From the moment at which others see the job, it must count as running.
        (folder / STARTING).touch()
        with replacing(folder / JOB) as handle:
            json.dump(content, handle, ensure_ascii=False, indent=1)
        with (folder / LOG).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "communique.app.run_job", str(folder.resolve())],
                cwd=self._project,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    "PYTHONUNBUFFERED": "1",
                    "NO_COLOR": "1",
                    # Lines of the output are too rare for a page, and more of them would hide the messages.
                    PROGRESS_FILE: str((folder / PROGRESS).resolve()),
                },
                # Ctrl-C in the terminal of the server must not stop the job.
                start_new_session=os.name == "posix",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        (folder / PID).write_text(f"{process.pid}\n", encoding="ascii")
        self._processes[folder.name] = process

    def _state(self, folder: Path, exit_code: int | None) -> State:
        # The process locks its folder first, and then removes the mark of its start. The other order of checks could miss both.
        if exit_code is None and (self._is_starting(folder) or _is_locked(folder)):
            return "running"
        exit_code = _number(folder / EXIT) if exit_code is None else exit_code
        if exit_code == 0:
            return "done"
        if (folder / CANCELLED).exists():
            return "cancelled"
        return "interrupted" if exit_code is None else "failed"

    def _is_starting(self, folder: Path) -> bool:
        """Return whether the process of a job was started and has not locked its folder yet."""
        try:
            age = time.time() - (folder / STARTING).stat().st_mtime
        except OSError:
            return False
        process = self._processes.get(folder.name)
        # Another server may have started the job again in the meantime.
        own = process is not None and process.pid == _number(folder / PID)
        return process.poll() is None if process is not None and own else age < _START

    def _of(self, id: str) -> Path:
        folder = self._folder / id
        if not is_id(id) or not (folder / JOB).is_file():
            raise NotFoundError("There is no such job.")
        return folder


def _description(folder: Path) -> dict[str, Any]:
    """Return how a job was started.

    Raises:
        NotFoundError: There is no such job, or its description is damaged, for example because the power failed.
    """
    try:
        content = json.loads((folder / JOB).read_text(encoding="utf-8"))
        needed = {"name", "module", "arguments", "resume_with", "begun"}
        if isinstance(content, dict) and needed <= content.keys():
            return content
    except (OSError, ValueError):
        pass
    raise NotFoundError("There is no such job.")


def _is_locked(folder: Path) -> bool:
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def _last_line(output: str) -> str:
    """Return the last line of the output that is neither empty, the command, which does not say how far it is, nor in a table.

    It may contain how long the rest will take.
    """
    lines = [line.strip() for line in reversed(output.splitlines())]
    return next((line for line in lines if line and not line.startswith("|") and not is_project_command(line)), "")


def _number(path: Path) -> int | None:
    """Return the number that a file contains, or None if there is no such file."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _tail(path: Path) -> str:
    """Return the end of a file of output without colours and other control characters, or nothing if there is no file."""
    try:
        with path.open("rb") as handle:
            handle.seek(max(0, handle.seek(0, os.SEEK_END) - _TAIL))
            content = handle.read().decode("utf-8", "replace")
    except OSError:
        return ""
    # A carriage return starts the line of a progress bar again.
    lines = (line.rsplit("\r", 1)[-1] for line in _ESCAPES.sub("", content).replace("\r\n", "\n").split("\n"))
    return printable("\n".join(lines))
