"""Plan the comparisons of groups: against a reference level, all pairs, each level against the rest, consecutive levels, trends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Literal, get_args

import numpy as np

from ..errors import DataError
from ..sampling.population import Column
from .domains import Group
from .sample import FloatArray

#: A kind of comparison. Contrasts of the same kind, column and label are corrected together.
#:
#: - `reference`: each level of a column against one level that the user names.
#: - `pairs`: all pairs of levels.
#: - `rest`: each level against all other sentences that have a value in the column.
#: - `consecutive`: each level of a numeric column against the previous one.
#: - `trend`: the slope over a numeric column, over all sentences and within each cell of the other columns.
Comparison = Literal["reference", "pairs", "rest", "consecutive", "trend"]
COMPARISONS: tuple[Comparison, ...] = get_args(Comparison)

#: Largest number of levels for which all pairs are compared by default, because 7 levels would already make 21 pairs.
PAIRED = 6

#: Smallest number of groups for a trend. A slope through two points would be a difference.
LEAST_FOR_TREND = 3

#: Largest number of groups that a message names.
NAMED = 12


@dataclass(frozen=True)
class ContrastSpec:
    """A linear combination of the proportions of groups. Contrasts of the same `family` are corrected together."""

    family: str
    name: str
    groups: tuple[str, ...]
    coefficients: FloatArray


@dataclass(frozen=True)
class Plan:
    """The planned contrasts, the groups that they compare with in addition to those of the results (complements), and notes.

    A note names each kind of comparison that was asked for although there is nothing to compare.
    """

    contrasts: tuple[ContrastSpec, ...]
    complements: tuple[Group, ...] = ()
    notes: tuple[str, ...] = ()


def plan(
    groups: Sequence[Group],
    columns: Mapping[str, Column],
    compare: Sequence[Comparison] | None = None,
    references: Mapping[str, str] | None = None,
) -> Plan:
    """Plan the comparisons of the levels of each column. Sentences without a value take part in none.

    Args:
        groups: The groups with enough gold.
        columns: The columns that define the groups.
        compare: Kinds of comparisons. Default: see `default`. An empty sequence plans none.
        references: The reference level of columns, for the comparison `reference`.

    Raises:
        DataError: A reference does not exist or has too little gold, `reference` has no reference, or no column is numeric.
    """
    references = references or {}
    _check(groups, columns, compare, references)
    found: list[ContrastSpec] = []
    complements: list[Group] = []
    for column, values in columns.items():
        margin = [group for group in groups if group.level == column and not group.missing]
        numeric = values.numbers is not None
        for kind in dict.fromkeys(default(values, len(margin)) if compare is None else compare):
            if kind == "reference" and column in references:
                found += _against_reference(margin, column, references[column])
            elif kind == "pairs":
                found += _differences(f"differences by {column}", ((b, a) for a, b in combinations(margin, 2)))
            elif kind == "rest" and len(values.levels) > 1:
                pairs = [(group, group.complement()) for group in margin]
                found += _differences(f"{column} against the rest", pairs)
                complements += [rest for _, rest in pairs]
            elif kind == "consecutive" and numeric:
                found += _differences(f"consecutive values of {column}", ((b, a) for a, b in pairwise(margin)))
            elif kind == "trend" and numeric:
                found += _trends(groups, margin, column)
    return Plan(tuple(found), tuple(complements), tuple(_without_effect(found, columns, compare or ())))


def _without_effect(
    found: Sequence[ContrastSpec], columns: Mapping[str, Column], asked: Sequence[Comparison]
) -> Iterator[str]:
    if not asked or found:
        return
    reason = "the columns of --by have too few values with enough gold" if columns else "--by names no column"
    yield f"no comparisons ({', '.join(dict.fromkeys(asked))}), because {reason}"


def default(column: Column, levels: int) -> tuple[Comparison, ...]:
    """Return the comparisons of a column that are planned by default.

    With up to six levels, all pairs are compared. With more, each level is compared with the rest or, if the levels are numbers
    such as years, with the previous one. Numbers also have a trend.
    """
    if column.numbers is not None:
        return ("pairs" if levels <= PAIRED else "consecutive", "trend")
    return ("pairs",) if levels <= PAIRED else ("rest",)


def _check(
    groups: Sequence[Group],
    columns: Mapping[str, Column],
    compare: Sequence[Comparison] | None,
    references: Mapping[str, str],
) -> None:
    asked = () if compare is None else compare
    if "reference" in asked and not references:
        raise DataError("--compare reference: no reference level is named. Name it, such as --reference country=FR")
    if references and "reference" not in asked:
        raise DataError(
            "--reference: it only has an effect with --compare reference. Add this option, or omit --reference"
        )
    for column, level in references.items():
        if column not in columns:
            names = ", ".join(columns) or "no column"
            raise DataError(
                f"--reference {column}={level}: --by does not name this column (it names: {names}). Add it to --by"
            )
        others = [group.values[column] for group in groups if group.level == column and not group.missing]
        if level not in others:
            raise DataError(
                f"--reference {column}={level}: this group does not exist or has too little gold. Use one of: "
                f"{', '.join(others[:NAMED])}"
            )
    needing = [kind for kind in ("trend", "consecutive") if kind in asked]
    if needing and all(column.numbers is None for column in columns.values()):
        raise DataError(
            f"--compare {needing[0]}: no column of --by contains only numbers, such as years. Add such a column to --by, or "
            "choose another comparison"
        )


def _differences(
    family: str, pairs: Iterator[tuple[Group, Group]] | Sequence[tuple[Group, Group]]
) -> list[ContrastSpec]:
    return [ContrastSpec(family, f"{a.name} minus {b.name}", (a.name, b.name), np.array([1.0, -1.0])) for a, b in pairs]


def _against_reference(margin: Sequence[Group], column: str, level: str) -> list[ContrastSpec]:
    one = next(group for group in margin if group.values[column] == level)
    return _differences(f"{column} against {level}", [(group, one) for group in margin if group is not one])


def _trends(groups: Sequence[Group], margin: Sequence[Group], column: str) -> list[ContrastSpec]:
    """Plan the trend over all sentences, and those within each cell of the other columns. They are separate families."""
    lines: dict[str, list[Group]] = {}
    for group in groups:
        if group.level == "cell":
            rest = ", ".join(f"{c}={v}" for c, v in group.values.items() if c != column)
            lines.setdefault(rest, []).append(group)
    series = [(f"trend over {column}", "all", margin)]
    series += [(f"trends over {column} by cell", name, line) for name, line in lines.items()]
    return [
        ContrastSpec(family, f"{name}: slope per 1 {column}", tuple(g.name for g in line), _slope(line, column))
        for family, name, line in series
        if len(line) >= LEAST_FOR_TREND
    ]


def _slope(line: Sequence[Group], column: str) -> FloatArray:
    """Return the coefficients of the least-squares slope through the proportions of groups, with equal weights.

    With equal weights, the slope that is estimated depends neither on the number of sentences of a group nor on the amount of
    its gold. Weights by precision would change it from sample to sample if the proportions do not lie on a line.
    """
    x = np.array([float(group.values[column]) for group in line])
    centred: FloatArray = x - x.mean()
    return centred / (centred @ centred)


def parse(text: str, groups: Sequence[Group]) -> ContrastSpec:
    """Parse a comparison that the user requests, such as ``country=FR,year=2021 vs country=DE,year=2021``.

    Args:
        text: Two groups, separated by `vs`.
        groups: The groups with enough gold.

    Raises:
        DataError: The text is not a comparison of two different groups, or one of them does not exist or has too little gold.
    """
    sides = [side.strip() for side in text.split(" vs ")]
    if len(sides) != 2:
        raise DataError(
            f"--contrast {text!r}: this does not name two groups. Separate them with ' vs ', such as 'country=FR vs country=DE'"
        )
    by_values = {frozenset(group.values.items()): group.name for group in groups}
    names = []
    for side in sides:
        pairs = [pair.partition("=") for pair in side.split(",")] if side != "all" else []
        name = by_values.get(frozenset((column.strip(), value.strip()) for column, _, value in pairs))
        if name is None:
            raise DataError(
                f"--contrast {text!r}: the group {side!r} does not exist or has too little gold. Draw gold in this group, or "
                f"compare groups with enough gold: {'; '.join(list(by_values.values())[:NAMED])}"
            )
        names.append(name)
    if names[0] == names[1]:
        raise DataError(f"--contrast {text!r}: both sides are the same group. Name two different groups")
    return ContrastSpec("asked for", f"{names[0]} minus {names[1]}", tuple(names), np.array([1.0, -1.0]))


def parse_comparisons(
    kinds: Sequence[str], references: Sequence[str]
) -> tuple[tuple[Comparison, ...] | None, dict[str, str]]:
    """Parse comparisons as the command line names them.

    Args:
        kinds: Kinds of comparisons, or `none` alone.
        references: Reference levels, such as `country=FR`.

    Returns:
        The kinds, or None for the default, and the reference level by column.

    Raises:
        DataError: `none` is combined with others, a kind is unknown, or a reference is not COLUMN=VALUE.
    """
    if "none" in kinds and set(kinds) != {"none"}:
        raise DataError("--compare none: it cannot be combined with other comparisons. Use it alone, or omit it")
    wanted = [kind for kind in COMPARISONS if kind in kinds]
    if unknown := [kind for kind in kinds if kind not in (*COMPARISONS, "none")]:
        raise DataError(f"--compare {unknown[0]}: unknown comparison. Use one of: {', '.join((*COMPARISONS, 'none'))}")
    found: dict[str, str] = {}
    for text in references:
        column, equals, level = (part.strip() for part in text.partition("="))
        if not (column and equals and level):
            raise DataError(f"--reference {text!r}: this is not a column and a value. Write it as country=FR")
        if found.setdefault(column, level) != level:
            raise DataError(
                f"--reference {text!r}: column {column!r} has another reference already. Name only one per column"
            )
    return (tuple(wanted) if kinds else None), found
