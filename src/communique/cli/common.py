"""What the commands share: error handling, notes on the error stream, optional packages."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import typer

from ..errors import CommuniqueError, require_extra


def cli_errors(function: Callable[..., None]) -> Callable[..., None]:
    """Answer an error raised on purpose with its lines and exit code 1."""

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except CommuniqueError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            typer.echo("stopped", err=True)
            raise typer.Exit(130) from None

    return wrapped


def note(line: str) -> None:
    """Print a line that is not output, on the error stream."""
    typer.echo(line, err=True)


def checked(check: Callable[[str], str], value: str, option: str) -> str:
    """Return the usual form of an option's value.

    Raises:
        BadParameter: The check refused it with a ValueError.
    """
    try:
        return check(value)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def default_codebook() -> Path:
    """Find the codebook of the default model."""
    from ..models.info import CODEBOOK
    from ..models.predictor import default_model

    return default_model() / CODEBOOK


def require_training(purpose: str) -> None:
    """Import torch, and keep transformers from drawing a bar for every file of weights.

    Raises:
        MissingExtraError: The extra `train` is not installed.
    """
    require_extra("torch", purpose)
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def condition(text: str) -> tuple[str, str]:
    """Read `source=VALUE`, `language=VALUE` or `sampling=VALUE`.

    Raises:
        BadParameter: It is none of these.
    """
    field, separator, value = text.partition("=")
    if not separator or field not in ("source", "language", "sampling"):
        raise typer.BadParameter(
            f"{text!r}; write source=VALUE, language=VALUE or sampling=VALUE", param_hint="--exclude"
        )
    return field, value
