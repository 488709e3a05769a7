"""Fill the templates in `templates/`. The words of reports are there; Python only prepares the values."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_eval_context, select_autoescape
from jinja2.nodes import EvalContext

from . import format as formats

_FILTERS = ("cell", "mebibytes", "number", "p_value", "percent", "quantity", "signed")
_GLOBALS = ("score", "signed_score", "UNDEFINED")


@cache
def environment() -> Environment:
    """Return the environment of all templates: HTML is escaped, Markdown is not, and a missing value is an error."""
    made = Environment(
        loader=PackageLoader("communique.reporting"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {name: getattr(formats, name) for name in _FILTERS} | {"paragraph": _paragraph}
    made.globals |= {name: getattr(formats, name) for name in _GLOBALS}
    return made


def render(template: str, **values: Any) -> str:
    """Fill a template.

    Args:
        template: Its name, such as "card.md.jinja".
        values: What its variables stand for.

    Raises:
        jinja2.UndefinedError: The template uses a variable that was not passed.
    """
    return environment().get_template(template).render(values)


def render_stream(template: str, **values: Any) -> Iterator[str]:
    """Yield a filled template in pieces, so that a page of any length needs little memory. Arguments and errors: see `render`."""
    stream = environment().get_template(template).stream(values)
    stream.enable_buffering(500)
    yield from stream


def source(name: str) -> str:
    """Return the content of a file in `templates/`, such as a style sheet or a script."""
    return files("communique.reporting").joinpath("templates", name).read_text(encoding="utf-8")


@pass_eval_context
def _finalize(context: EvalContext, value: Any) -> Any:
    """Escape control characters in every value, and tags and links in Markdown; HTML is escaped by Jinja's own rule."""
    # Markup is HTML that was made here, such as a plot; it has been escaped already.
    if type(value) is not str:
        return value
    return formats.printable(value) if context.autoescape else formats.plain_markdown(value)


def _paragraph(text: str) -> str:
    """Join lines into one line of text, so that a template can keep each sentence on a line of its own."""
    return " ".join(line.strip() for line in text.splitlines() if line.strip()) + "\n"
