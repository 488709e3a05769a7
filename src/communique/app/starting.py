"""Start jobs from forms: refuse a second one of the same kind, and lead back to the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from starlette.responses import RedirectResponse

from ..errors import DataError
from .context import OpenProject
from .jobs import Job
from .templating import is_partial


def start(opened: OpenProject, command: str, arguments: Sequence[str] = ()) -> Job:
    """Start a command, unless it is running.

    Raises:
        DataError: The command is running.
    """
    if opened.jobs.running(command) is not None:
        raise DataError(f"`communique {command}` is running. Wait until it has finished, or cancel it")
    return opened.jobs.start(command, arguments)


def lead_to(request: Request, path: str, values: Mapping[str, Any] | None = None) -> Response:
    """Answer a form with the address of a page that shows the job. Its values stay in the address, so that a reload keeps them."""
    kept = {name: value for name, value in (values or {}).items() if value not in (None, "", [], False)}
    address = f"{path}?{urlencode(kept, doseq=True)}" if kept else path
    if is_partial(request):
        return Response(headers={"HX-Redirect": address})
    return RedirectResponse(address, 303)
