"""The pages. Each is one module with a `router`, a `TITLE` and a `PATH`, and templates with the name of the module."""

from __future__ import annotations

from fastapi import APIRouter

from ..templating import NAVIGATION, Entry
from . import agreement, code, codebook, corpus, documents, estimate, evaluate, home, jobs, label, sample, train

#: The pages of the navigation, in its order.
PAGES = (label, codebook, sample, code, agreement, train, evaluate, estimate, corpus)

NAVIGATION[:] = [Entry(page.TITLE, page.PATH) for page in PAGES]


def make_router() -> APIRouter:
    """Return the routes of all pages. They are not part of the schema of the API."""
    router = APIRouter(include_in_schema=False)
    for module in (home, jobs, documents, *PAGES):
        router.include_router(module.router)
    return router
