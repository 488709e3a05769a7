from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from helpers import TINY, facts, has_facts, predictions
from hypothesis import given
from hypothesis import strategies as st

from communique.data.codes import factorize
from communique.data.sentence import Sentence
from communique.errors import DataError
from communique.sampling.design import Design, draw_sample, training_sample
from communique.sampling.draws import allocate, plan_two_stage, simple, stratified, two_stage
from communique.sampling.planning import as_width, needed_by_group
from communique.sampling.population import Population, column_of, display_sha256, read_population, visible
from communique.sampling.size import Z, by_rates, label_correlation, needed, read_rates
from communique.sampling.strata import allocation_weights, make_strata, residual_variance, stratum_variances
from communique.sampling.training import pick_for_training

NAMES = TINY.names


def all_of(population: Population) -> list[Sentence]:
    return [population.sentence(row) for row in range(len(population))]


@pytest.fixture
def population(tmp_path: Path) -> Population:
    return read_population(predictions(tmp_path / "labelled.jsonl"))


# --- reading -----------------------------------------------------------------------------------------------------------


def test_all_formats_of_predictions_give_the_same_population(tmp_path: Path, population: Population) -> None:
    from communique.io.write import write_csv, write_parquet

    rows = [json.loads(line) for line in population.path.read_text(encoding="utf-8").splitlines()]
    write_parquet(tmp_path / "p.parquet", rows)
    flat = [
        {k: v for k, v in row.items() if k != "probabilities"}
        | {f"probability_{name}": p for name, p in row["probabilities"].items()}
        for row in rows
    ]
    write_csv(tmp_path / "p.csv", list(flat[0]), flat)
    for name in ("p.parquet", "p.csv"):
        other = read_population(tmp_path / name)
        assert other.names == population.names
        assert all_of(other) == all_of(population)
        np.testing.assert_array_equal(other.decisions, population.decisions)
        np.testing.assert_allclose(other.probabilities, population.probabilities)
        assert other.column("country").values() == population.column("country").values()
        assert other.column("year").levels == ("2020", "2021", "2022", "2023")


def test_the_previous_sentence_is_only_set_if_it_directly_precedes(population: Population) -> None:
    first, second = all_of(population)[:2]
    assert first.previous is None
    assert second.previous == first.text


@pytest.mark.parametrize(
    ("own", "has_index", "before"),
    [
        ({}, False, None),
        ({"input_index": "number"}, True, "Sentence 0 of document 0."),
        ({"previous": "given"}, False, "What came before."),
    ],
)
def test_without_split_the_index_of_the_input_determines_the_previous_sentence(
    tmp_path: Path, population: Population, own: dict[str, str], has_index: bool, before: str | None
) -> None:
    """Without `--split`, `communique label` writes index 0 in every row, and the index of the input as `input_index`."""
    rows = [json.loads(line) for line in population.path.read_text(encoding="utf-8").splitlines()]
    values: dict[str, Callable[[dict[str, Any]], object]] = {
        "number": lambda row: row["index"] + 1,
        "given": lambda row: "What came before.",
    }
    changed = [{**row, **{name: values[kind](row) for name, kind in own.items()}, "index": 0} for row in rows]
    path = tmp_path / "unsplit.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in changed), encoding="utf-8")
    found = read_population(path)
    assert found.has_index is has_index
    assert found.sentence(1).previous == before
    if has_index:
        assert [found.sentence(i).index for i in range(3)] == [1, 2, 3]


def test_documents_with_the_same_name_in_different_sources_are_distinct(tmp_path: Path, population: Population) -> None:
    rows = [json.loads(line) for line in population.path.read_text(encoding="utf-8").splitlines()]
    path = tmp_path / "sources.jsonl"
    path.write_text(
        "".join(json.dumps({**row, "source": "ab"[i % 2]}) + "\n" for i, row in enumerate(rows)), encoding="utf-8"
    )
    found = read_population(path)
    assert len(found.document_names) == 2 * len(population.document_names)
    assert found.sentence(1).source == "b"
    assert found.sentence(1).previous is None


def test_unlabelled_rows_are_skipped_and_counted(tmp_path: Path, population: Population) -> None:
    blank = {"id": "x", "document": "x", "text": "", "labels": [], "probabilities": dict.fromkeys(NAMES)}
    broken = blank | {"id": "y", "text": "half a", "error": "cut"}
    path = tmp_path / "blank.jsonl"
    path.write_text(
        population.path.read_text(encoding="utf-8") + json.dumps(blank) + "\n" + json.dumps(broken) + "\n",
        encoding="utf-8",
    )
    found = read_population(path)
    assert (len(found), found.unlabelled) == (len(population), 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "d0:0"}, "'d0:0'.*row 1"),
        ({"labels": ["thanks"]}, "'thanks'"),
        ({"probabilities": dict.fromkeys(NAMES, 1.5)}, "0 to 1"),
    ],
)
def test_invalid_predictions_are_reported_with_row_and_value(
    tmp_path: Path, population: Population, change: dict[str, object], message: str
) -> None:
    lines = population.path.read_text(encoding="utf-8").splitlines()
    lines[5] = json.dumps(json.loads(lines[5]) | change)
    path = tmp_path / "faulty.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(DataError, match=r"row 6: .*" + message):
        read_population(path)


# --- designs and their inclusion probabilities -------------------------------------------------------------------------


def frequencies(draw: object, n_population: int, times: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw repeatedly, and return how often each row was drawn and its recorded inclusion probability."""
    drawn, recorded = np.zeros(n_population), np.full(n_population, np.nan)
    for seed in range(times):
        sample = draw(np.random.default_rng(seed))  # type: ignore[operator]
        drawn[sample.rows] += 1
        recorded[sample.rows] = sample.probability
    return drawn / times, recorded


def assert_frequencies(draw: object, n_population: int, times: int = 1000) -> None:
    drawn, recorded = frequencies(draw, n_population, times)
    assert not np.isnan(recorded).any(), "every row of the population must be drawn at least once"
    error = np.sqrt(recorded * (1 - recorded) / times)
    assert (np.abs(drawn - recorded) <= 4.5 * error + 1e-12).all()


def test_a_simple_design_draws_every_pair_with_the_same_probability() -> None:
    pairs = Counter(
        pair
        for seed in range(1500)
        for pair in combinations(simple(5, 3, np.random.default_rng(seed)).rows.tolist(), 2)
    )
    # Each of the 10 pairs is in a sample of 3 with probability 3/10.
    assert len(pairs) == 10
    assert max(abs(count / 1500 - 0.3) for count in pairs.values()) < 4.5 * (0.21 / 1500) ** 0.5


def test_stratified_frequencies_match_the_inclusion_probabilities() -> None:
    strata = np.repeat([0, 1, 2], [20, 5, 1])
    assert_frequencies(lambda g: stratified(strata, np.array([4, 3, 1]), g), 26)


@pytest.mark.parametrize("by_size", [True, False])
@pytest.mark.parametrize(("sizes", "n"), [([3, 5, 8, 2, 40, 1, 6, 7], 9), ([4, 4, 4, 4], 6), ([100, 1, 1, 1], 5)])
def test_two_stage_frequencies_match_the_inclusion_probabilities(sizes: list[int], n: int, by_size: bool) -> None:
    documents = np.repeat(np.arange(len(sizes)), sizes)
    plan = plan_two_stage(np.array(sizes), n, 3, proportional=by_size)
    assert_frequencies(lambda g: two_stage(documents, plan, g), len(documents))


def test_a_two_stage_design_by_size_is_self_weighting_if_documents_are_long() -> None:
    plan = plan_two_stage(np.array([10, 20, 30, 40]), 10, 5, proportional=True)
    rows = plan.document_probability * plan.rows_read / np.array([10, 20, 30, 40])
    assert np.ptp(rows) < 1e-12
    assert plan.expected == pytest.approx(10)


def test_a_two_stage_design_draws_a_fixed_number_of_documents() -> None:
    sizes = np.array([3, 5, 8, 2, 40, 1, 6, 7])
    documents = np.repeat(np.arange(len(sizes)), sizes)
    plan = plan_two_stage(sizes, 9, 3, proportional=True)
    for seed in range(200):
        drawn = two_stage(documents, plan, np.random.default_rng(seed))
        assert len(np.unique(documents[drawn.rows])) == plan.documents_drawn


def test_an_unreachable_number_of_rows_is_refused() -> None:
    with pytest.raises(DataError, match="--per-document"):
        plan_two_stage(np.array([50, 50]), 20, 3, proportional=False)


def test_a_document_drawn_with_certainty_is_read_in_proportion() -> None:
    plan = plan_two_stage(np.array([100, 2, 2, 2]), 10, 2, proportional=True)
    assert plan.document_probability[0] == 1
    assert plan.rows_read[0] == 10


@pytest.mark.parametrize("design", ["simple", "stratified", "two-stage"])
@pytest.mark.parametrize("allocation", ["proportional", "optimal", "equal"])
def test_horvitz_thompson_sums_are_unbiased(population: Population, design: str, allocation: str) -> None:
    y = (np.random.default_rng(1).random(len(population)) < population.probabilities[:, 0]).astype(float)
    place = {identity: i for i, identity in enumerate(population.ids.to_pylist())}
    totals, counts = [], []
    for seed in range(120):
        plan = draw_sample(
            population,
            60,
            TINY,
            design=design,  # type: ignore[arg-type]
            by=("country",),
            strata=("predicted",) if design == "stratified" else (),
            allocation=allocation,
            per_document=4,
            seed=seed,
        )
        weights = np.array([1 / (row.inclusion_probability or 0) for row in plan.rows])
        totals.append(float(weights @ y[[place[row.id] for row in plan.rows]]))
        counts.append(float(weights.sum()))
    for sums, truth in ((totals, y.sum()), (counts, len(population))):
        assert abs(np.mean(sums) - truth) < 4 * np.std(sums) / 120**0.5 + 1e-9


def test_the_seed_determines_the_draw(population: Population) -> None:
    same = [draw_sample(population, 50, TINY, by=("country", "year"), seed=3) for _ in range(2)]
    other = draw_sample(population, 50, TINY, by=("country", "year"), seed=4)
    assert same[0] == same[1]
    assert {r.id for r in same[0].rows} != {r.id for r in other.rows}


# --- allocation --------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(1, 50), st.floats(0, 10)), min_size=1, max_size=12),
    st.floats(0, 1),
)
def test_the_allocation_adds_up_to_n_within_bounds(strata: list[tuple[int, float]], share: float) -> None:
    sizes = np.array([size for size, _ in strata])
    weights = np.array([weight for _, weight in strata])
    low = np.minimum(sizes, 2)
    n = int(low.sum() + share * (sizes.sum() - low.sum()))
    drawn = allocate(sizes, weights, n)
    assert drawn.sum() == n
    assert (drawn >= low).all()
    assert (drawn <= sizes).all()


def test_the_allocation_is_proportional_to_the_weights() -> None:
    assert allocate(np.array([100, 200, 700]), np.array([100.0, 200, 700]), 50).tolist() == [5, 10, 35]


def test_too_few_rows_for_the_strata_are_refused() -> None:
    with pytest.raises(DataError, match=facts("6 in all", "-n 6")):
        allocate(np.array([9, 9, 9]), np.ones(3), 5)


def test_optimal_allocation_reduces_the_expected_variance(population: Population) -> None:
    strata = make_strata(population, (), ("uncertainty",))
    plain, best = (
        allocate(strata.sizes, allocation_weights(population, strata, a), 100) for a in ("proportional", "optimal")
    )
    variances = stratum_variances(population, strata).mean(axis=1)

    def variance(drawn: np.ndarray) -> float:
        return float((strata.sizes**2 * variances * (1 - drawn / strata.sizes) / drawn).sum())

    assert variance(best) < variance(plain)
    # However wrong the model is, every stratum has at least half of its proportional allocation, so no variance more than doubles.
    assert (best >= plain // 2).all()


def test_uncertainty_strata_are_ordered_and_few(population: Population) -> None:
    strata = make_strata(population, (), ("uncertainty",))
    uncertain = (population.probabilities * (1 - population.probabilities)).mean(axis=1)
    means = {name: uncertain[strata.of_row == h].mean() for h, name in enumerate(strata.names)}
    assert sorted(means) == [f"uncertainty={i}" for i in range(1, len(means) + 1)]
    assert sorted(means.values()) == [means[name] for name in sorted(means)]


def test_groups_become_strata_and_their_columns_are_kept(population: Population) -> None:
    plan = draw_sample(population, 40, TINY, by=("country", "year"))
    assert plan.sampling == "stratified"
    assert {s.stratum for s in plan.strata} >= {"country=FR; year=2020"}
    assert all(row.stratum == f"country={row.columns['country']}; year={row.columns['year']}" for row in plan.rows)
    assert sum(s.population for s in plan.strata) == len(population)


def test_a_two_stage_design_refuses_strata_within_documents(population: Population) -> None:
    with pytest.raises(DataError, match=facts("'d0'", "strata")):
        draw_sample(population, 40, TINY, design="two-stage", strata=("predicted",))


def test_an_unknown_column_is_reported_with_the_existing_columns(population: Population) -> None:
    with pytest.raises(DataError, match=facts("'nation'", "country")):
        draw_sample(population, 40, TINY, by=("nation",))


# --- number of sentences -----------------------------------------------------------------------------------------------


def test_the_residual_variance_is_that_of_an_estimator_with_optimal_lambda() -> None:
    draw = np.random.default_rng(0)
    p = draw.beta(0.5, 1, size=(200_000, 2))
    f = p > 0.4
    y = (draw.random(p.shape) < p).astype(float)
    for i, expected in enumerate(residual_variance(p, f)):
        weight = np.cov(y[:, i], f[:, i])[0, 1] / f[:, i].var()
        assert np.var(y[:, i] - weight * f[:, i]) == pytest.approx(expected, rel=0.02)


def test_the_needed_n_gives_an_interval_of_the_wanted_width() -> None:
    draw = np.random.default_rng(5)
    width, size = 0.08, 20_000
    p = draw.beta(0.4, 1.2, size=(size, 1))
    population = _of(p, [f"d{i // 4}" for i in draw.permutation(size)])
    need = needed(population, width)[0]
    f = population.decisions[:, 0].astype(float)
    estimates, alone = [], []
    for seed in range(400):
        generator = np.random.default_rng(seed)
        y = (generator.random(size) < p[:, 0]).astype(float)
        rows = generator.choice(size, need.n, replace=False)
        power = np.cov(y[rows], f[rows])[0, 1] / f[rows].var()
        estimates.append(power * f.mean() + (y[rows] - power * f[rows]).mean() - y.mean())
        rows = generator.choice(size, need.n_gold_only, replace=False)
        alone.append(y[rows].mean() - y.mean())
    # The standard deviation of 400 draws is within 7 % of the true value (two standard errors).
    assert 2 * Z * np.std(estimates) == pytest.approx(width, rel=0.1)
    assert 2 * Z * np.std(alone) == pytest.approx(width, rel=0.1)
    assert need.n < need.n_gold_only


def test_the_superpopulation_width_includes_the_variance_between_populations() -> None:
    draw = np.random.default_rng(5)
    p = draw.beta(0.4, 1.2, size=(400, 1))
    need = needed(_of(p, [f"d{i}" for i in range(400)]), 0.08)[0]
    # Each sentence is a separate document. A new corpus is drawn in each repetition, and a sample from it.
    f, errors = (p[:, 0] > 0.5).astype(float), []
    for seed in range(600):
        generator = np.random.default_rng(seed)
        corpus = generator.integers(0, 400, 400)
        y, g = (generator.random(400) < p[corpus, 0]).astype(float), f[corpus]
        rows = generator.choice(400, need.n, replace=False)
        power = np.cov(y[rows], g[rows])[0, 1] / g[rows].var()
        errors.append(power * g.mean() + (y[rows] - power * g[rows]).mean() - p.mean())
    assert 2 * Z * np.std(errors) == pytest.approx(need.superpopulation_width, rel=0.1)
    assert need.superpopulation_width > 0.1


def test_measured_error_rates_replace_the_models_probabilities(tmp_path: Path, population: Population) -> None:
    def report(precision: float, recall: float | None) -> Path:
        rows = [{"label": name, "precision": {"value": precision}, "recall": {"value": recall}} for name in NAMES]
        path = tmp_path / "report.json"
        path.write_text(json.dumps({"groups": [{"kind": "all", "labels": rows}]}), encoding="utf-8")
        return path

    rates = read_rates(report(0.8, 0.5))
    assert rates == dict.fromkeys(NAMES, (0.8, 0.5))
    believed = by_rates(population, rates)
    given = population.decisions.mean(axis=0)
    # 80 % of the predictions are correct, and these are half of all sentences with the label.
    np.testing.assert_allclose(believed.probabilities.mean(axis=0), given * 0.8 / 0.5)
    np.testing.assert_allclose((believed.probabilities * population.decisions).mean(axis=0) / given, 0.8)
    good, bad = (needed(population, 0.2, rates=read_rates(report(p, p))) for p in (0.95, 0.6))
    assert all(a.n < b.n for a, b in zip(good, bad, strict=True))
    assert read_rates(report(0.8, None)) == {}
    for content in ("[]", "{", '{"groups": []}'):
        (tmp_path / "other.json").write_text(content, encoding="utf-8")
        with pytest.raises(DataError, match=facts("other.json")):
            read_rates(tmp_path / "other.json")


def test_the_estimated_correlation_is_that_of_the_labels() -> None:
    draw = np.random.default_rng(2)
    documents, length = 3000, 8
    lean = draw.beta(2, 6, size=documents)
    # All sentences of a document have the same probability, so the intraclass correlation of labels is Var(lean) / (m (1 - m)).
    p = np.repeat(lean, length)[:, None]
    population = _of(p, [f"d{i // length}" for i in range(documents * length)])
    m = lean.mean()
    assert label_correlation(population)[0] == pytest.approx(lean.var() / (m * (1 - m)), rel=0.05)


def test_sentences_of_similar_documents_do_not_widen_the_interval_of_a_simple_sample() -> None:
    """A simple sample draws sentences, not documents, so its variance does not depend on how similar those of a document are."""
    draw = np.random.default_rng(7)
    documents, length, width = 60, 50, 0.12
    p = np.repeat(draw.beta(0.5, 1, size=documents), length)[:, None]
    population = _of(p, [f"d{i // length}" for i in range(documents * length)])
    assert label_correlation(population)[0] > 0.3
    need = needed(population, width)[0]
    y = (draw.random(len(p)) < p[:, 0]).astype(float)
    means = [
        y[np.random.default_rng(seed).choice(len(p), need.n_gold_only, replace=False)].mean() for seed in range(600)
    ]
    assert 2 * Z * np.std(means) == pytest.approx(width, rel=0.1)
    assert need.deff == 1
    assert need.width <= width


def test_each_group_is_planned_as_a_population_of_its_own(population: Population) -> None:
    groups = make_strata(population, ("country", "year"), ())
    for need, members in zip(needed_by_group(population, 0.2, groups), groups.members(), strict=True):
        largest = max(needed(population.take(members), 0.2), key=lambda one: one.n)
        assert (need.size, need.n, need.need.label) == (len(members), largest.n, largest.label)


def test_strata_within_a_planned_group_share_its_rows(population: Population) -> None:
    plan = draw_sample(
        population, 0, TINY, by=("country",), strata=("predicted",), per_group={"country=FR": 40, "country=DE": 3}
    )
    drawn = Counter(row.columns["country"] for row in plan.rows)
    # Each stratum has at least two rows, although only three were planned for all strata of the second country.
    small = [s for s in plan.strata if s.stratum.startswith("country=DE")]
    assert drawn["FR"] == 40
    assert drawn["DE"] == sum(min(2, s.population) for s in small)


@pytest.mark.parametrize("text", ["0.05", "5%", "0,05", " 5 % "])
def test_a_width_can_be_a_percentage(text: str) -> None:
    assert as_width(text) == pytest.approx(0.05)


def test_a_clustered_sample_needs_more_sentences(population: Population) -> None:
    alone, clustered = needed(population, 0.2), needed(population, 0.2, per_document=10)
    assert all(c.n > a.n and c.deff > 1 for a, c in zip(alone, clustered, strict=True))


def test_optimal_strata_need_at_most_as_many_sentences(population: Population) -> None:
    strata = make_strata(population, (), ("uncertainty",))
    assert all(
        best.n <= plain.n
        for best, plain in zip(
            needed(population, 0.15, strata=strata, allocation="optimal"), needed(population, 0.15), strict=True
        )
    )


def test_an_unreachable_width_needs_the_whole_population(population: Population) -> None:
    need = needed(population, 1e-9)[0]
    assert need.n == len(population)


def _of(p: np.ndarray, documents: list[str], texts: list[str] | None = None) -> Population:
    size = len(p)
    numbers = factorize(documents)[0]
    return Population(
        path=Path("made.jsonl"),
        sha256="0" * 64,
        names=NAMES[: p.shape[1]],
        numbers=np.arange(1, size + 1),
        ids=pa.array([str(i) for i in range(size)]),
        texts=pa.array(texts or [f"text {i}" for i in range(size)]),
        previous=pa.nulls(size, pa.string()),
        documents=numbers,
        document_names=tuple(dict.fromkeys(documents)),
        sources=(None,) * (int(numbers.max()) + 1),
        index=np.zeros(size, np.int64),
        language=column_of(["und"] * size),
        decisions=p > 0.5,
        probabilities=p,
        columns={},
        unlabelled=0,
        n_without_probabilities=0,
        has_index=True,
        notes=(),
    )


# --- training ----------------------------------------------------------------------------------------------------------


def test_rows_for_training_are_uncertain_and_spread_out(population: Population) -> None:
    rows = pick_for_training(population, 40)
    uncertain = (population.probabilities * (1 - population.probabilities)).mean(axis=1)
    top = np.argsort(-uncertain)[:40]
    documents = [population.sentence(i).document for i in rows]
    assert uncertain[rows].mean() > uncertain.mean()
    assert len(set(documents)) > len({population.sentence(i).document for i in top})
    languages = Counter(population.sentence(i).language for i in rows)
    assert min(languages.values()) >= 8
    assert len(set(rows.tolist())) == 40


def test_the_selection_equals_that_of_the_plain_greedy_algorithm(population: Population) -> None:
    """The queue must select the same rows as computing the gain of every row at every step."""
    small = _of(population.probabilities[:60], [s.document for s in all_of(population)[:60]])
    uncertain = (small.probabilities * (1 - small.probabilities)).mean(axis=1)
    doubt = (small.probabilities * (1 - small.probabilities)).argmax(axis=1)

    def value(rows: list[int]) -> float:
        sums: dict[object, float] = {}
        for row in rows:
            for group in (
                small.sentence(row).document,
                "und",
                (int(doubt[row]), bool(small.decisions[row, doubt[row]])),
            ):
                sums[group] = sums.get(group, 0.0) + uncertain[row]
        return float(sum(np.sqrt(list(sums.values()))))

    plain: list[int] = []
    for _ in range(12):
        plain.append(max((i for i in range(60) if i not in plain), key=lambda i: value([*plain, i])))
    assert pick_for_training(small, 12).tolist() == plain


def test_excluded_documents_and_repeated_texts_are_not_selected(population: Population) -> None:
    excluded = {f"d{i}" for i in range(30)}
    rows = pick_for_training(population, 1000, exclude=excluded)
    assert {population.sentence(i).document for i in rows} == {f"d{i}" for i in range(30, 40)}
    same = _of(np.full((4, 1), 0.5), ["a", "b", "c", "d"], ["twice", "twice", "once", "other"])
    assert len(pick_for_training(same, 4)) == 3


def test_rows_for_training_have_no_inclusion_probability_and_are_described_as_such(population: Population) -> None:
    plan = training_sample(population, 20, TINY)
    assert plan.purpose == "training"
    assert {row.inclusion_probability for row in plan.rows} == {None}
    assert any(has_facts(line, "never", "gold") for line in plan.describe())


# --- the design file ---------------------------------------------------------------------------------------------------


def test_a_design_file_can_be_written_and_read_back(tmp_path: Path, population: Population) -> None:
    plan = draw_sample(population, 30, TINY, by=("country",), seed=1)
    plan.dump(tmp_path / "s.design.json")
    assert Design.load(tmp_path / "s.design.json") == plan
    content = json.loads((tmp_path / "s.design.json").read_text(encoding="utf-8"))
    assert content["predictions_sha256"] == population.sha256
    assert content["codebook_sha256"] == TINY.sha256
    assert "Sentence" not in json.dumps(content["rows"]), "the file must contain hashes and no texts"


def test_an_edited_design_file_is_refused(tmp_path: Path, population: Population) -> None:
    plan = draw_sample(population, 30, TINY)
    content = json.loads(plan.model_dump_json())
    content["rows"][0]["inclusion_probability"] = 1.5
    (tmp_path / "s.design.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DataError, match=r"rows\.0\.inclusion_probability"):
        Design.load(tmp_path / "s.design.json")


def test_a_design_file_of_version_0_1_is_refused(tmp_path: Path, population: Population) -> None:
    content = json.loads(draw_sample(population, 30, TINY).model_dump_json())
    (tmp_path / "s.design.json").write_text(json.dumps(content | {"format": "communique-design-1"}), encoding="utf-8")
    with pytest.raises(DataError, match=r"s\.design\.json: written by an older version .* Run communique sample again"):
        Design.load(tmp_path / "s.design.json")


def test_control_characters_do_not_prevent_matching() -> None:
    assert visible("a\x0bb\x07c\nd") == "a bc\nd"
    assert display_sha256("a\x07b") == display_sha256("ab")
