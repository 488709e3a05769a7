"""Fill the templates in `templates/`. The templates contain the words of all reports; Python code only prepares the values."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_eval_context, select_autoescape
from jinja2.nodes import EvalContext

from . import format as formats

_FILTERS = ("cell", "mebibytes", "number", "p_value", "percent", "quantity", "signed")
_GLOBALS = ("counted", "score", "signed_score", "UNDEFINED")


@cache
def environment(package: str = "communique.reporting") -> Environment:
    """Return the environment of the templates of a package. It escapes HTML but not Markdown, and a missing value is an error."""
    made = Environment(
        loader=PackageLoader(package),
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
        template: Name of the template, such as "card.md.jinja".
        values: Values of the template's variables.

    Raises:
        jinja2.UndefinedError: The template uses a variable that was not passed.
    """
    return environment().get_template(template).render(values)


def render_stream(template: str, **values: Any) -> Iterator[str]:
    """Yield a filled template in pieces, so that a long page needs little memory. Arguments and errors are those of `render`."""
    stream = environment().get_template(template).stream(values)
    stream.enable_buffering(500)
    yield from stream


def source(name: str) -> str:
    """Return the content of a file in `templates/`, such as a style sheet or a script."""
    return files("communique.reporting").joinpath("templates", name).read_text(encoding="utf-8")


@pass_eval_context
def _finalize(context: EvalContext, value: Any) -> Any:
    """Escape control characters in every value, and also tags and links in Markdown. Jinja escapes HTML itself."""
    # Values of type Markup are HTML that this package built, such as a plot. They are already escaped.
    if type(value) is not str:
        return value
    return formats.printable(value) if context.autoescape else formats.plain_markdown(value)


def _paragraph(text: str) -> str:
    """Join the lines of a text into one line, so that a template can have each sentence on its own line."""
    return " ".join(line.strip() for line in text.splitlines() if line.strip()) + "\n"
