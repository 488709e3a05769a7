"""The folder `<out>.steps`, from which an interrupted training resumes: which run it belongs to."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import RecipeError
from ..io.atomic import replacing
from ..io.output import check_folder

#: The file that says which run a folder belongs to.
IDENTITY = "run.json"


def check_run(steps: Path, run: Mapping[str, Any]) -> None:
    """Check that a folder is new, empty, or belongs to this run, because it is deleted at the end.

    Args:
        steps: The folder.
        run: Everything that decides the result, as JSON can hold it.

    Raises:
        RecipeError: The folder belongs to another run.
        OutputError: It is a file, or a folder that was not written by a run.
    """
    if not os.path.lexists(steps):
        return
    # Another process of this run may be writing the file now.
    if not steps.is_dir() or any(not name.startswith(f".{IDENTITY}.") for name in os.listdir(steps)):
        check_folder(steps, overwrite=True, marker=IDENTITY)
    identity = steps / IDENTITY
    if identity.exists() and _read(identity) != json.loads(json.dumps(run)):
        raise RecipeError(
            f"{steps}: this folder belongs to an interrupted run with another recipe, other data or another number of processes. "
            "Delete it to start from the beginning"
        )


def record_run(steps: Path, run: Mapping[str, Any]) -> None:
    """Create a folder and write into it which run it belongs to."""
    steps.mkdir(parents=True, exist_ok=True)
    # Another process may read the file at this moment.
    with replacing(steps / IDENTITY) as handle:
        handle.write(json.dumps(run))


def _read(identity: Path) -> object:
    """Return the description of the run; None if the file is damaged."""
    try:
        return json.loads(identity.read_bytes())
    except ValueError:
        return None
