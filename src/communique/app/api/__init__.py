"""The JSON API under `/api/v1`. Each module has a `router`."""

from __future__ import annotations

from fastapi import APIRouter

from ..problems import API
from . import coding, corpus, jobs, labelling


def make_router(*, project: bool) -> APIRouter:
    """Return the routes of the API.

    Args:
        project: Whether to include the routes that need a project.
    """
    router = APIRouter(prefix=API)
    router.include_router(labelling.router)
    if project:
        router.include_router(coding.router)
        router.include_router(corpus.router)
        router.include_router(jobs.router)
    return router
