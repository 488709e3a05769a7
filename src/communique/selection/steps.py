"""Store the finished steps of a comparison of classifiers, so that an interrupted run can resume with the same result."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ..io.atomic import replacing
from ..training.steps import check_run, record_run


@dataclass(frozen=True)
class Steps:
    """The folder `<out>.steps` of a comparison.

    It contains the number of folds of each candidate (`plan.json`), the out-of-fold logits of each finished fit
    (`<candidate>-<fold>.npz`), sentence vectors (`vectors/`) and the training state of the fit that was interrupted.

    Args:
        folder: The folder.
        run: Everything that determines the result, as values that JSON can represent.

    Raises:
        RecipeError: The folder belongs to another run.
    """

    folder: Path
    run: Mapping[str, Any]

    def __post_init__(self) -> None:
        check_run(self.folder, self.run)

    @staticmethod
    def vectors_in(folder: Path) -> Path:
        """Return the folder for sentence vectors in `<out>.steps`."""
        return folder / "vectors"

    def training(self, name: str, fold: int | str) -> Path:
        """Return the folder for the training state of a fit."""
        return self.folder / f"{_file_name(name)}-{fold}"

    def read_plan(self) -> tuple[list[int], list[str]] | None:
        """Return the number of folds of each candidate and the lines for the report, or None if they are not known yet."""
        path = self.folder / "plan.json"
        if not path.exists():
            return None
        plan = json.loads(path.read_text(encoding="utf-8"))
        return plan["folds"], plan["notes"]

    def keep_plan(self, folds: Sequence[int], notes: Sequence[str]) -> None:
        """Store the number of folds of each candidate, which depends on durations that differ between runs."""
        record_run(self.folder, self.run)
        with replacing(self.folder / "plan.json") as handle:
            handle.write(json.dumps({"folds": list(folds), "notes": list(notes)}))

    def read_fit(self, name: str, fold: int, shape: tuple[int, int]) -> tuple[NDArray[np.float32], float] | None:
        """Return the logits (n, k) and the duration in seconds of a finished fit, or None if it is missing or damaged."""
        try:
            # Open the file here, because numpy does not close a file that it opened if it is not an archive.
            with self._fit(name, fold).open("rb") as handle, np.load(handle, allow_pickle=False) as content:
                logits, seconds = content["logits"], float(content["seconds"])
        except (OSError, EOFError, ValueError, KeyError, BadZipFile):
            return None
        return (logits.astype(np.float32), seconds) if logits.shape == shape else None

    def keep_fit(self, name: str, fold: int, logits: NDArray[np.float32], seconds: float) -> None:
        """Store the logits (n, k) and the duration in seconds of a finished fit, and delete its training state."""
        record_run(self.folder, self.run)
        with replacing(self._fit(name, fold), "wb") as handle:
            np.savez(handle, allow_pickle=False, logits=logits, seconds=np.float64(seconds))
        shutil.rmtree(self.training(name, fold), ignore_errors=True)

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _fit(self, name: str, fold: int) -> Path:
        return self.folder / f"{_file_name(name)}-{fold}.npz"


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.]+", "-", name).strip("-")
