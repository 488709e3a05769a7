"""The command line.

Exit codes: 0 done, 1 data or model invalid, 2 wrong usage or an output that may not be written, 130 stopped with Ctrl-C (143 by
SIGTERM, 129 by SIGHUP).
"""

from __future__ import annotations

from typing import Annotated

import typer

from .. import __version__
from .agree import agree
from .benchmark import benchmark
from .check import check
from .common import Commands
from .estimate import estimate
from .evaluate import evaluate
from .export import export
from .label import label
from .robustness import robustness
from .sample import sample
from .train import train

app = typer.Typer(
    name="communique",
    cls=Commands,
    help="Label sentences of political statements: train, measure and run multilingual stance classifiers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"communique {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Label sentences of political statements: train, measure and run multilingual stance classifiers."""


# In the order in which people need them, as `--help` lists them.
for _command in (label, check, train, export, evaluate, benchmark, robustness, sample, agree, estimate):
    app.command()(_command)
