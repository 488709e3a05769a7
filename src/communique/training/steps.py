"""Record and check which run a folder `<out>.steps` belongs to. An interrupted training resumes from this folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import RecipeError
from ..io.atomic import replacing
from ..io.output import check_folder

#: Name of the file that records which run the folder belongs to.
IDENTITY = "run.json"


def check_run(steps: Path, run: Mapping[str, Any]) -> None:
    """Check that a folder is new, empty or of this run, because the run deletes it at the end.

    Args:
        steps: The folder.
        run: Everything that determines the result, as values for JSON.

    Raises:
        RecipeError: The folder belongs to another run.
        OutputError: The path is a file, or a folder that no run wrote.
    """
    if not os.path.lexists(steps):
        return
    # Another process of this run may be writing the identity file now.
    if not steps.is_dir() or any(not name.startswith(f".{IDENTITY}.") for name in os.listdir(steps)):
        check_folder(steps, overwrite=True, marker=IDENTITY)
    identity = steps / IDENTITY
    if identity.exists() and _read(identity) != json.loads(json.dumps(run)):
        raise RecipeError(
            f"{steps}: this folder belongs to an interrupted run with another recipe, another codebook, other data or another "
            "number of processes. Delete it to start from the beginning"
        )


def record_run(steps: Path, run: Mapping[str, Any]) -> None:
    """Create a folder and record which run it belongs to."""
    steps.mkdir(parents=True, exist_ok=True)
    # Another process may be reading the file now.
    with replacing(steps / IDENTITY) as handle:
        handle.write(json.dumps(run))


def _read(identity: Path) -> object:
    """Return the recorded run, or None if the file is damaged."""
    try:
        return json.loads(identity.read_bytes())
    except ValueError:
        return None
