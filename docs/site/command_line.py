"""Write docs/reference/command-line.md from the commands and options of the program.

python docs/site/command_line.py --write    rewrites the page
python docs/site/command_line.py --check    exits with 1 if the page is out of date
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Iterable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer

from communique.cli.app import app

PAGE = Path(__file__).resolve().parents[1] / "reference/command-line.md"

_INTRODUCTION = """\
# Command line

<!-- Written by `python docs/site/command_line.py --write` from the help texts in src/communique/cli/. Do not edit this page. -->

`communique COMMAND --help` prints the same texts on the terminal. Options can be given in any order.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | the data or the model is invalid, or some rows could not be read |
| 2 | the command line is wrong, or an output may not be written |
| 130, 143, 129 | the command was stopped by Ctrl-C, SIGTERM or SIGHUP, respectively |
"""

#: A line of an example: a command, with or without variables in front of it.
_COMMAND = re.compile(r"(\w+=\S+ )*communique ")

#: Words for the values of options.
_VALUES: dict[Any, str] = {Path: "PATH", str: "TEXT", int: "N", float: "NUMBER"}


def render() -> str:
    """Return the page."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    parts = [_INTRODUCTION, _contents(commands)]
    parts += [_command(name, command) for name, command in commands.items()]
    return "\n".join(parts)


def _contents(commands: dict[str, Any]) -> str:
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, command in commands.items():
        panel = _plain(getattr(command, "rich_help_panel", None)) or "Commands"
        first = _prose(_plain(command.help).split("\n\n")[0])
        groups.setdefault(panel, []).append((f"[`{name}`](#communique-{name})", first))
    return "\n".join(f"**{panel}**\n\n{_table(('command', 'what it does'), rows)}\n" for panel, rows in groups.items())


def _command(name: str, command: Any) -> str:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    usage = " ".join(["communique", name, "[OPTIONS]", *map(_metavar, arguments)])
    parts = [f"## `communique {name}`", f"```text\n{usage}\n```", *map(_paragraph, _plain(command.help).split("\n\n"))]
    if arguments:
        parts.append(_table(("argument", "meaning"), ((f"`{_metavar(one)}`", _meaning(one)) for one in arguments)))
    parts.append(_table(("option", "meaning"), _options(options)))
    if epilog := _plain(getattr(command, "epilog", None)):
        parts.append(epilog)
    return "\n\n".join(parts) + "\n"


def _options(options: Iterable[Any]) -> Iterable[tuple[str, str]]:
    for option in options:
        names = ", ".join(f"`{name}`" for name in sorted(option.opts, key=len, reverse=True))
        if option.secondary_opts:
            names += " / " + ", ".join(f"`{name}`" for name in option.secondary_opts)
        value = "" if option.is_flag else f" `{_value(option)}`"
        yield names + value, _meaning(option)


def _value(option: Any) -> str:
    """Return what an option takes: its choices, or a word for its type."""
    if option.metavar:
        return str(option.metavar)
    kind = option.type_descriptor.annotation
    if get_origin(kind) is list:
        (kind,) = get_args(kind)
    if get_origin(kind) is Literal:
        return "|".join(get_args(kind))
    if issubclass(kind, Enum):
        return "|".join(choice.value for choice in kind)
    return _VALUES[kind]


def _meaning(parameter: Any) -> str:
    text = _prose(_plain(parameter.help))
    default = parameter.default
    if parameter.param_type_name == "option" and parameter.multiple and "repeat" not in text.lower():
        text += " Can be repeated."
    if (
        parameter.show_default
        and default is not None
        and default is not False
        and default not in ((), [], "")
        and not callable(default)
        and not parameter.is_flag
    ):
        text += f" Default: `{getattr(default, 'value', default)}`."
    return text


def _metavar(argument: Any) -> str:
    name = str(argument.metavar or argument.name).strip("[]{}.").upper()
    return name + ("..." if argument.nargs == -1 else "")


def _plain(text: Any) -> str:
    """Return a help text without the markup of rich and the indentation of docstrings; '' for None."""
    return re.sub(r"\[/?(?:bold|italic|dim|cyan|green)\]", "", inspect.cleandoc(text)) if isinstance(text, str) else ""


def _paragraph(text: str) -> str:
    """Return a paragraph of a help text as Markdown. Lines that are commands become a block of code."""
    lines = [line.strip() for line in text.replace("\b", "").splitlines() if line.strip()]
    if lines and all(_COMMAND.match(line) for line in lines):
        return "\n".join(["```sh", *lines, "```"])
    return _prose(text)


def _prose(text: str) -> str:
    """Return a help text as Markdown on one line, with the characters escaped that Markdown would interpret."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(part if part.startswith("`") else re.sub(r"([\\*_<\[\]])", r"\\\1", part) for part in parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (head, ["---"] * len(head), *rows)
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in lines)


def main() -> None:
    """Write or check the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true")
    action.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    if arguments.write:
        PAGE.write_text(render(), encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != render():
        sys.exit(f"{PAGE}: differs from the program; run `python docs/site/command_line.py --write`")


if __name__ == "__main__":
    main()
