"""Lines that commands print and that other programs recognise, such as the web app in the output of a job."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

_COMMAND = re.compile(r"project .*: communique ")

#: Commands write "WARNING" if a model or its scores must not be used.
_WARNING = re.compile(r"warning: (.+)", re.IGNORECASE)


def project_command(project: str, arguments: Sequence[str]) -> str:
    """Return the line with the whole command that runs in a project.

    Args:
        project: Name of the project.
        arguments: The command and its arguments.
    """
    return f"project {project}: {shlex.join(('communique', *arguments))}"


def is_project_command(line: str) -> bool:
    """Return whether a line is one that `project_command` returned."""
    return _COMMAND.match(line) is not None


def warning_in(line: str) -> str | None:
    """Return the warning that a line contains, without the word that begins it, or None if it is no warning."""
    found = _WARNING.match(line)
    return None if found is None else found[1]
