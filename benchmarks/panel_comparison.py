"""Compare the tables that `communique estimate` writes with the truth about all sentences."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Value in a group column of the tables if the estimate covers all values of the column.
ALL = "all"

#: Largest difference that counts as rounding when a limit of an interval equals the truth.
TOLERANCE = 1e-9

Row = Mapping[str, str]


@dataclass(frozen=True)
class Truth:
    """The true labels of all N sentences.

    Attributes:
        names: The K labels.
        ids: Ids of the sentences, (N,).
        documents_of: Document of each sentence, (N,).
        labels: Whether a sentence has a label, (N, K).
        columns: Columns that define groups, each (N,).
    """

    names: tuple[str, ...]
    ids: NDArray[np.str_]
    documents_of: NDArray[np.str_]
    labels: NDArray[np.bool_]
    columns: Mapping[str, NDArray[np.str_]]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def _row(self) -> dict[str, int]:
        return {identity: row for row, identity in enumerate(self.ids.tolist())}

    @property
    def documents(self) -> set[str]:
        """The names of the documents."""
        return set(self.documents_of.tolist())

    def labels_of(self, identity: str) -> tuple[str, ...]:
        """Return the labels of a sentence."""
        return tuple(name for name, has in zip(self.names, self.labels[self._row[identity]], strict=True) if has)

    def without(self, ids: set[str]) -> Truth:
        """Return the truth about the other sentences."""
        return self._where(~np.isin(self.ids, list(ids)))

    def only(self, values: Mapping[str, str]) -> Truth:
        """Return the truth about the sentences with these values. The value `all` stands for every value."""
        rows = np.ones(len(self), np.bool_)
        for column, value in values.items():
            if value != ALL:
                rows &= self.columns[column] == value
        return self._where(rows)

    def _where(self, rows: NDArray[np.bool_]) -> Truth:
        columns = {name: column[rows] for name, column in self.columns.items()}
        return Truth(self.names, self.ids[rows], self.documents_of[rows], self.labels[rows], columns)

    def proportions(self, values: Mapping[str, str] | None = None) -> dict[str, float]:
        """Return the true proportion of each label among the sentences with these values. Default: among all sentences."""
        found = self.only(values or {})
        return {name: float(found.labels[:, k].mean()) for k, name in enumerate(self.names)}


def read_rows(path: Path) -> list[Row]:
    """Read a table in CSV."""
    with path.open(encoding="utf-8-sig", newline="") as handle:
        return list(csv.DictReader(handle))


def read_ids(path: Path) -> set[str]:
    """Return the ids in a list of sentences that were left out."""
    return {row["id"] for row in read_rows(path)}


def estimates_compared(rows: Sequence[Row], same: Truth, everything: Truth) -> dict[str, dict[str, Any]]:
    """Compare proportions with the truth, by level of groups (such as region, or cell).

    Args:
        rows: The table of estimates.
        same: The truth about the sentences to which the estimates refer.
        everything: The truth about these sentences and those that were left out because the model was trained on their documents.

    Raises:
        ValueError: An estimate refers to another number of sentences than the truth.
    """
    columns = [name for name in same.columns if rows and name in rows[0]]
    truths = {}
    for values in {tuple(row[name] for name in columns): None for row in rows}:
        group = dict(zip(columns, values, strict=True))
        truths[values] = (same.only(group), same.proportions(group), everything.proportions(group))
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        sentences, true, of_all = truths[tuple(row[name] for name in columns)]
        if int(row["n"]) != len(sentences):
            raise ValueError(f"{row}: the truth has {len(sentences)} sentences of this group")
        label = row["label"]
        line = {
            "method": row["method"],
            "error": float(row["estimate"]) - true[label],
            "covers": _covers(row, true[label]),
            "covers_all": _covers(row, of_all[label]),
            "width": _width(row),
            "warned": bool(row["warnings"]),
            "group": tuple(row[name] for name in columns),
            "label": label,
        }
        found.setdefault(row["level"], []).append(line)
    return {level: _level(lines) for level, lines in found.items()}


def margins(rows: Sequence[Row], same: Truth) -> list[dict[str, Any]]:
    """Return the reported proportions of all sentences and of the values of each column, with the truth."""
    columns = [name for name in same.columns if rows and name in rows[0]]
    chosen = [row for row in rows if row["reported"] == "True" and row["level"] != "cell"]
    return [
        {
            "group": [row[name] for name in columns if row[name] != ALL] or [ALL],
            "label": row["label"],
            **{key: round(float(row[key]), 4) for key in ("estimate", "low", "high")},
            "truth": round(same.proportions({name: row[name] for name in columns})[row["label"]], 4),
            "warned": bool(row["warnings"]),
        }
        for row in chosen
    ]


def _level(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what the table of one level says about each method."""
    names = dict.fromkeys(line["method"] for line in lines)
    methods = {name: _summary([line for line in lines if line["method"] == name]) for name in names}
    return {"groups": len({line["group"] for line in lines}), "methods": methods}


def _summary(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    errors = np.array([line["error"] for line in lines])
    by_label = {}
    for label in dict.fromkeys(line["label"] for line in lines):
        of_label = [line for line in lines if line["label"] == label]
        by_label[label] = {
            "mean_error": round(float(np.mean([line["error"] for line in of_label])), 4),
            "covered": sum(line["covers"] for line in of_label),
            "width": _mean(of_label, "width"),
            "warned": sum(line["warned"] for line in of_label),
        }
    sure = [line for line in lines if not line["warned"]]
    return {
        "intervals": len(lines),
        "covered": sum(line["covers"] for line in lines),
        "covered_all_documents": sum(line["covers_all"] for line in lines),
        "without_warning": len(sure),
        "covered_without_warning": sum(line["covers"] for line in sure),
        "mean_absolute_error": round(float(np.abs(errors).mean()), 4),
        "width": _mean(lines, "width"),
        "labels": by_label,
    }


def contrasts_compared(rows: Sequence[Row], same: Truth) -> dict[str, dict[str, Any]]:
    """Compare contrasts with the rest, and trends over years, with the truth. The result has one entry per family."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        true = true_contrast(row["family"], row["contrast"], row["label"], same)
        significant = row["p_holm"] != "" and float(row["p_holm"]) < 0.05
        line = {
            "covers": _covers(row, true),
            "error": float(row["estimate"]) - true,
            "naive_error": float(row["naive"]) - true if row["naive"] else np.nan,
            "width": _width(row),
            "significant": significant,
            "wrong_sign": significant and float(row["estimate"]) * true < 0,
            "warned": bool(row["warnings"]),
        }
        found.setdefault(row["family"], []).append(line)
    return {
        family: {
            "contrasts": len(lines),
            "covered": sum(line["covers"] for line in lines),
            "warned": sum(line["warned"] for line in lines),
            "significant": sum(line["significant"] for line in lines),
            "significant_with_wrong_sign": sum(line["wrong_sign"] for line in lines),
            "width": _mean(lines, "width"),
            "mean_absolute_error": round(float(np.mean([abs(line["error"]) for line in lines])), 4),
            "naive_mean_absolute_error": round(float(np.nanmean([abs(line["naive_error"]) for line in lines])), 4),
        }
        for family, lines in found.items()
    }


def true_contrast(family: str, name: str, label: str, known: Truth) -> float:
    """Return the true value of a contrast of the families "against the rest" and "trend", from its name.

    Raises:
        ValueError: The family is another one.
    """
    k = known.names.index(label)
    if family.endswith(" against the rest"):
        column = family.removesuffix(" against the rest")
        inside = known.columns[column] == name.split(" minus ")[0].partition("=")[2]
        return float(known.labels[inside, k].mean() - known.labels[~inside, k].mean())
    if not family.startswith("trend"):
        raise ValueError(f"{family}: the true value of this contrast is not known")
    which, column = name.split(": slope per 1 ")
    values = {} if which == ALL else dict(part.split("=") for part in which.split(", "))
    part = known.only(values)
    levels = sorted(set(part.columns[column].tolist()), key=float)
    proportions = [float(part.labels[part.columns[column] == level, k].mean()) for level in levels]
    return float(np.polyfit([float(level) for level in levels], proportions, 1)[0])


def _covers(row: Row, true: float) -> bool:
    """Return whether the interval contains the truth. A naive proportion of one document has no interval, and does not."""
    return row["low"] != "" and float(row["low"]) - TOLERANCE <= true <= float(row["high"]) + TOLERANCE


def _width(row: Row) -> float:
    return float(row["high"]) - float(row["low"]) if row["low"] != "" else np.nan


def _mean(lines: Sequence[dict[str, Any]], key: str) -> float | None:
    """Return the mean of the numbers that are not NaN, or None if there is none."""
    found = [line[key] for line in lines if not np.isnan(line[key])]
    return round(float(np.mean(found)), 4) if found else None
