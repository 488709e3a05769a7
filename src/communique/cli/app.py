"""The command line.

Exit codes: 0 means done, 1 means invalid data or an invalid model, and 2 means wrong usage or an output that may not be written.
A run that was stopped ends with 130 (Ctrl-C), 143 (SIGTERM) or 129 (SIGHUP).
"""

from __future__ import annotations

from typing import Annotated

import typer

from .. import __version__
from .agree import agree
from .benchmark import benchmark
from .check import check
from .common import Commands
from .compare import compare
from .estimate import estimate
from .evaluate import evaluate
from .export import export
from .in_project import InProject, with_project
from .init import init
from .label import label
from .merge import merge
from .robustness import robustness
from .sample import sample
from .status import status
from .train import train
from .web import app as web_app
from .web import serve

HELP = "Label sentences of political texts, train and measure your own classifiers, and estimate label proportions."

app = typer.Typer(
    name="communique",
    cls=Commands,
    help=HELP,
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
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Run without a command. The help text is `HELP`."""


#: The commands by task, in the order in which `--help` lists them.
TASKS = {
    "Manage a project": (init, status, merge),
    "Label": (label,),
    "Train": (check, train, export),
    "Measure": (evaluate, compare, benchmark, robustness),
    "Code": (sample, agree),
    "Estimate": (estimate,),
    "Use in a browser or from other programs": (web_app, serve),
}

#: The commands that can also find their input and output in the folder of a project.
IN_PROJECT = (label, train, sample, agree, estimate)

for _task, _commands in TASKS.items():
    for _command in _commands:
        if _command in IN_PROJECT:
            app.command(rich_help_panel=_task, cls=InProject)(with_project(_command))
        else:
            app.command(rich_help_panel=_task)(_command)
