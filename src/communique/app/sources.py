"""Find a labelled table that a page shows, with what is known about the model that labelled it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from ..data.codebook import Codebook
from ..errors import DataError, NotFoundError
from ..models.info import ModelInfo
from ..project.status import used_to_label
from .context import OpenProject
from .jobs import Job
from .models import ModelChoice
from .tables import LabelledTable
from .texts import TextSet

#: What a page shows: texts that somebody pasted or dropped there, or a table of the project.
Kind = Literal["texts", "tables"]


@dataclass(frozen=True)
class Source:
    """A labelled table, and what is known about the model that labelled it.

    Attributes:
        kind: Whether these are texts of this page or a table of the project.
        name: Name in addresses.
        title: The name that people see.
        path: The table.
        codebook: Codebook of the labels.
        info: Description of the model, or None if it is not known.
        choice: The model, if it is still there.
        texts: The texts of this page, or None.
        job: The job that labels them, or None.
    """

    kind: Kind
    name: str
    title: str
    path: Path
    codebook: Codebook
    info: ModelInfo | None
    choice: ModelChoice | None
    texts: TextSet | None = None
    job: Job | None = None

    @property
    def address(self) -> str:
        """Address of its page."""
        return address_of(self.kind, self.name)


def address_of(kind: Kind, name: str) -> str:
    """Return the address of the page that shows a labelled table."""
    return f"/label/{kind}/{quote(name, safe='')}"


def find_source(opened: OpenProject, kind: Kind, name: str) -> Source:
    """Return a labelled table by its kind and name.

    Its codebook is that of the model that labelled it or, if the project does not contain this model, the codebook in use.

    Raises:
        NotFoundError: There is no such table.
    """
    if kind == "texts":
        texts = opened.texts.get(name)
        found = [
            one for one in opened.models.choices() if one.name == texts.model and one.info.files == texts.info.files
        ]
        job = opened.texts.job_of(texts)
        choice = next(iter(found), None)
        return Source(kind, name, texts.title, texts.table, texts.codebook, texts.info, choice, texts, job)
    return find_table(opened, name, opened.tables.paths())


def find_table(opened: OpenProject, name: str, paths: Mapping[str, Path]) -> Source:
    """Return one of the labelled tables of a project.

    Args:
        opened: The project.
        name: Name of the table.
        paths: The tables by name, as `Tables.paths` lists them.

    Raises:
        NotFoundError: There is no such table.
    """
    if name not in paths:
        raise NotFoundError(
            f"There is no labelled table {name!r} in this project. Tables: {', '.join(paths) or 'none'}"
        )
    path, choice = paths[name], None
    if path in opened.project.labelled():
        made_by = (one for one in opened.models.choices() if used_to_label(path, one.folder))
        choice = next(made_by, None)
    if choice is None:
        return Source("tables", name, name, path, opened.project.codebook, None, None)
    return Source("tables", name, name, path, opened.models.codebook(choice), choice.info, choice)


def open_table(opened: OpenProject, source: Source) -> LabelledTable:
    """Read a labelled table.

    Raises:
        NotFoundError: The texts are not labelled yet.
        DataError: The table cannot be read, or has labels that its codebook does not contain.
    """
    if not source.path.exists():
        raise NotFoundError(f"{source.title}: is not labelled yet.")
    table = opened.tables.open(source.path, source.codebook)
    if unknown := [name for name in table.names if name not in source.codebook.names]:
        raise DataError(
            f"{source.title}: the label {unknown[0]!r} is not in the codebook {source.codebook.title}. Label the texts again, or "
            "restore the codebook"
        )
    return table
