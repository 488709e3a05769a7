"""`communique benchmark`: compare classifiers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import require_extra
from .common import cli_errors, note, show


@cli_errors
def benchmark(
    recipe: Annotated[Path, typer.Argument(help="Recipe of a benchmark (YAML).")],
    texts: Annotated[Path | None, typer.Option(help="File or folder of texts for stand-off labels.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder that stands for {data} in the recipe's paths.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of results.")] = Path("benchmarks/results"),
    only: Annotated[
        list[str] | None, typer.Option(help="Run this classifier or split alone; repeatable. What is finished stays.")
    ] = None,
    use_held_out: Annotated[
        str | None, typer.Option(help="Reason for reading held-out data; the use is logged.")
    ] = None,
    work: Annotated[Path, typer.Option(help="Folder for what interrupted runs resume from.")] = Path("runs/benchmark"),
) -> None:
    """Run classifiers x seeds x splits and compare them. The same command resumes an interrupted benchmark."""
    import json

    from ..benchmark.rendering import render_summary
    from ..benchmark.runner import run
    from ..benchmark.summary import path, summarise
    from ..io.atomic import replacing
    from ..io.output import check_files_in
    from ..reporting.progress import ProgressReporter

    require_extra("sklearn", "communique benchmark", extra="analysis")
    # The results of runs are kept: the same command resumes. Only where they are written is checked.
    for folder in (out, work):
        check_files_in(folder, (), overwrite=True)
    progress = ProgressReporter()
    grid = run(recipe, out, work, data=data, texts=texts, only=only or (), test_use=use_held_out, progress=progress)
    if not grid.runs:
        note(f"no run is finished, {len(grid.left_out)} left out, {grid.waiting} not asked for yet")
        raise typer.Exit(1)
    note("comparing")
    summary = summarise(grid)
    with replacing(path(out, grid.recipe.name)) as handle:
        handle.write(json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    show(render_summary(summary))
    note(
        f"{len(grid.runs)} runs are finished, {len(grid.left_out)} left out, {grid.waiting} not asked for yet; "
        f"summary: {path(out, grid.recipe.name)}"
    )
    if grid.left_out:
        note(f"{len(grid.left_out)} runs failed; the same command tries them again")
        raise typer.Exit(1)
