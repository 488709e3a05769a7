"""`communique label`: label text."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ._shared import note, told


@told
def label(
    paths: Annotated[list[Path], typer.Argument(help="Text or Markdown files, folders of them, or tables.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write .jsonl, .csv or .parquet.")] = None,
    model: Annotated[Path | None, typer.Option(help="Folder of a bundle; the shipped model without it.")] = None,
    text_column: Annotated[str | None, typer.Option(help="A table's column of texts.")] = None,
    split: Annotated[bool, typer.Option("--split", help="Split the rows of tables into sentences.")] = False,
    language: Annotated[
        str | None, typer.Option(help="Language of all texts (BCP 47 code); identified without it.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; all cores without it.")] = None,
) -> None:
    """Label text. Without -o a table is printed."""
    from .. import labelling
    from ..predictor import Predictor

    if out is not None and out.suffix.lower() not in labelling.OUTPUT_SUFFIXES:
        raise typer.BadParameter(f"{out}: an output ends in {', '.join(labelling.OUTPUT_SUFFIXES)}", param_hint="--out")
    found = labelling.read_input(paths, text_column=text_column, language=language, split=split)
    predictor = Predictor.load(model, threads=threads)
    output = labelling.label(found, predictor)
    names = predictor.codebook.names
    if out is None:
        # Where output goes to a file or a pipe, rich would take 80 columns and cut words in two.
        labelling.print_table(Console(width=None if sys.stdout.isatty() else 120, highlight=False), output, names)
    else:
        labelling.write(out, output)
    for line in found.notes + found.unreadable:
        note(line)
    note(labelling.summary(found, output, names))
    if found.unreadable:
        raise typer.Exit(1)
