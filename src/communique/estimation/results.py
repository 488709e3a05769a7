"""Read the tables of estimates that `communique estimate -o` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ..errors import DataError
from .intervals import Interval
from .outputs import ALL, FILES, TAKEN

#: What to do if a table cannot be read.
_AGAIN = "Run `communique estimate` again"


@dataclass(frozen=True)
class Proportion:
    """A proportion of a label in a group, as the table has it.

    `reported` is the corrected estimate, and `naive` what the labels of the model count. `doubts` are the reasons why the
    corrected estimate is doubtful, in words, or empty.
    """

    label: str
    level: str
    group: str
    reported: Interval
    naive: Interval | None
    n: int
    gold: int
    positives: int
    doubts: str


@dataclass(frozen=True)
class Comparison:
    """A comparison of groups. `p` is the p-value after Holm's correction."""

    label: str
    family: str
    name: str
    difference: Interval
    p: float | None
    doubts: str


@dataclass(frozen=True)
class Results:
    """The estimates in a folder: columns of groups, estimator (`ppi` or `dsl`), target, proportions and comparisons."""

    columns: tuple[str, ...]
    method: str
    target: str
    proportions: tuple[Proportion, ...]
    comparisons: tuple[Comparison, ...]


def read_results(folder: Path) -> Results:
    """Read the estimates in a folder.

    Raises:
        DataError: A table is missing or damaged.
    """
    path = folder / "estimates.parquet"
    rows = _read(path)
    try:
        columns = tuple(name for name in rows[0] if name not in TAKEN)
        naive = {_place(row, columns): _interval(row) for row in rows if row["method"] == "naive"}
        reported = [row for row in rows if row["reported"]]
        proportions = tuple(
            Proportion(
                label=row["label"],
                level=row["level"],
                group=_group(row, columns),
                reported=_interval(row),
                naive=naive.get(_place(row, columns)),
                n=row["n"],
                gold=row["n_gold"],
                positives=row["gold_positives"],
                doubts=row["warnings"] or "",
            )
            for row in reported
        )
        contrasts = folder / "contrasts.parquet"
        compared = tuple(
            Comparison(
                row["label"], row["family"], row["contrast"], _interval(row), row["p_holm"], row["warnings"] or ""
            )
            for row in (_read(contrasts) if contrasts.is_file() else ())
        )
        return Results(columns, reported[0]["method"], reported[0]["target"], proportions, compared)
    except (KeyError, IndexError, TypeError) as error:
        raise DataError(f"{path}: the table is not one that this version writes. {_AGAIN}") from error


def written_files(folder: Path) -> list[Path]:
    """Return the files in a folder that `communique estimate -o` wrote. Links to files elsewhere are left out."""
    if not folder.is_dir() or folder.is_symlink():
        return []
    found = (path for path in folder.iterdir() if path.is_file() and not path.is_symlink())
    return sorted(path for path in found if any(fnmatchcase(path.name, one) for one in FILES))


def _read(path: Path) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows: list[dict[str, Any]] = pq.ParquetFile(path).read().to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: the table cannot be read. {_AGAIN}") from error
    return rows


def _place(row: Mapping[str, Any], columns: tuple[str, ...]) -> tuple[Any, ...]:
    return row["label"], row["level"], *(row[column] for column in columns)


def _group(row: Mapping[str, Any], columns: tuple[str, ...]) -> str:
    """Return the name of a group as `domains.Group.name` writes it."""
    inside = columns if row["level"] == "cell" else [column for column in columns if column == row["level"]]
    return ", ".join(f"{column}={row[column]}" for column in inside) or ALL


def _interval(row: Mapping[str, Any]) -> Interval:
    names = ("estimate", "std_error", "df", "low", "high")
    return Interval(*(float("nan") if row[name] is None else float(row[name]) for name in names))
