"""Fill the templates of the pages. They escape HTML and control characters in the same way as the reports."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, NamedTuple

from jinja2 import Environment
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from ..project.rows import use_of
from ..reporting.format import printable
from ..reporting.render import environment
from ..text.scripts import direction


class Entry(NamedTuple):
    """An entry of the navigation."""

    title: str
    path: str


#: The navigation. The pages fill it, because they use this module.
NAVIGATION: list[Entry] = []


def text_direction(text: str | None) -> str:
    """Return the value of the attribute `dir` of an element that contains a text from data."""
    return direction(text or "") or "auto"


#: A command or an option in a message of the program.
_CODE = re.compile(r"`([^`\n]+)`")


def with_code(message: object) -> Markup:
    """Return a message of the program as HTML in which commands, which messages write between backticks, are code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(printable(str(message))))))


@cache
def templates() -> Environment:
    """Return the environment of the templates in `templates/`."""
    made = environment("communique.app")
    made.globals |= {
        "direction": text_direction,
        "navigation": NAVIGATION,
        "use_of": use_of,
    }
    made.filters["with_code"] = with_code
    return made


def render(template: str, **values: Any) -> str:
    """Fill a template."""
    return templates().get_template(template).render(values)


def respond(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Fill a template for a request. The variable `path` contains the path of the page, which the navigation marks.

    Args:
        request: The request.
        template: Name of the template.
        status: Status code.
        values: Values of the template's variables.
    """
    return HTMLResponse(render(template, path=request.url.path, **values), status)


def is_partial(request: Request) -> bool:
    """Return whether htmx asks for a part of a page."""
    return request.headers.get("hx-request") == "true" and request.headers.get("hx-request-type") != "full"
