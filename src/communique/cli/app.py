"""The command line. Exit codes: 0 done, 1 the data or the model is at fault, 2 the command line is."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import Annotated

import typer

from .. import __version__
from .agree import agree
from .benchmark import benchmark
from .check import check
from .estimate import estimate
from .evaluate import evaluate
from .export import export
from .label import label
from .robustness import robustness
from .sample import sample
from .train import train

app = typer.Typer(
    name="communique",
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
    """Label sentences of political sentences: train, measure and run multilingual stance classifiers."""


# In the order in which people need them, as `--help` lists them.
for _command in (label, check, train, export, evaluate, benchmark, robustness, sample, agree, estimate):
    app.command()(_command)


def run() -> None:
    """Run the command line, and leave without freeing what the system takes back at once.

    Python would free the tokenizer's 250,000 pieces one by one, which takes longer than to label a sentence.
    """
    try:
        app()
    except SystemExit as leaving:
        others = (thread for thread in threading.enumerate() if thread is not threading.main_thread())
        if not isinstance(leaving.code, int | None) or not all(thread.daemon for thread in others):
            raise
        atexit._run_exitfuncs()
        try:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:  # a stream that the caller has closed
                    stream.flush()
        except (OSError, ValueError):
            raise leaving from None
        os._exit(leaving.code or 0)
