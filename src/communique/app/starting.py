"""Lead from a form to the page that shows what it started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from starlette.responses import RedirectResponse

from .templating import is_partial


def lead_to(request: Request, path: str, values: Mapping[str, Any] | None = None) -> Response:
    """Answer a form with the address of a page that shows the job. Its values stay in the address, so that a reload keeps them."""
    kept = {name: value for name, value in (values or {}).items() if value not in (None, "", [], False)}
    address = f"{path}?{urlencode(kept, doseq=True)}" if kept else path
    if is_partial(request):
        return Response(headers={"HX-Redirect": address})
    return RedirectResponse(address, 303)
