"""Code that all commands share: error handling, printing, shared options and optional packages."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

from ..errors import CommuniqueError, DataError, OutputError, require_extra
from ..reporting.format import one_line, printable
from ..reporting.problems import summarize

#: The value of an option as the user passed it, and what it is parsed to.
Given = TypeVar("Given")
Parsed = TypeVar("Parsed")

#: Titles of the panels into which `--help` groups options. Options without a panel come first.
INPUT = "Input"
OUTPUT = "Output"
SPEED = "Speed and memory"

#: The option that replaces existing output.
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing output files.", rich_help_panel=OUTPUT)]

#: If this environment variable has any value, unexpected errors end in a traceback.
DEBUG = "COMMUNIQUE_DEBUG"


def _click_class(name: str) -> type[Any]:
    """Return a class of click. Some versions of typer contain their own copy of click."""
    return next(base for base in typer.BadParameter.__mro__ if base.__name__ == name)


#: An error in how a command was called, whatever option caused it.
UsageError = _click_class("UsageError")

#: The class of all errors that click raises.
_ClickError = _click_class("ClickException")


class Commands(TyperGroup):
    """The group of all commands. Whatever a command raises, the command line ends with one line and an exit code."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command and exit with 0 (done), 1 (invalid data or model), 2 (wrong usage) or 130 (stopped with Ctrl-C)."""
        alone = extra.get("standalone_mode", True)
        extra["standalone_mode"] = False
        if not alone:
            return super().main(*args, **extra)
        try:
            code = super().main(*args, **extra)
            sys.stdout.flush()
        except _ClickError as error:
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
    """Print an error that click raised on one line, and return its exit code."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        show(error.format_message())
    else:
        command = getattr(error, "command", "communique") if context is None else context.command_path
        message = error.format_message()
        if type(error).__name__ == "MissingParameter" and context is not None:
            pieces = " ".join(context.command.collect_usage_pieces(context))
            message = f"{message.rstrip('.')}: {command} {pieces}"
        # typer checks values with pydantic, whose messages neither repeat the value nor say what to write.
        elif hasattr(error.__context__, "errors"):
            from ..config import describe_value

            for detail in error.__context__.errors():
                message = message.replace(detail["msg"], describe_value(detail))
        stop = "" if message.endswith((".", "?", "!")) else "."
        fail(f"{message}{stop} For all options, run {command} --help")
    return int(error.exit_code)


def _describe(error: Exception) -> str:
    """Describe an error that was not raised on purpose."""
    if isinstance(error, OSError) and error.strerror:
        name = next((str(path) for path in (error.filename, error.filename2) if path is not None), None)
        return f"{name}: {error.strerror}" if name else error.strerror
    if isinstance(error, MemoryError):
        return "not enough memory. Use a smaller input or, with `communique label`, a lower --memory-limit"
    text = f"{type(error).__name__}: {error}".split("\n")[0][:300]
    return f"unexpected error ({text}). This is a bug in communique. Run the command again with {DEBUG}=1 and report the traceback"


def _discard_output() -> None:
    """Discard the buffer of standard output, which Python would otherwise try to write again when it exits."""
    with suppress(OSError, ValueError):  # not a stream of the operating system, as in a notebook
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def fail(*lines: str) -> None:
    """Print an error of one or more lines to standard error."""
    typer.echo("error: " + "\n".join(map(one_line, lines)), err=True)


class Stopped(KeyboardInterrupt):
    """SIGTERM or SIGHUP, which end a command in the same way as Ctrl-C."""

    number = 0


def cli_errors(function: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command so that it ends without a traceback.

    An error that was raised on purpose ends in its message and exit code 1 or 2. A signal ends in exit code 128 plus its number.
    """

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            with _stopped_by_signals():
                function(*args, **kwargs)
        except _ClickError as error:
            # The command itself raised the error, so click does not know which command it was.
            error.command = f"communique {function.__name__}"
            raise
        except CommuniqueError as error:
            # The same problem in many rows fills one line.
            fail(*(error.shorten(summarize(error.problems)) if isinstance(error, DataError) else [str(error)]))
            raise typer.Exit(2 if isinstance(error, OutputError) else 1) from None
        except KeyboardInterrupt as stopped:
            # The first argument, if there is one, says what was kept and how to resume.
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
                signal.signal(other, signal.SIG_IGN)  # a second signal must not interrupt the clean-up
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
    """Print a part of the result to standard output."""
    typer.echo(printable(text))


def note(line: str) -> None:
    """Print a line that is not part of the result to standard error."""
    typer.echo(one_line(line), err=True)


def is_first_process() -> bool:
    """Return whether this process reports to the user. `accelerate launch` runs `train` in several processes, and only one does."""
    try:
        from ..training.distributed import rank
    except ModuleNotFoundError:  # The command itself says what to install.
        return True
    return rank() == 0


#: Whether the command finds its input in a project. `InProject` then prints what to do next.
in_project: ContextVar[bool] = ContextVar("in_project", default=False)


def advise(line: str) -> None:
    """Print what to do next with loose files. In a project, another step is next, so nothing is printed."""
    if not in_project.get():
        note(line)


def checked(check: Callable[[Given], Parsed], value: Given, option: str) -> Parsed:
    """Return the parsed value of an option, such as its canonical form.

    Args:
        check: Parses the value, or raises a ValueError.
        value: The value that the user passed.
        option: Name of the option, for the message.

    Raises:
        BadParameter: The check refused the value with a ValueError.
    """
    try:
        return check(value)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def _encoding(name: str | None) -> str | None:
    from ..io.recognise import check_encoding

    return None if name is None else checked(check_encoding, name, "--encoding")


TextColumn = Annotated[
    str | None,
    typer.Option(help="Column that contains the texts. Default: recognised by its name.", rich_help_panel=INPUT),
]
LabelColumn = Annotated[
    str | None,
    typer.Option(help="Column that contains the labels. Default: recognised by its name.", rich_help_panel=INPUT),
]
DocumentColumn = Annotated[
    str | None,
    typer.Option(
        help="Column that names the document of each row. Default: recognised by its name.", rich_help_panel=INPUT
    ),
]

LanguageColumn = Annotated[
    str | None,
    typer.Option(
        help="Column that contains the language of each text (BCP 47 code, such as fr). Default: recognised by its name.",
        rich_help_panel=INPUT,
    ),
]
LabelMap = Annotated[
    list[str] | None,
    typer.Option(
        help="Translate a word in the label column into a label: WORD=LABEL, such as pro=support. Can be repeated. "
        "In a recipe, the key `labels` does the same.",
        rich_help_panel=INPUT,
    ),
]

#: For each field, the option that names its column.
COLUMN_OPTIONS = {
    "text": "--text-column",
    "labels": "--label-column",
    "document": "--document-column",
    "language": "--language-column",
}


def named_columns(text: str | None, labels: str | None, document: str | None, language: str | None) -> dict[str, str]:
    """Return the columns that the user named, by field."""
    return {field: name for field, name in zip(COLUMN_OPTIONS, (text, labels, document, language), strict=True) if name}


def label_translation(pairs: list[str] | None) -> dict[str, str]:
    """Return the label for each word of `--label-map`.

    Raises:
        BadParameter: A value does not have the form WORD=LABEL, or a word has two labels.
    """
    found: dict[str, str] = {}
    for pair in pairs or ():
        word, separator, label = (part.strip() for part in pair.partition("="))
        if not (separator and word and label):
            raise typer.BadParameter(
                f"{pair!r} does not name a word and a label. Write WORD=LABEL", param_hint="--label-map"
            )
        if found.setdefault(word, label) != label:
            raise typer.BadParameter(
                f"{word!r} is translated into {found[word]!r} and into {label!r}. Use only one of the two",
                param_hint="--label-map",
            )
    return found


def model_callback(named: Path | None) -> Path | None:
    """Return the folder of the model that an option or argument names. None if it is not set."""
    if named is None:
        return None
    from ..models.predictor import model_folder

    return model_folder(named)


ModelArgument = Annotated[
    Path,
    typer.Argument(help="Model folder, or communique-small for the shipped model.", callback=model_callback),
]
EncodingOption = Annotated[
    str | None,
    typer.Option(
        help="Encoding of all text files, such as cp1250. Default: recognised separately for each file.",
        callback=_encoding,
        rich_help_panel=INPUT,
    ),
]
SheetOption = Annotated[
    str | None,
    typer.Option(
        help="Name or number of the sheet to read from workbooks. Default: the first visible sheet.",
        rich_help_panel=INPUT,
    ),
]
ExcludeOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Leave out rows that have this value: source=VALUE, language=VALUE or sampling=VALUE. Can be repeated.",
        rich_help_panel=INPUT,
    ),
]
StandoffTexts = Annotated[
    Path | None,
    typer.Option(
        help="File or folder with the texts, if the tables contain labels without texts (stand-off labels).",
        rich_help_panel=INPUT,
    ),
]
JsonReport = Annotated[Path | None, typer.Option("--json", help="Write the report as JSON.", rich_help_panel=OUTPUT)]
MarkdownReport = Annotated[
    Path | None, typer.Option("--markdown", help="Write the report as Markdown.", rich_help_panel=OUTPUT)
]


def default_codebook() -> Path:
    """Return the path to the codebook of the default model."""
    from ..models.info import CODEBOOK
    from ..models.predictor import default_model

    return default_model() / CODEBOOK


def require_training(purpose: str) -> None:
    """Import torch, and stop transformers from drawing a progress bar for every file of weights.

    Args:
        purpose: What needs torch, as the subject of the error message.

    Raises:
        MissingExtraError: The extra `train` is not installed.
    """
    require_extra("torch", purpose)
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def condition(text: str) -> tuple[str, str]:
    """Split a condition such as `source=VALUE`, `language=VALUE` or `sampling=VALUE` into field and value.

    Raises:
        BadParameter: The text is not such a condition.
    """
    field, separator, value = text.partition("=")
    if not separator or field not in ("source", "language", "sampling"):
        raise typer.BadParameter(
            f"{text!r} is not a condition. Write source=VALUE, language=VALUE or sampling=VALUE", param_hint="--exclude"
        )
    return field, value
