"""What the commands share: error handling, notes on the error stream, optional packages."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ..errors import CommuniqueError, DataError, OutputError, require_extra
from ..reporting.format import one_line, printable

#: The option with which an existing output is replaced.
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace output files that exist.")]

#: Set to any value, this variable lets unexpected errors end in a traceback.
DEBUG = "COMMUNIQUE_DEBUG"

#: The class of all errors of usage. Some versions of typer bring a click of their own.
_UsageError: type[Any] = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")


class Commands(TyperGroup):
    """The group of all commands. Whatever happens in one, the command line ends with one line and an exit code."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command and exit: 0 done, 1 data or model invalid, 2 wrong usage, 130 stopped with Ctrl-C."""
        alone = extra.get("standalone_mode", True)
        extra["standalone_mode"] = False
        if not alone:
            return super().main(*args, **extra)
        try:
            code = super().main(*args, **extra)
            sys.stdout.flush()
        except _UsageError as error:
            sys.exit(_usage(error))
        except BrokenPipeError:
            _discard_output()
            sys.exit(1)
        except Exception as error:
            if os.environ.get(DEBUG):
                raise
            _discard_output()
            fail(_describe(error))
            sys.exit(1)
        sys.exit(code or 0)


def _usage(error: Any) -> int:
    """Print an error of usage on one line and return its exit code."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        show(error.format_message())
    else:
        command = "communique" if context is None else context.command_path
        fail(f"{error.format_message().rstrip('.')}. Run {command} --help for the options")
    return int(error.exit_code)


def _describe(error: Exception) -> str:
    """Describe an error that was not raised on purpose."""
    if isinstance(error, OSError) and error.strerror:
        name = next((str(path) for path in (error.filename, error.filename2) if path is not None), None)
        return f"{name}: {error.strerror}" if name else error.strerror
    if isinstance(error, MemoryError):
        return "memory is exhausted. Use smaller input, or for `communique label` a lower --memory-limit"
    text = f"{type(error).__name__}: {error}".split("\n")[0][:300]
    return (
        f"unexpected error ({text}). This is a defect of communique: run again with {DEBUG}=1 and report the traceback"
    )


def _discard_output() -> None:
    """Let what is still in the buffer of standard output go nowhere, or Python would try to write it once more when it exits."""
    with suppress(OSError, ValueError):  # Not a stream of the system, as in a notebook.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def fail(*lines: str) -> None:
    """Print an error of one or more lines on the error stream."""
    typer.echo("error: " + "\n".join(map(one_line, lines)), err=True)


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
            fail(*(error.lines if isinstance(error, DataError) else [str(error)]))
            raise typer.Exit(2 if isinstance(error, OutputError) else 1) from None
        except KeyboardInterrupt as stopped:
            # What was interrupted says in the first argument what is left, and how to resume.
            typer.echo(": ".join(["stopped", *map(str, stopped.args)]), err=True)
            number = stopped.number if isinstance(stopped, Stopped) else signal.SIGINT
            raise typer.Exit(128 + number) from None

    return wrapped


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Raise `KeyboardInterrupt` on SIGINT and `Stopped` on SIGTERM and SIGHUP, unless the process ignores them (`nohup`)."""
    old: dict[int, Any] = {}

    def stop(number: int, frame: object) -> None:
        for other in old:
            if other != signal.SIGINT:
                signal.signal(other, signal.SIG_IGN)  # a second one must not interrupt the first one's cleaning up
        stopped = Stopped()
        stopped.number = number
        raise stopped

    if threading.current_thread() is threading.main_thread():
        if callable(signal.getsignal(signal.SIGINT)):
            old[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None and signal.getsignal(number) == signal.SIG_DFL:
                old[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def show(text: str) -> None:
    """Print a part of the result on standard output."""
    typer.echo(printable(text))


def note(line: str) -> None:
    """Print a line that is not output, on the error stream."""
    typer.echo(one_line(line), err=True)


def checked(check: Callable[[str], str], value: str, option: str) -> str:
    """Return the usual form of an option's value.

    Raises:
        BadParameter: The check refused it with a ValueError.
    """
    try:
        return check(value)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def _encoding(name: str | None) -> str | None:
    from ..io.recognise import check_encoding

    return None if name is None else checked(check_encoding, name, "--encoding")


TextColumn = Annotated[str | None, typer.Option(help="Column of texts. Default: found by its name.")]
LabelColumn = Annotated[str | None, typer.Option(help="Column of labels. Default: found by its name.")]
DocumentColumn = Annotated[str | None, typer.Option(help="Column of documents. Default: found by its name.")]

#: The option that names the column of each field.
COLUMN_OPTIONS = {"text": "--text-column", "labels": "--label-column", "document": "--document-column"}


def named_columns(text: str | None, labels: str | None, document: str | None) -> dict[str, str]:
    """Return the columns that the user named, by field."""
    return {field: name for field, name in zip(COLUMN_OPTIONS, (text, labels, document), strict=True) if name}


EncodingOption = Annotated[
    str | None,
    typer.Option(help="Encoding of text files, such as cp1250. Default: recognised for each.", callback=_encoding),
]
SheetOption = Annotated[
    str | None, typer.Option(help="Sheet of workbooks, by name or number. Default: the first visible one.")
]


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
