"""Answer requests that cannot be fulfilled: with JSON for programs, a page for browsers, and a message for htmx."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from sqlalchemy.exc import DatabaseError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Scope

from ..errors import ChangedError, CommuniqueError, DataError, NotFoundError
from .index_errors import describe_index_error, is_of_index
from .templating import render

#: Prefix of all paths of the API.
API = "/api/v1"

#: What a status code means, if nothing more is known.
_REASONS = {
    404: "There is no such page.",
    405: "This address does not accept this kind of request.",
    413: "The request is too large.",
    500: "The program has an unexpected error. The log of the server contains the details.",
}


#: What the API answers with a status code, for its schema.
_MEANINGS = {
    400: "The request cannot be fulfilled: for example, the codebook has no such label, or a file of the project is damaged.",
    401: "The token is missing or wrong.",
    403: "The Host or Origin header names another server.",
    404: "There is no such sentence, sample or job.",
    413: "The request is too large.",
    422: "A value of the request is missing or not allowed.",
}


#: Errors of a disk that the user can solve, and how.
_DISK = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM))
_MAKE_ROOM = "Free some disk space, or check the permissions of the folder"


class Problem(BaseModel):
    """Why a request failed: all reasons as one text, and one by one."""

    error: str
    errors: list[str]


def refusals(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of refusals for the schema of the API.

    Args:
        codes: Their status codes.
    """
    return {code: {"model": Problem, "description": _MEANINGS[code]} for code in codes}


def problem_response(scope: Scope, status: int, *reasons: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response that says in words why a request failed.

    Args:
        scope: The request.
        status: Status code.
        reasons: One line per problem.
        headers: Further headers.
    """
    asked = Headers(scope=scope)
    if asked.get("hx-request") == "true":
        # The message is shown above the page, so that the page keeps what the user typed.
        aimed = {"HX-Retarget": "#messages", "HX-Reswap": "innerHTML"}
        return HTMLResponse(render("message.html", reasons=reasons), status, headers={**(headers or {}), **aimed})
    if "text/html" in asked.get("accept", "") and not scope["path"].startswith(API):
        page = render("problem.html", status=status, reasons=reasons)
        return HTMLResponse(page, status, headers=dict(headers or {}))
    problem = Problem(error="\n".join(reasons), errors=list(reasons))
    return JSONResponse(problem.model_dump(), status, headers=dict(headers or {}))


def add_handlers(app: FastAPI) -> None:
    """Make an application answer every error with a reason in words."""

    @app.exception_handler(CommuniqueError)
    async def refused(request: Request, error: CommuniqueError) -> Response:
        status = 404 if isinstance(error, NotFoundError) else 409 if isinstance(error, ChangedError) else 400
        return problem_response(request.scope, status, *(error.lines if isinstance(error, DataError) else [str(error)]))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return problem_response(request.scope, 422, *map(_describe, error.errors()))

    @app.exception_handler(HTTPException)
    async def failed(request: Request, error: HTTPException) -> Response:
        reason = _REASONS.get(error.status_code, error.detail)
        return problem_response(request.scope, error.status_code, reason, headers=error.headers)

    @app.exception_handler(OSError)
    async def no_room(request: Request, error: OSError) -> Response:
        if error.errno not in _DISK:
            raise error
        place = "The folder of the project" if error.filename is None else str(error.filename)
        return problem_response(request.scope, 400, f"{place}: {error.strerror}. {_MAKE_ROOM}")

    @app.exception_handler(DatabaseError)
    async def no_index(request: Request, error: DatabaseError) -> Response:
        if not is_of_index(error):
            raise error
        return problem_response(request.scope, 400, describe_index_error(error))

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        return problem_response(request.scope, 500, _REASONS[500])


def _describe(detail: Mapping[str, Any]) -> str:
    """Describe an error that pydantic found in a request."""
    place = [str(part) for part in detail["loc"][1:]]
    message = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "json_invalid":
        return f"The body of the request is not valid JSON: {detail.get('ctx', {}).get('error', message)}."
    return f"{'.'.join(place) or 'The request'}: {message}."
