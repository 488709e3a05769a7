"""Record which run a folder `<out>.steps` belongs to, and store arrays in it. An interrupted training resumes from this folder."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ..errors import RecipeError
from ..io.atomic import disk_errors, replacing
from ..io.lock import LOCK, locked
from ..io.output import check_folder
from ..reporting.progress import ProgressReporter
from .recipe import Recipe

#: Name of the file that records which run the folder belongs to.
IDENTITY = "run.json"

#: Key in that file of what the first run chose on its machine. It does not identify the run, because a later run uses it again.
_PRECISION = "precision"

#: What a user can do instead of using a folder of steps that is not free: next to a model, and that of `--folds`.
OTHER_MODEL, OTHER_FOLDS = "name another model with --out", "name another folder with --folds"


def settings_without_paths(recipe: Recipe) -> dict[str, Any]:
    """Return the settings of a recipe without paths, because a run compares the content of files, which may have been moved.

    Columns and other settings of the tables are included. The notes for the card are not, because a run can resume with others.
    """
    in_tables = {"__all__": {"path"}}
    others: dict[str, Any] = {"codebook": True, "backbone": True, "teachers": True, "notes": True}
    return recipe.model_dump(mode="json", exclude=others | {"corpora": in_tables, "unlabelled": in_tables})


def check_run(steps: Path, run: Mapping[str, Any], remedy: str = OTHER_MODEL) -> None:
    """Check that a folder is new, empty or of this run, because the run deletes it at the end.

    Args:
        steps: The folder.
        run: Everything that determines the result, as values for JSON.
        remedy: What the user can do to keep the other run, for the message.

    Raises:
        RecipeError: The folder belongs to another run.
        OutputError: The path is a file, or a folder that no run wrote.
    """
    if not os.path.lexists(steps):
        return
    _check_ours(steps)
    recorded = dict(recorded_run(steps) or {})
    recorded.pop(_PRECISION, None)
    if (steps / IDENTITY).exists() and recorded != json.loads(json.dumps(run)):
        raise RecipeError(
            f"{steps}: this folder belongs to an interrupted run with another recipe or other options, another codebook, other "
            "data, another version of communique or another number of processes. To continue that run, repeat its command. To "
            f"keep it and start another run, {remedy}. Otherwise, delete the folder"
        )


def _content(steps: Path) -> set[str]:
    """Return the names in a folder, if it exists, except those of a lock and of incomplete records."""
    if not steps.is_dir():
        return set()
    # Another process of this run may be writing the identity file now.
    return {name for name in os.listdir(steps) if name != LOCK and not name.startswith(f".{IDENTITY}.")}


def _check_ours(steps: Path) -> None:
    if not steps.is_dir() or _content(steps):
        check_folder(steps, overwrite=True, marker=IDENTITY)


@contextmanager
def locked_steps(steps: Path, progress: ProgressReporter, remedy: str = OTHER_MODEL) -> Iterator[None]:
    """Acquire the lock of a folder `<out>.steps` for the block, so that no other training writes the same model.

    The folder is created. If a run was stopped or killed before it finished a step, its record is deleted before and after the
    block, because it has nothing to resume and would only refuse a run with other options. If the folder then is empty, it is
    deleted after the block.

    Args:
        steps: The folder.
        progress: Reports that an earlier run is not resumed.
        remedy: What the user can do instead of waiting for another training, for the message.

    Raises:
        DataError: Another process is training in this folder, or the folder cannot be written.
        OutputError: The path is a file, or a folder that no run wrote.
    """
    with disk_errors(steps):
        steps.parent.mkdir(parents=True, exist_ok=True)
    with locked(steps, _check_ours, remedy):
        if _discard_unused(steps):
            progress.say(
                f"an earlier training in {steps} had not finished a step, so this one starts from the beginning"
            )
        try:
            yield
        finally:
            _discard_unused(steps)


def record_run(steps: Path, run: Mapping[str, Any], precision: str | None = None) -> None:
    """Create a folder and record which run it belongs to.

    Args:
        steps: The folder.
        run: As for `check_run`.
        precision: The precision of its matrix products, which may have depended on the machine. None: it has none.
    """
    steps.mkdir(parents=True, exist_ok=True)
    # Another process may be reading the file now.
    with replacing(steps / IDENTITY) as handle:
        handle.write(json.dumps({**run, _PRECISION: precision}))


def recorded_precision(steps: Path) -> str | None:
    """Return the precision of the run that a folder belongs to, or None if none is recorded, as by older versions."""
    found = (recorded_run(steps) or {}).get(_PRECISION)
    return found if isinstance(found, str) else None


def has_finished_steps(steps: Path) -> bool:
    """Return whether a folder contains more than a lock and the record of the run that it belongs to."""
    return bool(_content(steps) - {IDENTITY})


def _discard_unused(steps: Path) -> bool:
    """Delete the record of a run without finished steps. Return whether there was one. Other files of this name are kept."""
    found = not has_finished_steps(steps) and _PRECISION in (recorded_run(steps) or {})
    if found:
        (steps / IDENTITY).unlink()
    return found


def recorded_run(steps: Path) -> Mapping[str, Any] | None:
    """Return the run that a folder belongs to, or None if it belongs to none or its record is damaged."""
    try:
        found = json.loads((steps / IDENTITY).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def write_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Write arrays to a file, which replaces an older one once it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, "wb") as handle:
        np.savez_compressed(handle, allow_pickle=False, **arrays)


def read_arrays(path: Path) -> dict[str, NDArray[Any]] | None:
    """Return the arrays of a file, or None if it is missing or damaged."""
    try:
        # Open the file here, because numpy does not close a file that it opened if it is not an archive.
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as content:
            return {name: content[name] for name in content.files}
    except (OSError, EOFError, ValueError, KeyError, BadZipFile, zlib.error):
        return None
