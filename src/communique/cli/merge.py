"""`communique merge`: add coded files and the codings of other copies to a project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import DataError
from ..reporting.format import counted
from .common import cli_errors, note, show

if TYPE_CHECKING:
    from ..project import Merged

#: Maximum number of conflicts that are printed.
SHOWN = 20


@cli_errors
def merge(
    coded: Annotated[
        list[Path],
        typer.Argument(
            help="Coded sheets, exports of Label Studio, doccano or Prodigy, and folders of other copies of the project."
        ),
    ],
    project: Annotated[Path | None, typer.Option(help="Folder of the project. Default: the current folder.")] = None,
) -> None:
    """Add codings to a project. Merging something twice adds nothing.

    If a coder gave different answers for the same sentence, the command lists them. The later answer counts, and the earlier one
    stays in the file of codings.

    For example:

        communique merge sheet-anna.xlsx sheet-ben.xlsx
        communique merge ../copy-from-anna
    """
    from ..project import Project
    from ..project import merge as run
    from ..project.codebooks import changed_codebooks

    opened = Project.open(project or ".")
    merged = run(opened, coded)
    for line in merged.notes:
        note(line)
    if not (merged.added or merged.known) and not any(path.is_dir() for path in coded):
        raise DataError(
            "there are no codings to add. If rows were left out, the notes above say why. All other rows have no labels yet. Have "
            "them coded, with `none` for sentences without a label"
        )
    _show(merged)
    for other in changed_codebooks(opened, opened.log.read().codings):
        note(f"warning: {other}")
    note("To see what is coded and what to do next, run communique status")


def _show(merged: Merged) -> None:
    for name in merged.samples:
        show(f"new sample from the other project: {name}")
    for coder, n in merged.added.items():
        show(f"{coder}: {counted(n, 'new coding')}")
    if not merged.added:
        show("no new codings")
    if merged.known:
        show(f"{counted(merged.known, 'coding')} already in the project")
    if merged.conflicts:
        show(
            f"{counted(len(merged.conflicts), 'different answer')} of the same coder for the same sentence. The later one counts:"
        )
    for conflict in merged.conflicts[:SHOWN]:
        show(f"- {conflict}")
    if len(merged.conflicts) > SHOWN:
        show(f"- and {len(merged.conflicts) - SHOWN} more")
