"""Which comparisons are planned, and that they are what a user asked for."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import facts
from simulated_corpus import draw_simple, population

from communique.errors import DataError
from communique.estimation.comparisons import Comparison, parse_comparisons, plan
from communique.estimation.contrasts import contrast
from communique.estimation.domains import Group
from communique.estimation.estimators import gold_mean, naive_mean
from communique.metrics.multiple_testing import holm
from communique.sampling.population import Column, column_of


def groups_of(**columns: list[str]) -> tuple[list[Group], dict[str, Column]]:
    """Return the groups of columns, without cells."""
    made = {name: column_of(values) for name, values in columns.items()}
    groups = [Group("all", {}, np.zeros(len(next(iter(columns.values()))), np.int64), 0)]
    for name, column in made.items():
        groups += [Group(name, {name: level}, column.codes, code) for code, level in enumerate(column.levels)]
    return groups, made


COUNTRIES = ["DE", "FR", "GB", "IT", "PL", "ES", "US"]


def names(
    compare: list[Comparison] | None = None, references: dict[str, str] | None = None, **columns: list[str]
) -> list[str]:
    groups, made = groups_of(**columns)
    return [one.name for one in plan(groups, made, compare, references).contrasts]


def test_up_to_six_values_are_compared_in_pairs() -> None:
    assert len(names(country=COUNTRIES[:6])) == 15
    assert names(country=["DE", "FR"]) == ["country=FR minus country=DE"]


def test_more_values_are_compared_with_the_rest_and_not_with_alphabetical_neighbours() -> None:
    found = names(country=COUNTRIES)
    assert len(found) == 7
    assert "country=FR minus all but country=FR" in found
    assert not any("country=DE" in name and "country=ES" in name for name in found)


def test_many_years_are_compared_with_the_previous_year_and_have_a_trend() -> None:
    years = [str(year) for year in range(2000, 2010)]
    found = names(year=years)
    assert len(found) == 10
    assert "year=2009 minus year=2008" in found
    assert "all: slope per 1 year" in found


def test_only_what_was_asked_is_compared() -> None:
    assert names([], country=COUNTRIES) == []
    assert len(names(["pairs"], country=COUNTRIES)) == 21
    assert names(["trend"], country=COUNTRIES, year=["2020", "2021", "2022"] + ["2022"] * 4) == [
        "all: slope per 1 year"
    ]
    found = names(["reference"], {"country": "FR"}, country=COUNTRIES, year=["2020"] * 3 + ["2021"] * 4)
    assert found == [f"country={one} minus country=FR" for one in sorted(COUNTRIES) if one != "FR"]
    both = names(["rest", "reference"], {"country": "FR"}, country=COUNTRIES)
    assert len(both) == 13


def test_sentences_without_a_value_are_not_compared() -> None:
    groups, made = groups_of(country=["DE", "FR", "GB"])
    groups.append(Group("country", {"country": "(missing)"}, made["country"].codes, -1))
    planned = plan(groups, made, ["pairs", "rest"])
    assert not any("missing" in one.name for one in planned.contrasts)
    with pytest.raises(DataError, match=facts("country=(missing)", "DE, FR, GB")):
        plan(groups, made, ["reference"], {"country": "(missing)"})


def test_the_rest_includes_groups_with_too_little_gold_for_an_estimate_of_their_own() -> None:
    groups, made = groups_of(country=["DE", "FR", "GB"])
    only = [group for group in groups if group.name in ("all", "country=FR")]
    planned = plan(only, made, ["rest"])
    assert [one.name for one in planned.contrasts] == ["country=FR minus all but country=FR"]
    assert planned.complements[0].members.tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("compare", "references", "message"),
    [
        (["reference"], {}, facts("--compare reference", "--reference country=FR")),
        (["pairs"], {"country": "FR"}, facts("--reference", "--compare reference")),
        (["reference"], {"region": "EU"}, facts("region=EU", "--by", "country")),
        (["reference"], {"country": "XX"}, facts("country=XX", "DE, ES")),
        (["trend"], {}, facts("--compare trend", "--by")),
        (["consecutive"], {}, facts("--compare consecutive", "--by")),
    ],
)
def test_impossible_comparisons_are_refused(
    compare: list[Comparison], references: dict[str, str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        names(compare, references, country=COUNTRIES)


def test_comparisons_are_parsed_from_the_command_line() -> None:
    assert parse_comparisons([], []) == (None, {})
    assert parse_comparisons(["none"], []) == ((), {})
    assert parse_comparisons(["trend", "rest"], ["country=FR", "year=2020"]) == (
        ("rest", "trend"),
        {"country": "FR", "year": "2020"},
    )
    for kinds, references, message in (
        (["none", "rest"], [], "none"),
        (["everything"], [], "everything"),
        (["reference"], ["FR"], "country=FR"),
        (["reference"], ["country=FR", "country=DE"], "country=DE"),
    ):
        with pytest.raises(DataError, match=message):
            parse_comparisons(kinds, references)


def test_a_level_is_compared_with_all_other_sentences_and_shared_documents_count_once() -> None:
    rng = np.random.default_rng(0)
    p = population(rng, share=0.3, accuracy=0.85, documents=120)
    # Each document has sentences of all groups, so the level and the rest share all documents.
    codes = rng.integers(0, 3, len(p.y)).astype(np.int64)
    sample = draw_simple(rng, p.documents, 400)
    y = p.y[sample.gold]
    level = Group("topic", {"topic": "a"}, codes, 0)
    parts = {group.name: gold_mean(sample, y, group.gold(sample)) for group in (level, level.complement())}
    naive = {group.name: naive_mean(sample, p.predicted, group.members).value for group in (level, level.complement())}
    groups = [Group("topic", {"topic": name}, codes, code) for code, name in enumerate("abc")]
    planned = plan(groups, {"topic": Column(("a", "b", "c"), codes)}, ["rest"])
    one = next(one for one in planned.contrasts if one.name.startswith("topic=a "))
    found = contrast(sample, "label", [one], parts, naive, "superpopulation")[0]
    outside = codes[sample.gold] != 0
    assert found.estimate.value == pytest.approx(y[~outside].mean() - y[outside].mean())
    # The linearised difference, added up by document before it is squared.
    rows = np.where(outside, -(y - y[outside].mean()) / outside.sum(), (y - y[~outside].mean()) / (~outside).sum())
    by_document = np.bincount(sample.gold_documents, rows)
    assert found.estimate.error == pytest.approx(np.sqrt((by_document**2).sum()), rel=0.03)


def test_holm_corrects_over_exactly_what_was_asked() -> None:
    rng = np.random.default_rng(2)
    p = population(rng, share=0.3, accuracy=0.85, documents=120)
    sample = draw_simple(rng, p.documents, 400)
    y = p.y[sample.gold]
    groups = [Group("country", {"country": str(name)}, p.groups, code) for code, name in enumerate("abcd")]
    everything = [*groups, *(group.complement() for group in groups)]
    estimates = {group.name: gold_mean(sample, y, group.gold(sample)) for group in everything}
    naive = dict.fromkeys(estimates, 0.0)
    column = {"country": Column(tuple("abcd"), p.groups)}
    compares: tuple[list[Comparison], ...] = (["pairs"], ["rest"], ["pairs", "rest"])
    for compare in compares:
        planned = plan(groups, column, compare).contrasts
        found = contrast(sample, "label", planned, estimates, naive, "superpopulation")
        for family in {one.family for one in found}:
            members = [one for one in found if one.family == family]
            assert len(members) == (6 if family.startswith("differences") else 4)
            assert [one.p_holm for one in members] == pytest.approx(holm([one.estimate.p for one in members]))
