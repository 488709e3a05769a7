"""Build the predictors of the regressions from group columns, and regress a label on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from ..reporting.format import counted
from .domains import cross
from .inputs import NO_VALUE, EstimationData
from .intervals import Interval, interval
from .regression import Family, dsl_regression
from .sample import FloatArray, IntArray, Target

FAMILIES: tuple[Family, ...] = ("linear", "logistic")


@dataclass(frozen=True)
class Coefficient:
    """A coefficient in the regression of one label, with its interval."""

    label: str
    family: Family
    term: str
    estimate: Interval


@dataclass(frozen=True)
class Predictors:
    """Names of the coefficients (p,), predictors of each kind of sentence (C, p), and the kind of each sentence (N,).

    Sentences without a value in a column are of the last kind. All its predictors are 0, so it has no effect.
    """

    names: list[str]
    x: FloatArray
    kinds: IntArray


def build_predictors(coded: EstimationData, columns: Sequence[str]) -> tuple[Predictors | None, list[str]]:
    """Build the predictors. Numbers become differences from the smallest number, and other columns become indicators.

    Returns:
        The predictors, or None if there are no columns or not enough data, and lines for the user.

    Raises:
        DataError: A column is not one of the group columns.
    """
    if unknown := [column for column in columns if column not in coded.columns]:
        known = ", ".join(coded.columns) or "no column"
        raise DataError(f"--regress {unknown[0]}: --by does not name this column (it names: {known}). Add it to --by")
    if not columns:
        return None, []
    levels, kinds = cross([coded.columns[column] for column in columns])
    names, parts = ["intercept"], [np.ones(len(levels))]
    for column, codes in zip(columns, levels.T, strict=True):
        one = coded.columns[column]
        if one.numbers is not None and len(one.levels) > 2:
            names.append(f"{column} (from {one.levels[0]})")
            parts.append(one.numbers[codes] - one.numbers[0])
        else:
            names += [f"{column}={level} (against {one.levels[0]})" for level in one.levels[1:]]
            parts += [(codes == code).astype(float) for code in range(1, len(one.levels))]
    if len(names) == 1:
        return None, []
    x = np.stack(parts, axis=1)
    documents = len(np.unique(coded.sample.gold_documents))
    if np.linalg.matrix_rank(x) < x.shape[1]:
        return None, [
            f"no regression: the columns {', '.join(columns)} determine each other. Name fewer columns with --regress"
        ]
    if documents <= x.shape[1]:
        return None, [
            f"no regression: the gold of {counted(documents, 'document')} is too little for {x.shape[1]} coefficients. Name fewer "
            "columns with --regress"
        ]
    if (kinds == NO_VALUE).any():
        x = np.vstack([x, np.zeros(x.shape[1])])
        kinds = np.where(kinds == NO_VALUE, len(x) - 1, kinds)
    return Predictors(names, x, kinds), []


def regress(
    coded: EstimationData, label: str, y: FloatArray, fitted: FloatArray, predictors: Predictors, target: Target
) -> tuple[list[Coefficient], str | None]:
    """Regress a label by a linear and a logistic regression.

    Returns:
        The coefficients, and a line for the user if a regression has no finite solution.
    """
    found = []
    for family in FAMILIES:
        fit = dsl_regression(coded.sample, predictors.x, y, fitted, family, kinds=predictors.kinds)
        for name, value, influence in zip(predictors.names, fit.coefficients, fit.influences, strict=True):
            found.append(Coefficient(label, family, name, interval(coded.sample, float(value), influence, target)))
    unsolved = sorted({c.family for c in found if np.isnan(c.estimate.value)})
    if not unsolved:
        return found, None
    which = f"the {' and the '.join(unsolved)} {'regression has' if len(unsolved) == 1 else 'regressions have'}"
    return found, (
        f"{label}: {which} no finite solution, because some group has too few sentences with or without the label. "
        "The corresponding rows are empty"
    )
