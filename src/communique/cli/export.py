"""`communique export`: export a checkpoint to a bundle for CPUs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import cli_errors, note, require_training, show


@cli_errors
def export(
    model: Annotated[Path, typer.Argument(help="Checkpoint folder that `communique train` wrote.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder in which to save the bundle. Default: models/NAME, or models/NAME-int8 if models/NAME is the checkpoint.",
        ),
    ] = None,
    recipe: Annotated[Path | None, typer.Option(help="Recipe of the model, if its tables have moved.")] = None,
    texts: Annotated[
        Path | None,
        typer.Option(help="File or folder with the texts of stand-off labels, if it has moved since training."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing bundle.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Export the model even if its training found that it has learned nothing.")
    ] = False,
) -> None:
    """Export a checkpoint to a bundle that runs fast on CPUs, and compare its labels with those of the checkpoint.

    The parity check refuses an export whose labels differ too much from those of the checkpoint. For example:

        communique export runs/my-model -o models/my-model
    """
    from ..io.output import check_folder
    from ..models.card import render_parity
    from ..models.folder import read_info
    from ..models.info import INFO

    info = read_info(model, "checkpoint")
    folder = out or _default_folder(model, info.name)
    check_folder(folder, inputs=(model, recipe, texts), overwrite=overwrite, marker=INFO)
    require_training("export")
    from ..training.export import export as run

    parity = run(model, folder, recipe=recipe, texts=texts, overwrite=overwrite, force=force)
    show(render_parity(parity))
    note(f"bundle: {folder}")


def _default_folder(model: Path, name: str) -> Path:
    """Return the folder of the bundle. A checkpoint may already be in `models/`, as in a project."""
    folder = Path("models") / name
    return folder if folder.resolve() != model.resolve() else folder.with_name(f"{name}-int8")
