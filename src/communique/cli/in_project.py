"""Commands that find their input and output in the folder of a project."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from ..reporting.lines import project_command
from .common import INPUT, cli_errors, in_project, is_first_process, note

#: The option that names a project.
ProjectOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder of a project, which provides the input and output that are not named. Default: the current folder, if it "
        "is a project and no input is named.",
        rich_help_panel=INPUT,
    ),
]

#: Name of the parameter of this option.
PROJECT = "project"

#: Key of the context that contains the lines to print after the command.
AFTERWARDS = "communique.afterwards"


class InProject(TyperCommand):
    """A command that reads from and writes to a project if the user names no input.

    If the current folder is a project, or `--project` names one, the missing arguments are added to the command line before it is
    parsed. The command itself does not know about projects.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments, after adding those that the project provides."""
        found = self.make_parser(ctx).parse_args(args=list(args))[0]
        given = {name: value for name, value in found.items() if value not in (None, ())}
        inputs = [param.name for param in self.params if param.param_type_name == "argument"]
        if "help" not in given:
            if not any(name in given for name in inputs):
                args = [*self._from_project(ctx, given, args), *args]
            elif PROJECT in given:
                ctx.fail("--project finds the input in a project, but the command names its input. Omit one of the two")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command. In a project, print afterwards what to do next."""
        if AFTERWARDS not in ctx.meta:
            return super().invoke(ctx)
        token = in_project.set(True)
        try:
            result = super().invoke(ctx)
        finally:
            in_project.reset(token)
        for line in ctx.meta[AFTERWARDS]:
            note(line)
        return result

    def _from_project(self, ctx: Any, given: dict[str, Any], args: list[str]) -> list[str]:
        """Return the arguments that the project provides, or nothing if there is no project. Print the complete command."""
        added: list[str] = []

        def fill() -> None:
            from ..project import Project, defaults

            named = given.get(PROJECT)
            project = Project.find() if named is None else Project.open(named)
            if project is None:
                return
            filled = defaults.fill(str(self.name), project, given)
            added.extend(filled.arguments)
            reports = self.name != "train" or is_first_process()
            ctx.meta[AFTERWARDS] = filled.afterwards if reports else ()
            if reports:
                for line in filled.notes:
                    note(line)
                note(project_command(project.name, [str(self.name), *filled.arguments, *_without_project(args)]))

        cli_errors(fill)()
        return added


def with_project(function: Callable[..., None]) -> Callable[..., None]:
    """Add the option `--project`, which `InProject` reads, to a command that does not know about projects."""

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        kwargs.pop(PROJECT, None)
        function(*args, **kwargs)

    # The annotations are evaluated here, because typer would look for their names in this module.
    signature = inspect.signature(function, eval_str=True)
    option = inspect.Parameter(PROJECT, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=ProjectOption)
    parameters = [*signature.parameters.values(), option]
    wrapped.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapped


def _without_project(args: list[str]) -> list[str]:
    """Return the arguments without `--project`, which a command that names its input refuses."""
    after = {i + 1 for i, one in enumerate(args) if one == f"--{PROJECT}"}
    return [one for i, one in enumerate(args) if i not in after and not one.startswith(f"--{PROJECT}")]
