"""`communique benchmark`: compare classifiers on several splits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import require_extra
from ..reporting.format import counted
from .common import INPUT, OUTPUT, StandoffTexts, cli_errors, note, show


@cli_errors
def benchmark(
    recipe: Annotated[
        Path, typer.Argument(help="Recipe of the benchmark (YAML), which names classifiers, seeds and splits.")
    ],
    texts: StandoffTexts = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder that replaces {data} in the paths of the recipe.", rich_help_panel=INPUT),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder in which to save the results.", rich_help_panel=OUTPUT)
    ] = Path("benchmarks/results"),
    only: Annotated[
        list[str] | None,
        typer.Option(help="Run only this classifier or split, and keep finished runs of others. Can be repeated."),
    ] = None,
    use_held_out: Annotated[
        str | None,
        typer.Option(
            help="Reason for using held-out data. It is logged. Default: refuse recipes that use held-out data."
        ),
    ] = None,
    work: Annotated[
        Path,
        typer.Option(help="Folder for the files from which an interrupted run resumes.", rich_help_panel=OUTPUT),
    ] = Path("runs/benchmark"),
) -> None:
    """Train and compare several classifiers with several seeds on several splits of labelled data.

    Run the same command again to resume an interrupted benchmark. For example:

        communique benchmark benchmarks/recipes/reference.yaml
        communique benchmark benchmarks/recipes/reference.yaml --only tfidf-logreg
    """
    import json

    from ..benchmark.rendering import render_summary
    from ..benchmark.runner import run
    from ..benchmark.summary import path, summarise
    from ..io.atomic import replacing
    from ..io.output import check_files_in
    from ..reporting.progress import ProgressReporter

    require_extra("sklearn", "communique benchmark", extra="analysis")
    # The same command resumes, so existing results are no reason to refuse. Only the places are checked.
    for folder in (out, work):
        check_files_in(folder, (), overwrite=True)
    progress = ProgressReporter()
    grid = run(recipe, out, work, data=data, texts=texts, only=only or (), test_use=use_held_out, progress=progress)
    if not grid.runs:
        note(f"no run is finished, {_others(len(grid.left_out), grid.waiting)}")
        raise typer.Exit(1)
    note("comparing the classifiers")
    summary = summarise(grid)
    with replacing(path(out, grid.recipe.name)) as handle:
        handle.write(json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    show(render_summary(summary))
    note(
        f"{counted(len(grid.runs), 'run')} finished, {_others(len(grid.left_out), grid.waiting)}. "
        f"Summary: {path(out, grid.recipe.name)}"
    )
    if grid.left_out:
        note(f"{counted(len(grid.left_out), 'run')} failed. To try again, run the same command")
        raise typer.Exit(1)


def _others(left_out: int, waiting: int) -> str:
    return f"{left_out} left out, {waiting} not requested yet"
