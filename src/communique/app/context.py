"""What the routes share: the project with its index, its jobs and its coding desk, and the model of the API."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, cast

from fastapi import Depends, Request

from ..errors import NotFoundError
from ..load import load_model
from ..models.classifier import Classifier
from ..project import Project
from ..project.coding import now
from .adding import Additions
from .coding import Desk
from .examples import Finder
from .indexing import is_current
from .jobs import Job, Jobs
from .models import Models
from .monitoring import Metrics
from .store import Store
from .tables import Tables
from .texts import Texts

#: Name of the job that builds the index.
INDEX_JOB = "index"

#: Time after which building the index is tried again if it failed.
RETRY = timedelta(minutes=1)


class OpenProject:
    """A project with its index, its jobs, its coding desk, its models, similar sentences, labelled tables and added files.

    Args:
        project: The project.
        model: Folder of the model that is offered in addition to those of the project. Default: the shipped model.
    """

    def __init__(self, project: Project, model: Path | None = None) -> None:
        self.project = project
        self.store = Store(project.folder)
        self.jobs = Jobs(project.folder)
        self.desk = Desk(project, self.store)
        self.models = Models(project, model)
        self.tables = Tables(project)
        self.examples = Finder(project, self.models)
        self.texts = Texts(project.folder, self.models, self.jobs)
        self.additions = Additions(project.folder, self.jobs)
        self._refreshing = threading.Lock()

    def refresh(self) -> None:
        """Index codings that were added elsewhere, and start building the index again if the documents changed."""
        self.desk.refresh()
        # Two requests at once would start two jobs, and each of them removes the traces of the other.
        with self._refreshing:
            if self._last_build() is None and not is_current(self.project, self.store):
                self.jobs.start_module(INDEX_JOB, "communique.app.indexing", ["."])

    def is_indexing(self) -> bool:
        """Return whether the index is being built, or will be in a few seconds."""
        last = self._last_build()
        return not is_current(self.project, self.store) if last is None else last.state == "running"

    def _last_build(self) -> Job | None:
        """Return the job because of which no other one builds the index: it is running, or it failed lately. Otherwise None."""
        last = self.jobs.newest(INDEX_JOB)
        return last if last is not None and (last.state == "running" or _failed_lately(last)) else None


def _failed_lately(job: Job) -> bool:
    # Pages refresh every few seconds, and each refresh would start a job that fails in the same way.
    return job.state == "failed" and now() - job.begun < RETRY


@dataclass
class Context:
    """What the routes share.

    Attributes:
        opened: The project, or None for a server without one.
        model: Folder of the model of the API. Default: the shipped model.
        metrics: Counts of requests.
    """

    opened: OpenProject | None
    model: Path | None = None
    metrics: Metrics = field(default_factory=Metrics)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def classifier(self) -> Classifier:
        """Return the model of the API. It is loaded when it is first needed."""
        with self._lock:
            return self._classifier

    @cached_property
    def _classifier(self) -> Classifier:
        return load_model(self.model)


def get_context(request: Request) -> Context:
    """Return what the routes share."""
    return cast(Context, request.app.state.context)


def get_project(request: Request) -> OpenProject:
    """Return the project.

    Raises:
        NotFoundError: The server has no project.
    """
    opened = get_context(request).opened
    if opened is None:
        raise NotFoundError("This server has no project. Start it with `communique app PROJECT`")
    return opened


#: Parameters of routes.
ContextArg = Annotated[Context, Depends(get_context)]
ProjectArg = Annotated[OpenProject, Depends(get_project)]
