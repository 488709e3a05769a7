"""Run a whole analysis: proportions by group, contrasts, regressions, error rates, and warnings about doubtful results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from . import comparisons as comparing
from .comparisons import Comparison, Plan
from .contrasts import Contrast, contrast
from .domains import Group, build_groups, lacking, supported
from .estimators import (
    Estimate,
    Lambda,
    cross_fit,
    dsl_mean,
    gold_mean,
    group_lambda,
    naive_mean,
    ppi_mean,
    tune_lambda,
)
from .inputs import NO_VALUE, EstimationData
from .intervals import Interval, interval
from .predictors import FAMILIES, Coefficient, build_predictors, regress
from .sample import BoolArray, FloatArray, IntArray, Target
from .warnings import EstimateWarning, group_warnings, summary

__all__ = ["FAMILIES", "Analysis", "Coefficient", "Corrected", "ErrorRate", "Share", "analyse"]

#: The estimator of the reported proportions, of contrasts and of figures. The tables have both.
Corrected = Literal["ppi", "dsl"]

#: Names of these estimators, as readers know them.
METHODS: Mapping[Corrected, str] = {"ppi": "PPI++", "dsl": "DSL"}


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
        lambda_: Lambda of PPI++ in this group.
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
    lambda_: float
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
class Analysis:
    """All results of an analysis, with its data and settings. `lambdas` are those of all gold, by label."""

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
    compare: Sequence[Comparison] | None = None,
    references: Mapping[str, str] | None = None,
    contrasts: Sequence[str] = (),
    regress: Sequence[str] | None = None,
    skip: bool = False,
    seed: int = 0,
) -> Analysis:
    """Estimate the proportions of all labels in all groups of `coded.columns`, and all results that build on them.

    Args:
        coded: Predictions and gold.
        target: What is estimated, see `sample`.
        corrected: Estimator of the reported proportions and contrasts.
        compare: Kinds of comparisons of the levels of each column, see `comparisons.Comparison`. Default: see
            `comparisons.default`. An empty sequence plans none.
        references: Reference levels by column, for the comparison `reference`.
        contrasts: Additional comparisons of two groups, see `comparisons.parse`.
        regress: Columns that the labels are regressed on. Default: all columns.
        skip: Whether groups with too little gold are left out and reported. Otherwise, they are an error.
        seed: Seed of the folds of DSL.

    Raises:
        DataError: A group or a contrast has too little gold, a comparison is impossible, or `regress` names an unknown column.
    """
    columns = tuple(coded.columns)
    groups, left_out = supported(coded, build_groups(coded.columns, len(coded.ids)), target=target, skip=skip)
    planned, unsupported = _plan(coded, groups, target, compare, references)
    asked = [comparing.parse(text, groups) for text in contrasts]
    predictors, notes = build_predictors(coded, columns if regress is None else regress)
    run = _Run(coded, tuple(groups), planned.complements, target, corrected, seed)
    shares: list[Share] = []
    compared: list[Contrast] = []
    coefficients: list[Coefficient] = []
    rates: list[ErrorRate] = []
    lambdas = {}
    for k, label in enumerate(coded.labels):
        one = run.label(k)
        lambdas[label] = one.pooled
        shares += one.shares
        rates += one.rates
        compared += contrast(
            coded.sample, label, [*planned.contrasts, *asked], one.best, one.naive, target, doubtful=one.doubtful
        )
        if predictors is not None:
            found, line = _regress(coded, label, coded.y[:, k].astype(float), one.fitted, predictors, target)
            coefficients += found
            notes += [line] if line else []
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
        (*coded.notes, *unsupported, *notes),
    )


def _plan(
    coded: EstimationData,
    groups: Sequence[Group],
    target: Target,
    compare: Sequence[Comparison] | None,
    references: Mapping[str, str] | None,
) -> tuple[Plan, list[str]]:
    """Plan the comparisons. Those with a complement that has too little gold are left out, and reported."""
    planned = comparing.plan(groups, coded.columns, compare, references)
    reasons = {group.name: lacking(coded.sample, group, target) for group in planned.complements}
    short = {name: reason for name, reason in reasons.items() if reason is not None}
    kept = tuple(one for one in planned.contrasts if not short.keys() & set(one.groups))
    complements = tuple(group for group in planned.complements if group.name not in short)
    return Plan(kept, complements), [
        *planned.notes,
        *(f"no comparison with {name}, which has too little gold ({reason})" for name, reason in short.items()),
    ]


#: The parameter `regress` of `analyse` has the same name.
_regress = regress


@dataclass(frozen=True)
class _OfLabel:
    """The results for one label. `best` and `naive` are by name of the group, and include complements."""

    pooled: float
    fitted: FloatArray
    shares: list[Share]
    rates: list[ErrorRate]
    best: dict[str, Estimate]
    naive: dict[str, float]
    doubtful: set[str]


@dataclass(frozen=True)
class _Run:
    """What all labels have in common."""

    coded: EstimationData
    groups: tuple[Group, ...]
    complements: tuple[Group, ...]
    target: Target
    corrected: Corrected
    seed: int

    def label(self, k: int) -> _OfLabel:
        """Estimate one label in all groups."""
        coded, sample = self.coded, self.coded.sample
        y, prediction = coded.y[:, k].astype(float), coded.prediction[:, k]
        predicted = coded.predicted[:, k].astype(float)
        pooled = tune_lambda(sample, y, prediction, _finest(self.groups, coded))
        # Sentences without a value have a level of their own.
        covariates = [
            np.where(column.codes == NO_VALUE, len(column.levels), column.codes) for column in coded.columns.values()
        ]
        fitted = cross_fit(sample, y, prediction, covariates, seed=self.seed)
        found = _OfLabel(pooled, fitted, [], [], {}, {}, set())
        for group in (*self.groups, *self.complements):
            members, gold = group.members, group.gold(sample)
            lambda_ = group_lambda(sample, y, prediction, gold, pooled)

            def corrected(method: Corrected, members: BoolArray = members, lambda_: Lambda = lambda_) -> Estimate:
                if method == "dsl":
                    return dsl_mean(sample, y, fitted, members)
                return ppi_mean(sample, y, prediction, members, lambda_=lambda_)

            naive = naive_mean(sample, predicted, members)
            found.naive[group.name] = naive.value
            best = corrected(self.corrected)
            found.best[group.name] = best
            reported = interval(sample, best.value, best.influence, self.target, share=True)
            doubts = group_warnings(sample, y, gold, self.target, reported.freedom)
            if doubts:
                found.doubtful.add(group.name)
            if group.rest:
                continue
            other: Corrected = "dsl" if self.corrected == "ppi" else "ppi"
            estimates = {"naive": naive, "gold": gold_mean(sample, y, gold), other: corrected(other)}
            intervals = {self.corrected: reported} | {name: self._interval(name, e) for name, e in estimates.items()}
            methods = {name: intervals[name] for name in ("naive", "gold", "ppi", "dsl")}
            found.shares.append(self._share(k, y, group, gold, naive, methods, lambda_, doubts))
            found.rates.extend(self._rates(k, y, predicted, group, gold))
        return found

    def _interval(self, name: str, estimate: Estimate) -> Interval:
        # The naive interval treats the labelled sentences as a sample from a superpopulation. In the corpus alone, nothing varies.
        target = "superpopulation" if name == "naive" else self.target
        return interval(self.coded.sample, estimate.value, estimate.influence, target, share=True)

    def _share(
        self,
        k: int,
        y: FloatArray,
        group: Group,
        gold: BoolArray,
        naive: Estimate,
        methods: Mapping[str, Interval],
        lambda_: Lambda,
        doubts: tuple[EstimateWarning, ...],
    ) -> Share:
        sample = self.coded.sample
        return Share(
            self.coded.labels[k],
            group.level,
            group.name,
            group.values,
            n=naive.influence.n,
            documents=naive.influence.n_documents,
            gold=int(gold.sum()),
            gold_documents=len(np.unique(sample.gold_documents[gold])),
            positives=int(y[gold].sum()),
            methods=methods,
            lambda_=lambda_.value,
            warnings=doubts,
        )

    def _rates(self, k: int, y: FloatArray, predicted: FloatArray, group: Group, gold: BoolArray) -> list[ErrorRate]:
        sample = self.coded.sample
        decided = predicted[sample.gold]
        kinds: tuple[tuple[Literal["sensitivity", "specificity"], BoolArray, FloatArray], ...] = (
            ("sensitivity", y == 1, decided),
            ("specificity", y == 0, 1 - decided),
        )
        found = []
        for rate, carries, right in kinds:
            domain = gold & carries
            e = gold_mean(sample, right, domain, comparable=carries)
            one = interval(sample, e.value, e.influence, self.target, share=True)
            found.append(
                ErrorRate(self.coded.labels[k], group.level, group.name, group.values, rate, int(domain.sum()), one)
            )
        return found


def _finest(groups: Sequence[Group], coded: EstimationData) -> IntArray:
    """Return the number of each gold sentence's finest group, (n,). Sentences that belong to no group have number 0."""
    level = groups[-1].level
    numbers = np.zeros(len(coded.sample.gold), np.int64)
    for i, group in enumerate((g for g in groups if g.level == level), 1):
        numbers[group.gold(coded.sample)] = i
    return numbers
