"""Store the finished steps of a comparison of classifiers, so that an interrupted run can resume with the same result."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..io.atomic import replacing
from ..training.recipe import Recipe
from ..training.steps import (
    OTHER_FOLDS,
    OTHER_MODEL,
    check_run,
    read_arrays,
    record_run,
    recorded_run,
    settings_without_paths,
    write_arrays,
)

#: Name of the folder for sentence vectors in a folder of steps.
VECTORS = "vectors"

#: Number of the fit on all rows, in the name of the folder of its training state.
ALL = "all"


def identity_before_reading(
    recipe: Recipe, codebook: Codebook, files: Iterable[str], kind: str | None
) -> dict[str, object]:
    """Return what is known before any row is read of everything that determines the result of a training.

    Args:
        recipe: The recipe.
        codebook: Its codebook.
        files: SHA-256 of each file with labelled rows.
        kind: The kind of classifier that is requested. None: a transformer is trained without a comparison.
    """
    return {
        "kind": kind,
        "recipe": settings_without_paths(recipe),
        "codebook": codebook.sha256,
        "data": list(files),
    }


def can_resume(folder: Path, known: Mapping[str, object]) -> bool:
    """Return whether the finished steps in a folder are those of an interrupted run of the same training.

    Columns and other options for reading the tables are not compared here, because the caller may not know them; a run with other
    ones is refused later.

    Args:
        folder: The folder.
        known: What `identity_before_reading` returns for the training.
    """
    run, expected = recorded_run(folder) or {}, json.loads(json.dumps(known))
    expected["recipe"]["corpora"] = run.get("recipe", {}).get("corpora")
    return all(run.get(name) == value for name, value in expected.items())


@dataclass(frozen=True)
class Fit:
    """The predictions of a finished fit.

    Attributes:
        logits: Logits (n, k) of the rows of the fold.
        unlabelled: Logits (m, k) of unlabelled sentences.
        seconds: Duration in seconds.
    """

    logits: NDArray[np.float32]
    unlabelled: NDArray[np.float32]
    seconds: float


@dataclass(frozen=True)
class Steps:
    """The folder of a comparison: `<out>.steps`, or the one that `--folds` names.

    It contains the number of folds of each candidate (`plan.json`), the out-of-fold logits of each finished fit
    (`<candidate>-<fold>.npz`), sentence vectors (`vectors/`) and the training state of the fit that was interrupted.

    Args:
        folder: The folder.
        run: Everything that determines the result, as values that JSON can represent.
        kept: Whether the folder is kept after the run. The duration does not limit the number of folds then.
        precision: The precision of all encoders, which is recorded for runs that resume this one. None: there are none.

    Raises:
        RecipeError: The folder belongs to another run.
    """

    folder: Path
    run: Mapping[str, Any]
    kept: bool = False
    precision: str | None = None

    def __post_init__(self) -> None:
        check_run(self.folder, self.run, OTHER_FOLDS if self.kept else OTHER_MODEL)

    def training(self, name: str, fold: int | str) -> Path:
        """Return the folder for the training state of a fit."""
        return self.folder / f"{_file_name(name)}-{fold}"

    def read_plan(self, max_folds: int | None = None) -> tuple[list[int], list[str]] | None:
        """Return the number of folds of each candidate and the lines for the report, or None if they are not known.

        Args:
            max_folds: As for `plan_folds`. A plan with another number does not count.
        """
        try:
            plan = json.loads((self.folder / "plan.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):  # A damaged plan is made again.
            return None
        return (plan["folds"], plan["notes"]) if plan.get("max_folds") == max_folds else None

    def begin(self) -> None:
        """Record which run the folder belongs to, before anything is stored in it. Without this, no run could use it again."""
        record_run(self.folder, self.run, self.precision)

    def keep_plan(self, folds: Sequence[int], notes: Sequence[str], max_folds: int | None = None) -> None:
        """Store the number of folds of each candidate, which depends on durations that differ between runs."""
        with replacing(self.folder / "plan.json") as handle:
            handle.write(json.dumps({"folds": list(folds), "notes": list(notes), "max_folds": max_folds}))

    def read_fit(self, name: str, fold: int, shape: tuple[int, int], unlabelled: int = 0) -> Fit | None:
        """Return a finished fit, or None if it is missing or damaged.

        Args:
            name: Name of the candidate.
            fold: Number of the fold.
            shape: Shape (n, k) of the logits.
            unlabelled: Number of unlabelled sentences.
        """
        content = read_arrays(self._fit(name, fold))
        if content is None or not {"logits", "unlabelled", "seconds"} <= set(content):
            return None
        logits, others = content["logits"].astype(np.float32), content["unlabelled"].astype(np.float32)
        if (logits.shape, others.shape) != (shape, (unlabelled, shape[1])):
            return None
        return Fit(logits, others, float(content["seconds"]))

    def keep_fit(self, name: str, fold: int, fit: Fit) -> None:
        """Store a finished fit, and delete its training state."""
        write_arrays(self._fit(name, fold), logits=fit.logits, unlabelled=fit.unlabelled, seconds=np.array(fit.seconds))
        shutil.rmtree(self.training(name, fold), ignore_errors=True)

    def end(self, name: str) -> None:
        """Delete the folder or, if it is kept, the training state of the fit on all rows."""
        shutil.rmtree(self.training(name, ALL) if self.kept else self.folder, ignore_errors=True)

    def _fit(self, name: str, fold: int) -> Path:
        return self.folder / f"{_file_name(name)}-{fold}.npz"


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.]+", "-", name).strip("-")
