"""`communique status`: report the state of a project and what to do next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from .common import cli_errors, note, show


@cli_errors
def status(
    project: Annotated[
        Path | None, typer.Argument(help="Folder of the project. Default: the current folder.", show_default=False)
    ] = None,
    curve: Annotated[
        bool,
        typer.Option(
            "--curve",
            help="Compute a learning curve first: scores of a quick classifier that is trained on growing numbers of coded rows.",
        ),
    ] = False,
    kind: Annotated[
        Literal["tfidf", "frozen-encoder"],
        typer.Option(
            help="Classifier of the learning curve. TF-IDF needs no encoder; the frozen encoder is usually better."
        ),
    ] = "tfidf",
    json_out: Annotated[bool, typer.Option("--json", help="Print the status as JSON.")] = False,
    seed: Annotated[
        # scikit-learn, which draws the folds of the curve, accepts no larger seed.
        int,
        typer.Option(min=0, max=2**32 - 1, help="Seed of the bootstrap and of the learning curve."),
    ] = 0,
) -> None:
    """Show what is coded, how far coders agree, how good the models are, and what to do next.

    For example:

        communique status
        communique status housing --curve
    """
    from ..errors import require_extra
    from ..project import Project, project_status
    from ..project.status import quick_curve

    opened = Project.open(project or ".")
    if curve:
        require_extra("sklearn", "a learning curve", extra="analysis")
        if kind == "frozen-encoder":
            require_extra("torch", "a learning curve with an encoder")
        quick_curve(opened, kind, seed=seed, say=note)
    found = project_status(opened, seed=seed)
    show(json.dumps(found.to_dict(), indent=1, ensure_ascii=False) if json_out else found.to_markdown())
