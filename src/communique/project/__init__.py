"""A project: a folder with a codebook, documents, samples, codings, models and estimates."""

from .coding import Coding, CodingLog
from .merge import Conflict, Merged, merge
from .project import Project
from .status import Status, project_status

__all__ = ["Coding", "CodingLog", "Conflict", "Merged", "Project", "Status", "merge", "project_status"]
