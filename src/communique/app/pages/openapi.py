"""Describe the API on a page that is made from its schema, without a script from another server."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from ..problems import API
from ..templating import respond

router = APIRouter(include_in_schema=False)


@router.get(f"{API}/")
def openapi(request: Request) -> Response:
    """Show the routes of the API and the fields of requests and responses."""
    schema: dict[str, Any] = request.app.openapi()
    return respond(request, "openapi.html", schema=schema, methods=("get", "post", "put", "delete"))
