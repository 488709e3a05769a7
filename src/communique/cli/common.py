"""What the commands share: error handling, notes on the error stream, optional packages."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import CommuniqueError, OutputError, require_extra

#: The option with which an existing output is replaced.
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace output files that exist.")]


class Stopped(KeyboardInterrupt):
    """SIGTERM or SIGHUP, which end a command as Ctrl-C does."""

    number = 0


def cli_errors(function: Callable[..., None]) -> Callable[..., None]:
    """Answer an error raised on purpose with its lines and exit code 1 or 2, and a signal that stops with 128 + its number."""

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            with _stopped_by_signals():
                function(*args, **kwargs)
        except CommuniqueError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2 if isinstance(error, OutputError) else 1) from None
        except KeyboardInterrupt as stopped:
            # What was interrupted says in the first argument what is left, and how to resume.
            typer.echo(": ".join(["stopped", *map(str, stopped.args)]), err=True)
            number = stopped.number if isinstance(stopped, Stopped) else signal.SIGINT
            raise typer.Exit(128 + number) from None

    return wrapped


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Raise `Stopped` on SIGTERM and SIGHUP, unless the process ignores them, as `nohup` makes it do."""
    old: dict[int, Any] = {}

    def stop(number: int, frame: object) -> None:
        for other in old:
            signal.signal(other, signal.SIG_IGN)  # a second one must not interrupt the first one's cleaning up
        stopped = Stopped()
        stopped.number = number
        raise stopped

    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None and signal.getsignal(number) == signal.SIG_DFL:
                old[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


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
