"""The JSON API under `/api/v1`. Each module has a `router`."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from fastapi.security import HTTPBearer

from ..problems import API, refusals
from . import coding, corpus, documents, jobs, labelling

#: Describes the token in the schema. `security.Guard` checks it, and also accepts the cookie of the pages.
_TOKEN = HTTPBearer(scheme_name="token", description="The token of this start of the server.", auto_error=False)


def make_router(*, project: bool) -> APIRouter:
    """Return the routes of the API.

    Args:
        project: Whether to include the routes that need a project.
    """
    router = APIRouter(prefix=API, responses=refusals(400, 401, 403), dependencies=[Depends(_TOKEN)])
    router.include_router(labelling.router)
    if project:
        router.include_router(coding.router)
        router.include_router(corpus.router)
        router.include_router(documents.router)
        router.include_router(jobs.router)
    return router
