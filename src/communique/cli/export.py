"""`communique export`: export a checkpoint to a bundle for CPUs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .common import EncodingOption, TextColumn, cli_errors, note, require_training, show

if TYPE_CHECKING:
    from ..data.codebook import Codebook
    from ..labelling.reading import TextReading


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
    new_texts: Annotated[
        list[str] | None,
        typer.Option(
            help="Documents or tables with texts that did not train the model. The parity check compares the predictions for them "
            "too. Can be repeated.",
            show_default=False,
        ),
    ] = None,
    text_column: TextColumn = None,
    encoding: EncodingOption = None,
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
    from ..labelling.reading import TextReading
    from ..models.card import render_parity
    from ..models.folder import read_codebook, read_info
    from ..models.info import INFO

    info = read_info(model, "checkpoint")
    folder = out or _default_folder(model, info.name)
    check_folder(folder, inputs=(model, recipe, texts, *(new_texts or ())), overwrite=overwrite, marker=INFO)
    require_training("export")
    from ..training.export import export as run

    reading = TextReading(text_column=text_column, encoding=encoding)
    if not new_texts and reading != TextReading():
        raise typer.BadParameter(
            "these options say how new texts are read, but there are none. Name them with --new-texts, or omit the options",
            param_hint="--text-column, --encoding",
        )
    sentences = _read_new_texts(new_texts, reading, read_codebook(model, info)) if new_texts else ()
    parity = run(model, folder, recipe=recipe, texts=texts, new_texts=sentences, overwrite=overwrite, force=force)
    show(render_parity(parity))
    for row in parity.new_texts.rows if parity.new_texts else ():
        if row.differs:
            note(
                f"warning: on the new texts, the export predicts {row.label} for {row.export} sentences, but the checkpoint for "
                f"{row.checkpoint}. Check these labels by hand, or use the checkpoint itself"
            )
    if parity.new_texts is None and not info.held_out:
        note(
            "the export was compared with the checkpoint only on rows that trained the model. To compare them on other texts, add "
            "--new-texts"
        )
    note(f"bundle: {folder}")


def _read_new_texts(paths: list[str], reading: TextReading, codebook: Codebook) -> list[str]:
    """Read the sentences of documents and tables, and report what was found and left out."""
    from ..labelling.unlabelled import read_texts

    found = read_texts(paths, codebook, reading)
    for line in found.notes:
        note(line)
    return [text or "" for text in found.population.texts.to_pylist()]


def _default_folder(model: Path, name: str) -> Path:
    """Return the folder of the bundle. A checkpoint may already be in `models/`, as in a project."""
    folder = Path("models") / name
    return folder if folder.resolve() != model.resolve() else folder.with_name(f"{name}-int8")
