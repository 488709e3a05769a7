"""`communique app` and `communique serve`: the local web app, and the same server without pages for other programs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from .common import cli_errors, model_callback, note, show

#: Environment variable with the token of `communique serve`. On the command line, other users of the computer could read it.
TOKEN = "COMMUNIQUE_TOKEN"

Port = Annotated[
    int, typer.Option(min=0, max=65535, help="Port of the server. Default: a free one.", show_default=False)
]
Model = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the model that labels texts sent to the API. Default: the shipped model, communique-small.",
        callback=model_callback,
    ),
]


@cli_errors
def app(
    project: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of the project. One that does not exist or is empty becomes a new project. Default: the current folder.",
            show_default=False,
        ),
    ] = None,
    port: Port = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the app in the browser.")] = True,
    model: Model = None,
) -> None:
    """Open a project in the browser. The app runs on this computer only, and nothing leaves it.

    The printed address contains a token that protects the project from other programs and pages. Press Ctrl-C to stop the app. Jobs
    such as a training continue, and the app finds them when it is started again.

    For example:

        communique app
        communique app new-study
        communique app housing --port 8600 --no-browser
    """
    _require()
    from ..app.server import address_with_token, open_browser, run
    from ..project import Project

    def ready(address: str, token: str) -> None:
        show(f"Open this address in a browser: {address_with_token(address, token)}")
        note("The app runs until you press Ctrl-C")
        sys.stdout.flush()  # the address must also reach a file or a pipe while the app runs
        if browser:
            open_browser(address_with_token(address, token))

    if project is not None and _is_new(project):
        Project.create(project)
        note(f"created: {project}, an empty project")
    run(Project.open(project or Path()), port=port, with_pages=True, model=model, ready=ready)


@cli_errors
def serve(
    project: Annotated[
        Path | None,
        typer.Option(
            help="Folder of a project whose sentences other programs can code. Default: only texts are labelled."
        ),
    ] = None,
    model: Model = None,
    host: Annotated[
        str, typer.Option(help="Address on which the server listens. 0.0.0.0 means all networks.")
    ] = "127.0.0.1",
    port: Port = 0,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="Further name under which other computers reach the server. Can be repeated."),
    ] = None,
) -> None:
    """Serve the JSON API for other programs, without pages.

    Each request needs the header `Authorization: Bearer TOKEN`. The token is that of the environment variable COMMUNIQUE_TOKEN
    or, if it is not set, a random one that is printed. `/health` needs no token; `/metrics` has counts in the format of
    Prometheus. The page `/api/v1/` describes the API. The connection is not encrypted: on a
    network, put a server with TLS in front.

    For example:

        communique serve --port 8601
        COMMUNIQUE_TOKEN=... communique serve --model models/model-1 --host 0.0.0.0 --port 8601 --name labels.example.org
    """
    _require()
    from ..app.server import run
    from ..project import Project

    # A variable that is set to nothing would be a token that nobody can send.
    given = os.environ.get(TOKEN) or None

    def ready(address: str, token: str) -> None:
        show(f"The API is at {address}api/v1/")
        if given is None:
            show(f"Token: {token}")
        sys.stdout.flush()

    opened = None if project is None else Project.open(project)
    names = name or []
    run(opened, host=host, port=port, with_pages=False, model=model, token=given, names=names, ready=ready)


def _is_new(folder: Path) -> bool:
    """Return whether a folder does not exist, or is empty."""
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


def _require() -> None:
    from ..errors import require_extra

    for package in ("fastapi", "uvicorn", "sqlalchemy", "multipart", "filelock", "prometheus_client"):
        require_extra(package, "the web app", extra="app")
