"""Held-out files, which are reserved for finished models. They are read only on request, and every use is logged.

The file `held-out.yaml` of a folder names them. A test set loses its value with each use.
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

#: Name of the file that lists the held-out files of its folder.
FILE = "held-out.yaml"


class HeldOut(BaseModel):
    """The files of a folder on which only a finished model may be tested."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: tuple[str, ...] = Field(description="names of files in this folder")
    log: str = Field(description="Markdown file to whose first table each use adds a row; relative to this folder")


def held_out(paths: Iterable[str]) -> list[tuple[Path, Path]]:
    """Return the held-out files among the files of corpora, each with its log."""
    found = []
    for path in (path.resolve() for name in paths for path in list_files(name)):
        if (listed := path.parent / FILE).exists():
            settings = load_yaml(listed, HeldOut, DataError, f"{FILE} names held-out files")
            if path.name in settings.files:
                found.append((path, (path.parent / settings.log).resolve()))
    return found


def log_test_use(test_uses: Sequence[tuple[Path, Path]], *, who: str, why: str) -> None:
    """Add a row to the first table of each log: date, user, file, where to find the score, and reason.

    Raises:
        DataError: A log has no table.
    """
    for path, log in test_uses:
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
        rows = [i for i, line in enumerate(lines) if line.startswith("|")]
        end = next((i for i in rows if i + 1 not in rows), None)
        if end is None:
            raise DataError(
                f"{log}: there is no table in which to log the use of {path.name}. Add a table with five columns"
            )
        date = datetime.now(UTC).date().isoformat()
        cells = (date, who, path.name, "see the results", " ".join(why.split()).replace("|", "/"))
        lines.insert(end + 1, f"| {' | '.join(cells)} |\n")
        with replacing(log) as handle:
            handle.writelines(lines)
