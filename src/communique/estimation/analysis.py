"""Run a whole analysis: proportions by group, contrasts, regressions, error rates, and warnings about doubtful results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..errors import DataError
from ..reporting.format import counted
from . import contrasts as comparing
from .contrasts import Contrast
from .domains import Group, build_groups, cross, supported
from .estimators import Estimate, cross_fit, dsl_mean, gold_mean, naive_mean, ppi_mean, tune_lambda
from .inputs import EstimationData
from .intervals import Interval, interval
from .regression import Family, dsl_regression
from .sample import FloatArray, IntArray, Target
from .warnings import EstimateWarning, find_warnings, summary

#: The estimator that contrasts and plots use. The table of proportions has both.
Corrected = Literal["ppi", "dsl"]

FAMILIES: tuple[Family, ...] = ("linear", "logistic")


@dataclass(frozen=True)
class Share:
    """A label's proportion in a group, estimated by every method, with the counts that it is based on.

    Attributes:
        level, group, values: Level, name and values of the group, see `Group`.
        n: Number of sentences in the group.
        documents: Number of documents in the group.
        gold: Number of gold sentences in the group.
        gold_documents: Number of documents that these gold sentences come from.
        positives: Number of these gold sentences with the label.
        methods: The estimate of each method.
        warnings: Reasons why the proportion is doubtful.
    """

    label: str
    level: str
    group: str
    values: Mapping[str, str]
    n: int
    documents: int
    gold: int
    gold_documents: int
    positives: int
    methods: Mapping[str, Interval]
    warnings: tuple[EstimateWarning, ...]


@dataclass(frozen=True)
class ErrorRate:
    """Sensitivity or specificity of the model's decisions for a label in a group. `gold` is the number of sentences used."""

    label: str
    level: str
    group: str
    values: Mapping[str, str]
    rate: Literal["sensitivity", "specificity"]
    gold: int
    estimate: Interval


@dataclass(frozen=True)
class Coefficient:
    """A coefficient in the regression of one label, with its interval."""

    label: str
    family: Family
    term: str
    estimate: Interval


@dataclass(frozen=True)
class Analysis:
    """All results of an analysis, with its data and settings."""

    coded: EstimationData
    columns: tuple[str, ...]
    target: Target
    corrected: Corrected
    seed: int
    lambdas: Mapping[str, float]
    shares: tuple[Share, ...]
    contrasts: tuple[Contrast, ...]
    regressions: tuple[Coefficient, ...]
    rates: tuple[ErrorRate, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line per reason for doubt, with the number of doubtful proportions and their groups."""
        return tuple(summary([(s.label, s.group, s.warnings) for s in self.shares]))


def analyse(
    coded: EstimationData,
    *,
    target: Target = "superpopulation",
    corrected: Corrected = "ppi",
    contrasts: Sequence[str] = (),
    regress: Sequence[str] | None = None,
    skip: bool = False,
    seed: int = 0,
) -> Analysis:
    """Estimate the proportions of all labels in all groups of `coded.columns`, and all results that build on them.

    Args:
        coded: Predictions and gold.
        target: What is estimated, see `sample`.
        corrected: Estimator of the contrasts.
        contrasts: Comparisons that the user asks for, see `contrasts.parse`.
        regress: Columns that the labels are regressed on. Default: all columns.
        skip: Whether groups with too little gold are left out and reported. Otherwise, they are an error.
        seed: Seed of the folds of DSL.

    Raises:
        DataError: A group or a contrast has too little gold, or `regress` names an unknown column.
    """
    columns = tuple(coded.columns)
    groups, left_out = supported(coded, build_groups(coded, columns), skip=skip)
    plans = comparing.plan(groups, coded.columns) + [comparing.parse(text, groups) for text in contrasts]
    covariates = [column.codes for column in coded.columns.values()]
    finest = _finest(groups, coded)
    sizes = {group.name: _size(coded, group) for group in groups}
    predictors, notes = _predictors(coded, columns if regress is None else regress)
    shares: list[Share] = []
    compared: list[Contrast] = []
    coefficients: list[Coefficient] = []
    rates: list[ErrorRate] = []
    lambdas = {}
    for k, label in enumerate(coded.labels):
        y, prediction = coded.y[:, k].astype(float), coded.prediction[:, k]
        predicted = coded.predicted[:, k].astype(float)
        lambdas[label] = tune_lambda(coded.sample, y, prediction, finest)
        fitted = cross_fit(coded.sample, y, prediction, covariates, seed=seed)
        naive: dict[str, float] = {}
        best: dict[str, Estimate] = {}
        for group in groups:
            members = group.members
            estimates = {
                "naive": naive_mean(coded.sample, predicted, members),
                "gold": gold_mean(coded.sample, y, members[coded.sample.gold]),
                "ppi": ppi_mean(coded.sample, y, prediction, members, lambda_=lambdas[label]),
                "dsl": dsl_mean(coded.sample, y, fitted, members),
            }
            naive[group.name], best[group.name] = estimates["naive"].value, estimates[corrected]
            shares.append(_share(coded, label, y, group, estimates, target, sizes[group.name]))
            rates += _rates(coded, label, y, predicted, group, target)
        doubtful = {s.group for s in shares if s.label == label and s.warnings}
        compared += comparing.contrast(coded.sample, label, plans, best, naive, target, doubtful=doubtful)
        if predictors is not None:
            found = _regress(coded, label, y, fitted, predictors, target)
            coefficients += found
            if unsolved := {c.family for c in found if np.isnan(c.estimate.value)}:
                which = f"the {' and the '.join(sorted(unsolved))} {'regression has' if len(unsolved) == 1 else 'regressions have'}"
                notes.append(
                    f"{label}: {which} no finite solution, because some group has too few sentences with or without the label. "
                    "The corresponding rows are empty"
                )
    return Analysis(
        coded,
        columns,
        target,
        corrected,
        seed,
        lambdas,
        tuple(shares),
        tuple(compared),
        tuple(coefficients),
        tuple(rates),
        tuple(left_out),
        (*coded.notes, *notes),
    )


def _size(coded: EstimationData, group: Group) -> tuple[int, int]:
    """Return the number of sentences and the number of documents in a group."""
    members = group.members
    return int(members.sum()), len(np.unique(coded.sample.documents[members]))


def _share(
    coded: EstimationData,
    label: str,
    y: FloatArray,
    group: Group,
    estimates: Mapping[str, Estimate],
    target: Target,
    size: tuple[int, int],
) -> Share:
    # The naive interval treats the labelled sentences as a sample from a superpopulation. In the corpus alone, nothing would vary.
    methods = {
        name: interval(coded.sample, e.value, e.influence, "superpopulation" if name == "naive" else target, share=True)
        for name, e in estimates.items()
    }
    gold = group.gold(coded.sample)
    positives = int(y[gold].sum())
    documents = len(np.unique(coded.sample.gold_documents[gold]))
    return Share(
        label,
        group.level,
        group.name,
        group.values,
        n=size[0],
        documents=size[1],
        gold=int(gold.sum()),
        gold_documents=documents,
        positives=positives,
        methods=methods,
        warnings=find_warnings(coded.sample.weights[gold], positives, documents),
    )


def _rates(
    coded: EstimationData, label: str, y: FloatArray, predicted: FloatArray, group: Group, target: Target
) -> list[ErrorRate]:
    gold = group.gold(coded.sample)
    decided = predicted[coded.sample.gold]
    found = []
    for rate, carries in (("sensitivity", y == 1), ("specificity", y == 0)):
        domain = gold & carries
        estimate = gold_mean(
            coded.sample, decided if rate == "sensitivity" else 1 - decided, domain, comparable=carries
        )
        found.append(
            ErrorRate(
                label,
                group.level,
                group.name,
                group.values,
                "sensitivity" if rate == "sensitivity" else "specificity",
                int(domain.sum()),
                interval(coded.sample, estimate.value, estimate.influence, target, share=True),
            )
        )
    return found


def _finest(groups: Sequence[Group], coded: EstimationData) -> IntArray:
    """Return the number of each gold sentence's finest group, (n,). Sentences that belong to no group have number 0."""
    level = groups[-1].level
    numbers = np.zeros(len(coded.sample.gold), np.int64)
    for i, group in enumerate((g for g in groups if g.level == level), 1):
        numbers[group.gold(coded.sample)] = i
    return numbers


@dataclass(frozen=True)
class _Predictors:
    """Names of the coefficients (p,), predictors of each kind of sentence (C, p), and the kind of each sentence (N,)."""

    names: list[str]
    x: FloatArray
    kinds: IntArray


def _predictors(coded: EstimationData, columns: Sequence[str]) -> tuple[_Predictors | None, list[str]]:
    """Build the predictors. Numbers become differences from the smallest number, and other columns become indicators."""
    if unknown := [column for column in columns if column not in coded.columns]:
        raise DataError(
            f"--regress {unknown[0]}: --by does not name this column (it names: {', '.join(coded.columns)}). Add it to --by"
        )
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
    return _Predictors(names, x, kinds), []


def _regress(
    coded: EstimationData, label: str, y: FloatArray, fitted: FloatArray, predictors: _Predictors, target: Target
) -> list[Coefficient]:
    found = []
    for family in FAMILIES:
        fit = dsl_regression(coded.sample, predictors.x, y, fitted, family, kinds=predictors.kinds)
        for name, value, influence in zip(predictors.names, fit.coefficients, fit.influences, strict=True):
            found.append(Coefficient(label, family, name, interval(coded.sample, float(value), influence, target)))
    return found
