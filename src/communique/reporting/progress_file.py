"""The file in which a command keeps how far it is, for programs that show it."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

#: Environment variable that names the file.
PROGRESS_FILE = "COMMUNIQUE_PROGRESS_FILE"


@dataclass(frozen=True)
class RunState:
    """How far a run is.

    Attributes:
        done: Proportion of the work that is done, or None if it is not known.
        text: What the run is doing.
        expected: Estimate of the duration of the whole run in seconds, or None if there is none.
    """

    done: float | None = None
    text: str = ""
    expected: float | None = None


def change_state(path: Path, **changes: Any) -> None:
    """Change the state in a file. Several parts of a command write it, and each of them knows something else.

    Args:
        path: The file.
        changes: New values of attributes of `RunState`.
    """
    state = replace(read_state(path) or RunState(), **changes)
    written = path.with_name(path.name + ".new")
    with suppress(OSError):  # a full disk must not stop the run because of this file
        written.write_text(json.dumps(asdict(state)), encoding="utf-8")
        os.replace(written, path)


def read_state(path: Path) -> RunState | None:
    """Return the state in a file, or None if there is no such file or it contains something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return RunState(_number(content["done"]), str(content["text"]), _number(content["expected"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
