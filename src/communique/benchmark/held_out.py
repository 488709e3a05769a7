"""Held-out files: those that measure finished models are read only on request, and every use is logged.

A folder's `held-out.yaml` names them; a test set is spent by looking at it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from ..config import load_yaml
from ..errors import DataError
from ..io.atomic import replacing
from ..io.paths import list_files

#: Name of the file that lists them, beside them.
FILE = "held-out.yaml"


class HeldOut(BaseModel):
    """Files of a folder that only a finished model may meet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: tuple[str, ...] = Field(description="names of files in this folder")
    log: str = Field(description="Markdown file whose first table takes one row per use; relative to this folder")


def held_out(paths: Iterable[str]) -> list[tuple[Path, Path]]:
    """List the held-out files among corpora, each with its log."""
    found = []
    for path in (path.resolve() for name in paths for path in list_files(name)):
        if (listed := path.parent / FILE).exists():
            settings = load_yaml(listed, HeldOut, DataError, f"{FILE} names held-out files")
            if path.name in settings.files:
                found.append((path, (path.parent / settings.log).resolve()))
    return found


def log_test_use(test_uses: Sequence[tuple[Path, Path]], *, who: str, why: str) -> None:
    """Add a row to the first table of each log: date, who looked, at which file, where the score stands, why.

    Raises:
        DataError: A log has no table.
    """
    for path, log in test_uses:
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
        rows = [i for i, line in enumerate(lines) if line.startswith("|")]
        end = next((i for i in rows if i + 1 not in rows), None)
        if end is None:
            raise DataError(f"{log}: it has no table to log a use of {path.name} in. Add one with five columns")
        date = datetime.now(UTC).date().isoformat()
        cells = (date, who, path.name, "see the results", " ".join(why.split()).replace("|", "/"))
        lines.insert(end + 1, f"| {' | '.join(cells)} |\n")
        with replacing(log) as handle:
            handle.writelines(lines)
