"""`communique init`: create the folder of a project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import cli_errors, note, show


@cli_errors
def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the project. It is created if it does not exist.")],
    codebook: Annotated[
        Path | None,
        typer.Option(
            help="Codebook to copy into the project. Default: the codebook.yaml in the folder, otherwise an example to edit."
        ),
    ] = None,
    documents: Annotated[
        list[Path] | None,
        typer.Option(help="File or folder with texts or tables. Can be repeated."),
    ] = None,
    copy: Annotated[
        bool, typer.Option("--copy", help="Copy the documents into the project. Default: refer to them by their path.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="Name of the project. Default: the name of the folder.")] = None,
) -> None:
    """Create a project: a folder for the codebook, samples, codings, models and estimates of one study.

    No existing file is overwritten. In the folder of a project, other commands find their input and output themselves.

    For example:

        communique init housing --documents articles/
        communique init housing --codebook codebook.yaml --documents articles.csv --copy
    """
    from ..project import Project, project_status

    project = Project.create(folder, name=name, codebook=codebook, documents=documents or (), copy=copy)
    note(f"created: {folder}, with the codebook {project.codebook_path}")
    step = project_status(project, agreement=False).next
    show(f"{step.reason}. Next, in the folder {folder}: {step.command}")
