"""Warnings before coding follow the rules of the estimates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import TINY, has_facts, predictions

from communique.estimation.foresight import foresee
from communique.sampling.design import draw_sample
from communique.sampling.frame import Frame
from communique.sampling.population import Population, column_of, read_population


@pytest.fixture
def population(tmp_path: Path) -> Population:
    """Return 420 sentences in 40 documents. Five documents have no country."""
    found = read_population(predictions(tmp_path / "p.jsonl"))
    country = column_of([("FR", "DE")[d % 2] if d >= 5 else "" for d in found.documents.tolist()])
    year = column_of([str(2020 + d % 3) for d in found.documents.tolist()])
    return replace(found, columns={"country": country, "year": year})


def test_the_groups_are_those_of_the_estimates(population: Population) -> None:
    """`communique estimate` reports the group (missing) of a column, but no cells of it."""
    frame = Frame(population).without_missing(["country", "year"], "keep")
    drawn = draw_sample(frame, 60, TINY, by=["country", "year"])
    assert {s.stratum for s in drawn.strata} >= {"country=(missing); year=2020"}
    lines = "\n".join(foresee(frame.population, drawn))
    # All sentences, 3 countries, 3 years, and 6 cells.
    assert "of 13 groups" in lines
    assert "country=(missing)" in lines
    assert "country=(missing), year" not in lines


def test_a_group_that_is_coded_as_a_whole_needs_no_second_sentence(population: Population) -> None:
    single = column_of(["one", *["more"] * (len(population) - 1)])
    drawn = draw_sample(replace(population, columns={"kind": single}), 120, TINY, by=["kind"])
    lines = foresee(replace(population, columns={"kind": single}), drawn, proportions=dict.fromkeys(TINY.names, 0.5))
    assert not any("no estimate" in line for line in lines)
    assert any(has_facts(line, "1 of 3 groups", "kind=one", "--target finite-population") for line in lines)


def test_a_two_stage_sample_needs_more_documents_and_not_another_target(population: Population) -> None:
    by_document = column_of([f"d{d}" for d in population.documents.tolist()])
    frame = replace(population, columns={"speech": by_document})
    drawn = draw_sample(frame, 60, TINY, design="two-stage", per_document=5)
    grouped = drawn.model_copy(update={"by": ("speech",)})
    lines = foresee(frame, grouped)
    speeches = len(by_document.levels)
    assert any(
        has_facts(line, f"{speeches} of {speeches + 1} groups", "no estimate", "more documents") for line in lines
    )
    assert not any("--target finite-population" in line for line in lines)


def test_expected_cases_follow_proportions_and_measured_rates(population: Population) -> None:
    drawn = draw_sample(population, 100, TINY)
    rare = foresee(population, drawn, proportions=dict.fromkeys(TINY.names, 0.05))
    assert sum("fewer than 10 coded sentences" in line for line in rare) == len(TINY.names)
    common = foresee(population, drawn, proportions=dict.fromkeys(TINY.names, 0.5))
    assert not any("fewer than 10 coded sentences" in line for line in common)
    never = replace(population, decisions=np.zeros_like(population.decisions))
    # The probabilities alone say that there are enough cases. With measured rates, a label that is never predicted has none.
    assert not any("label criticism" in line for line in foresee(never, drawn))
    assert any("label criticism" in line for line in foresee(never, drawn, rates={"criticism": (0.9, 0.9)}))
