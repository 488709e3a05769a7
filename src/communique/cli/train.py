"""`communique train`: train a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import cli_errors, note, require_training


@cli_errors
def train(
    recipe: Annotated[Path, typer.Argument(help="Recipe (YAML).")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Checkpoint folder; runs/<name> without it.")] = None,
    texts: Annotated[Path | None, typer.Option(help="File or folder of texts for stand-off labels.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a checkpoint.")] = False,
) -> None:
    """Train a recipe. The same command after an interruption goes on where it stopped."""
    from ..training.recipe import Recipe

    folder = out or Path("runs") / Recipe.load(recipe).name
    require_training("training")
    from ..reporting.progress import ProgressReporter
    from ..training import distributed
    from ..training.trainer import train as run

    if distributed.rank() > 0:
        from transformers.utils import logging

        # What it says of a backbone the first process says for all.
        logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    written = run(recipe, folder, texts=texts, overwrite=overwrite, progress=ProgressReporter())
    if distributed.rank() == 0:
        note(f"checkpoint: {written}")
