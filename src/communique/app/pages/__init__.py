"""The pages. Each is one module with a `router`, a `TITLE` and a `PATH`, and templates with the name of the module.

A page that exists is found by its name in `ORDER`; nothing else has to be registered.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import NamedTuple

from fastapi import APIRouter

from . import documents, home, jobs

#: Names of the modules of pages, in the order of the navigation. Those that do not exist yet are left out.
ORDER = ("label", "codebook", "sample", "code", "agreement", "train", "evaluate", "estimate", "corpus")


class Entry(NamedTuple):
    """An entry of the navigation."""

    title: str
    path: str


@cache
def _modules() -> tuple[ModuleType, ...]:
    names = [f"{__name__}.{name}" for name in ORDER]
    return tuple(import_module(name) for name in names if find_spec(name) is not None)


def navigation() -> list[Entry]:
    """Return the entries of the navigation."""
    return [Entry(module.TITLE, module.PATH) for module in _modules()]


def make_router() -> APIRouter:
    """Return the routes of all pages. They are not part of the schema of the API."""
    router = APIRouter(include_in_schema=False)
    for module in (home, jobs, documents, *_modules()):
        router.include_router(module.router)
    return router
