"""The folder `<out>.steps`, from which an interrupted training resumes: which run it belongs to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import RecipeError
from ..io.atomic import replacing

#: The file that says which run a folder belongs to.
IDENTITY = "run.json"


def check_run(steps: Path, run: Mapping[str, Any]) -> None:
    """Check that a folder is new or belongs to this run.

    Args:
        steps: The folder.
        run: Everything that decides the result, as JSON can hold it.

    Raises:
        RecipeError: The folder belongs to another run.
    """
    identity = steps / IDENTITY
    if identity.exists() and json.loads(identity.read_text(encoding="utf-8")) != json.loads(json.dumps(run)):
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
