"""Tests of the rule for the simulated truth, of the simulated coders, and of the comparison of estimates with the truth."""

from __future__ import annotations

import numpy as np
import pytest
from panel_comparison import Truth, contrasts_compared, estimates_compared, margins, true_contrast
from panel_regions import REGIONS
from panel_truth import ERRORS, TOPICS, probability, truth, with_errors
from panel_walk import without_folders

#: Four sentences per cell of two regions and three years. The label `a` becomes more frequent in the first region only.
POSITIVES = {("x", "2013"): 0, ("x", "2014"): 1, ("x", "2015"): 2, ("y", "2013"): 3, ("y", "2014"): 3, ("y", "2015"): 3}


@pytest.fixture
def known() -> Truth:
    cells = [cell for cell in POSITIVES for _ in range(4)]
    has = [i < n for n in POSITIVES.values() for i in range(4)]
    return Truth(
        names=("a",),
        ids=np.array([f"d{i // 4}:{i % 4}" for i in range(len(cells))]),
        documents_of=np.array([f"d{i // 4}" for i in range(len(cells))]),
        labels=np.array(has)[:, None],
        columns={"region": np.array([r for r, _ in cells]), "year": np.array([y for _, y in cells])},
    )


def estimate(values: dict[str, str], low: float, high: float, n: int, **extra: str) -> dict[str, str]:
    row = {"label": "a", "level": "cell", "method": "ppi", "warnings": "", "n": str(n), **values}
    return row | {"estimate": str((low + high) / 2), "low": str(low), "high": str(high)} | extra


def test_a_word_counts_unless_its_context_cancels_it_and_the_next_sentence_continues_the_topic() -> None:
    climate = TOPICS["climate"]
    real = climate.logit("Climate change threatens our coast.", "")
    metaphor = climate.logit("The political climate in the region has changed.", "")
    nothing = climate.logit("I thank the President.", "")
    assert real > metaphor > nothing
    continued = climate.logit("This requires money that we do not have.", "Climate change threatens our coast.")
    assert real > continued > nothing
    assert climate.logit("Money is scarce.", "Climate change threatens our coast.") == nothing


def test_hard_wrapped_words_are_found() -> None:
    wrapped = probability("development", "We support sustainable\ndevelopment.", "", "FRA_70_2015", "africa", 2015)
    assert wrapped == probability(
        "development", "We support sustainable development.", "", "FRA_70_2015", "africa", 2015
    )
    assert wrapped > 0.5


def test_the_truth_depends_on_the_sentence_alone_and_not_on_the_order() -> None:
    sentences = [(f"s:{i}", "Terrorism is a threat to all.", "", f"d{i % 7}", "africa", 2013) for i in range(400)]
    first = [truth(*one) for one in sentences]
    assert first[::-1] == [truth(*one) for one in reversed(sentences)]
    proportion = np.mean(["armed_conflict" in labels for labels in first])
    assert proportion == pytest.approx(
        np.mean([probability("armed_conflict", *one[1:]) for one in sentences]), abs=0.06
    )


def test_the_second_coder_errs_in_the_planned_proportion_of_rows_about_one_label() -> None:
    labels = ("climate", "development")
    coded = [with_errors(f"s:{i}", labels) for i in range(4000)]
    wrong = [one for one in coded if one != labels]
    assert len(wrong) / 4000 == pytest.approx(ERRORS, abs=0.012)
    assert all(len(set(one) ^ set(labels)) == 1 for one in wrong)


def test_every_country_has_one_region() -> None:
    assert len(REGIONS) == 196
    assert len(set(REGIONS.values())) == 5


def test_proportions_of_groups_and_of_all_sentences(known: Truth) -> None:
    assert known.proportions({"region": "x", "year": "all"})["a"] == pytest.approx(3 / 12)
    assert known.proportions()["a"] == pytest.approx(0.5)
    rest = known.without({"d5:0", "d5:1", "d5:2", "d5:3"})
    assert len(rest) == 20
    assert rest.documents == {"d0", "d1", "d2", "d3", "d4"}


def test_intervals_that_contain_the_truth_are_counted(known: Truth) -> None:
    rows = [
        estimate({"region": "x", "year": "2014"}, 0.1, 0.4, 4),
        estimate({"region": "x", "year": "2015"}, 0.1, 0.4, 4, warnings="few sentences"),
        estimate({"region": "y", "year": "2013"}, 0.5, 0.75, 4),
        estimate({"region": "y", "year": "2013"}, 0.5, 0.5, 4, method="naive") | {"low": "", "high": ""},
    ]
    found = estimates_compared(rows, known, known)["cell"]
    ppi = found["methods"]["ppi"]
    assert found["groups"] == 3
    assert (ppi["intervals"], ppi["covered"], ppi["without_warning"], ppi["covered_without_warning"]) == (3, 2, 2, 2)
    assert ppi["labels"]["a"]["mean_error"] == pytest.approx(np.mean([0, -0.25, -0.125]), abs=1e-4)
    assert ppi["width"] == pytest.approx(np.mean([0.3, 0.3, 0.25]), abs=1e-4)
    # A naive proportion of a single document has no interval.
    assert (found["methods"]["naive"]["covered"], found["methods"]["naive"]["width"]) == (0, None)


def test_the_reported_proportions_of_margins_are_listed_with_the_truth(known: Truth) -> None:
    rows = [
        estimate({"region": "x", "year": "all"}, 0.1, 0.5, 12, level="region", reported="True"),
        estimate({"region": "x", "year": "all"}, 0.1, 0.6, 12, level="region", reported="False", method="gold"),
        estimate({"region": "x", "year": "2013"}, 0.1, 0.5, 4, reported="True"),
    ]
    (found,) = margins(rows, known)
    assert found["group"] == ["x"]
    assert (found["estimate"], found["low"], found["high"], found["truth"]) == (0.3, 0.1, 0.5, 0.25)


def test_estimates_of_other_sentences_are_refused(known: Truth) -> None:
    with pytest.raises(ValueError, match="4 sentences"):
        estimates_compared([estimate({"region": "x", "year": "2014"}, 0, 1, 5)], known, known)


def test_true_contrasts_and_trends(known: Truth) -> None:
    rest = true_contrast("region against the rest", "region=x minus rest of region=x", "a", known)
    assert rest == pytest.approx(3 / 12 - 9 / 12)
    assert true_contrast("trend over year", "all: slope per 1 year", "a", known) == pytest.approx(0.125)
    assert true_contrast("trends over year by cell", "region=x: slope per 1 year", "a", known) == pytest.approx(0.25)
    with pytest.raises(ValueError, match="not known"):
        true_contrast("differences by region", "region=x minus region=y", "a", known)


def test_significant_contrasts_with_the_wrong_sign_are_counted(known: Truth) -> None:
    name = {"family": "region against the rest", "contrast": "region=x minus rest of region=x"}
    wrong = {
        "label": "a",
        "estimate": "0.3",
        "low": "0.1",
        "high": "0.5",
        "p_holm": "0.01",
        "naive": "-0.4",
        "warnings": "",
    }
    right = wrong | {"estimate": "-0.4", "low": "-0.6", "high": "-0.2"}
    found = contrasts_compared([name | wrong, name | right], known)["region against the rest"]
    assert (found["covered"], found["significant"], found["significant_with_wrong_sign"]) == (1, 2, 1)
    assert found["mean_absolute_error"] == pytest.approx(0.45)


def test_results_do_not_say_where_the_walk_was_run() -> None:
    command = "communique init /data/of/someone/debate --codebook '/data/my file.yaml' --model ../debate/models/model-1"
    assert (
        without_folders(command) == "communique init debate --codebook 'my file.yaml' --model ../debate/models/model-1"
    )
