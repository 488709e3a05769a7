"""Add files that somebody sent to the documents of a project.

Reading takes about a second per megabyte, and other requests would have to wait for it. `python -m communique.app.adding
FOLDER ID` therefore reads the files in a process of its own, as a job.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

from filelock import FileLock

from ..errors import CommuniqueError, DataError
from ..io.atomic import disk_errors, replacing
from ..project import Project
from ..project.coding import now
from ..project.documents import Added, AddedFile, add_documents, check_number
from ..reporting.progress import ProgressReporter
from .ids import is_id, new_id, time_of
from .jobs import Job, Jobs
from .store import APP_FOLDER

#: Name of the job, and the module that it runs.
ADD_JOB, _MODULE = "add documents", "communique.app.adding"

#: Folder of what was sent, inside the folder of the app.
_ADDING = "adding"

#: In the folder of what was sent together: the files, their names, and what happened to them.
_FILES, _NAMES, _RESULT = "files", "names.json", "result.json"

#: File that is locked while files are added. Two jobs at once could add the same file twice.
_LOCK = "lock"

#: Time after which what was sent is deleted, even if it could not be added and the job could be resumed.
_KEPT = timedelta(days=7)

#: Seconds between two checks whether a job has ended.
_EVERY = 0.1


class Additions:
    """The files that were sent to be added to the documents.

    Args:
        project: Folder of the project.
        jobs: The jobs of the project.
    """

    def __init__(self, project: Path, jobs: Jobs) -> None:
        self._folder, self._jobs = project / APP_FOLDER / _ADDING, jobs

    def start(self, files: Sequence[tuple[str, IO[bytes]]]) -> Job:
        """Keep files, and start the job that adds them.

        Args:
            files: Path and content of each file.

        Raises:
            DataError: There are no files or too many, or they cannot be stored.
        """
        check_number(len(files))
        self._delete_old()
        folder = self._folder / new_id(now())
        with disk_errors(folder, "Nothing was added. Make room for the files"):
            try:
                (folder / _FILES).mkdir(parents=True)
                for number, (_, content) in enumerate(files):
                    with (folder / _FILES / str(number)).open("wb") as handle:
                        shutil.copyfileobj(content, handle)
                with replacing(folder / _NAMES) as names:
                    json.dump([name for name, _ in files], names)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        return self._jobs.start_module(ADD_JOB, _MODULE, [".", folder.name], alone=False)

    def wait(self, job: Job) -> Job:
        """Wait until a job has ended, and return it."""
        while job.state == "running":
            time.sleep(_EVERY)
            job = self._jobs.get(job.id)
        return job

    def running(self) -> Job | None:
        """Return the newest job that is running, or None."""
        return next((one for one in self._jobs.all() if one.command == ADD_JOB and one.state == "running"), None)

    def result(self, job: Job) -> Added | None:
        """Return what happened to the files of a job, or None if it was stopped before it had added them.

        Raises:
            DataError: The files cannot be added.
        """
        if job.command != ADD_JOB:
            return None
        try:
            content: dict[str, Any] = json.loads((self._folder / job.arguments[-1] / _RESULT).read_text("utf-8"))
        except FileNotFoundError:
            return None
        if content["problems"]:
            raise DataError(*content["problems"])
        files = tuple(AddedFile(**one | {"notes": tuple(one["notes"])}) for one in content["files"])
        return Added(files, tuple(content["notes"]))

    def _delete_old(self) -> None:
        if not self._folder.is_dir():
            return
        for folder in self._folder.iterdir():
            if is_id(folder.name) and now() - time_of(folder.name) > _KEPT:
                shutil.rmtree(folder, ignore_errors=True)


def add(project: Project, id: str, progress: ProgressReporter) -> Added:
    """Add what was sent to the documents of a project, and record what happened to each file.

    Args:
        project: The project.
        id: Name of the folder in which the files are.
        progress: Receives the progress.

    Raises:
        DataError: Nothing can be added.
        CodebookError: The codebook is invalid.
    """
    folder = project.folder / APP_FOLDER / _ADDING / id
    progress.state("waiting until other files are added")
    with FileLock(folder.parent / _LOCK):
        try:
            names = json.loads((folder / _NAMES).read_text("utf-8"))
            files = [(name, folder / _FILES / str(number)) for number, name in enumerate(names)]
            added = add_documents(project, files, scratch=folder, progress=progress)
        except CommuniqueError as error:
            problems = error.problems if isinstance(error, DataError) else [str(error)]
            _write(folder, Added(()), problems)
            raise
    _write(folder, added, ())
    shutil.rmtree(folder / _FILES, ignore_errors=True)
    return added


def _write(folder: Path, added: Added, problems: Sequence[str]) -> None:
    with replacing(folder / _RESULT) as handle:
        json.dump(asdict(added) | {"problems": list(problems)}, handle)


def main(arguments: Sequence[str]) -> int:
    """Add what was sent to the documents of a project. Return 0, or 1 if nothing can be added."""
    folder, id = arguments
    try:
        added = add(Project.open(folder), id, ProgressReporter())
    except CommuniqueError as error:
        print("error: " + "\n".join(error.lines if isinstance(error, DataError) else [str(error)]), file=sys.stderr)
        return 1
    for line in (*(note for one in added.files for note in one.notes), *added.notes):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
