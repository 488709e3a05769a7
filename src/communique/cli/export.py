"""`communique export`: export a checkpoint to a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import cli_errors, note, require_training, show


@cli_errors
def export(
    model: Annotated[Path, typer.Argument(help="Checkpoint folder.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Bundle folder. Default: models/NAME.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="The recipe, if its corpora have moved.")] = None,
    texts: Annotated[Path | None, typer.Option(help="Texts of stand-off labels, if they have moved.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing bundle.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Export even a model that has learned nothing, according to its training.")
    ] = False,
) -> None:
    """Export a checkpoint to a bundle for CPUs, and compare the bundle with the checkpoint."""
    from ..io.output import check_folder
    from ..models.card import render_parity
    from ..models.folder import read_info
    from ..models.info import INFO

    info = read_info(model, "checkpoint")
    folder = out or Path("models") / info.name
    check_folder(folder, inputs=(model, recipe, texts), overwrite=overwrite, marker=INFO)
    require_training("export")
    from ..training.export import export as run

    parity = run(model, folder, recipe=recipe, texts=texts, overwrite=overwrite, force=force)
    show(render_parity(parity))
    note(f"bundle: {folder}")
