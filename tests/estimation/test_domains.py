"""Which groups can be estimated for which target, sentences without a value, and panels with one document per cell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from communique.estimation.domains import Group, cross, lacking
from communique.estimation.estimators import gold_mean, ppi_mean
from communique.estimation.inputs import NO_VALUE
from communique.estimation.intervals import interval
from communique.estimation.sample import IntArray, Sample, variance
from communique.estimation.warnings import FEW_FREEDOM, group_warnings
from communique.sampling.population import Column, column_of


def one_document_per_cell(per_cell: int, *, cells: int = 3, size: int = 20, two_stage: bool = False) -> Sample:
    """Return a sample of `per_cell` of 20 sentences of each document. Each document is a stratum."""
    documents = np.repeat(np.arange(cells), size)
    gold = np.concatenate([np.arange(per_cell) + size * cell for cell in range(cells)])
    strata = np.zeros(len(gold), np.int64) if two_stage else documents[gold]
    return Sample(documents, gold, np.full(len(gold), per_cell / size), strata, two_stage=two_stage)


def cell(sample: Sample, code: int = 0) -> Group:
    return Group("cell", {"country": f"C{code}"}, sample.documents, code)


@pytest.mark.parametrize("per_cell", [2, 5, 20])
def test_a_cell_with_one_document_is_estimated_for_the_corpus_only(per_cell: int) -> None:
    sample = one_document_per_cell(per_cell)
    assert lacking(sample, cell(sample), "finite-population") is None
    assert lacking(sample, cell(sample), "superpopulation") == "1 gold document"


def test_a_cell_with_one_gold_sentence_is_not_estimated() -> None:
    sample = one_document_per_cell(1)
    assert lacking(sample, cell(sample), "finite-population") == "1 gold sentence"
    assert lacking(sample, replace(cell(sample), code=7), "superpopulation") == "no gold documents"


def test_a_cell_of_one_sentence_that_was_coded_is_estimated_without_error() -> None:
    sample = Sample(np.arange(10), np.arange(10), np.ones(10), np.zeros(10, np.int64))
    assert lacking(sample, cell(sample, 3), "finite-population") is None
    y = (np.arange(10) == 3).astype(float)
    estimate = gold_mean(sample, y, np.arange(10) == 3)
    one = interval(sample, estimate.value, estimate.influence, "finite-population", share=True)
    assert (one.low, one.value, one.high) == (1, 1, 1)
    assert group_warnings(sample, y, np.arange(10) == 3, "finite-population", one.freedom) == ()


def test_certain_gold_does_not_represent_sentences_that_had_no_chance() -> None:
    """Two sentences of the group were drawn with certainty. Nothing is known about its other sentences."""
    sample = Sample(
        np.zeros(20, np.int64), np.array([0, 1, 15, 16]), np.array([1, 1, 0.1, 0.1]), np.array([0, 0, 1, 1])
    )
    group = Group("party", {"party": "A"}, (np.arange(20) >= 10).astype(np.int64), 0)
    assert lacking(sample, group, "finite-population") == "no gold sentences"


def test_two_stage_cells_are_estimated_if_their_document_was_drawn_with_certainty() -> None:
    sample = one_document_per_cell(5, two_stage=True)
    assert sample.certain_documents.all()
    assert lacking(sample, cell(sample), "finite-population") is None
    by_chance = replace(sample, probability=sample.probability * 0.6)
    assert not by_chance.certain_documents.any()
    assert lacking(by_chance, cell(by_chance), "finite-population") == "1 gold document"


def test_a_document_that_was_drawn_with_certainty_is_a_stratum() -> None:
    rng = np.random.default_rng(0)
    two_stage, stratified = one_document_per_cell(5, two_stage=True), one_document_per_cell(5)
    y = rng.integers(0, 2, 15).astype(float)
    for inside in (np.ones(15, bool), two_stage.gold_documents == 1):
        values = [
            variance(sample, gold_mean(sample, y, inside).influence, "finite-population")
            for sample in (two_stage, stratified)
        ]
        assert values[0] == pytest.approx(values[1])


def test_the_variance_of_a_cell_that_is_a_stratum_is_the_textbook_one() -> None:
    sample = one_document_per_cell(5)
    y = np.tile([1.0, 0, 1, 0, 0], 3)
    influence = replace(gold_mean(sample, y, sample.strata == 1).influence, unseen_error_variance=0.0)
    # Cochran 1977, equation 2.20: (1 - f) s^2 / n.
    assert variance(sample, influence, "finite-population")[0] == pytest.approx((1 - 5 / 20) * y[:5].var(ddof=1) / 5)


def test_a_difference_of_a_small_and_a_large_group_has_the_small_sample_correction_of_each() -> None:
    from communique.estimation.sample import combine

    rng = np.random.default_rng(1)
    sample = Sample(np.arange(10_000), np.arange(205), np.full(205, 0.0205), np.zeros(205, np.int64))
    y = rng.integers(0, 2, 205).astype(float)
    small = np.arange(205) < 5
    parts = [replace(gold_mean(sample, y, part).influence, unseen_error_variance=0.0) for part in (small, ~small)]
    together = variance(sample, combine(parts, np.array([1.0, -1.0])), "finite-population")[0]
    textbook = (1 - 0.0205) * (y[small].var(ddof=1) / 5 + y[~small].var(ddof=1) / 200)
    assert together == pytest.approx(textbook, rel=0.01)


def panel_coverage(per_cell: int, draws: int) -> float:
    """Return the coverage of the cells of a panel with 6 documents of 60 sentences, whose proportions differ."""
    shares = np.array([0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
    documents = np.repeat(np.arange(6), 60)
    covered = []
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        y = (rng.random(360) < shares[documents]).astype(float)
        prediction = np.clip(0.6 * y + 0.2 + 0.15 * rng.standard_normal(360), 0, 1)
        gold = np.concatenate([rng.choice(60, per_cell, replace=False) + 60 * cell_ for cell_ in range(6)])
        sample = Sample(documents, gold, np.full(len(gold), per_cell / 60), documents[gold])
        for code in range(6):
            e = ppi_mean(sample, y[gold], prediction, documents == code, lambda_=0.8)
            one = interval(sample, e.value, e.influence, "finite-population", share=True)
            covered.append(one.low <= y[documents == code].mean() <= one.high)
    return float(np.mean(covered))


def test_intervals_of_cells_with_one_document_cover_the_proportion_in_the_corpus() -> None:
    assert 0.92 <= panel_coverage(15, 60) <= 0.985


def test_the_number_of_documents_does_not_matter_if_only_sentences_were_drawn() -> None:
    sample = one_document_per_cell(20, size=80)
    y, inside = np.tile([1.0, 0], 30), sample.gold_documents == 0
    assert group_warnings(sample, y, inside, "finite-population", 19.0) == ()
    rules = [one.rule for one in group_warnings(sample, y, inside, "superpopulation", 19.0)]
    assert rules == ["gold from fewer than 30 documents"]
    few = group_warnings(sample, y, inside, "finite-population", FEW_FREEDOM - 5.0)
    assert "10 degrees of freedom" in few[0].text


def test_sentences_without_a_value_belong_to_no_cell_and_no_complement() -> None:
    year = column_of(["2020", "2021", "2020", "2021"])
    country = Column(("DE", "FR"), np.array([0, NO_VALUE, 1, 1]))
    kinds, codes = cross([country, year])
    assert codes.tolist() == [0, NO_VALUE, 1, 2]
    assert kinds.tolist() == [[0, 0], [1, 0], [1, 1]]
    french = Group("country", {"country": "FR"}, country.codes, 1)
    assert french.members.tolist() == [False, False, True, True]
    assert french.complement().members.tolist() == [True, False, False, False]
    assert french.complement().name == "all but country=FR"


def test_a_complement_and_its_level_divide_the_sentences() -> None:
    codes: IntArray = np.array([0, 1, 2, 1, 0])
    group = Group("country", {"country": "B"}, codes, 1)
    assert (group.members ^ group.complement().members).all()
