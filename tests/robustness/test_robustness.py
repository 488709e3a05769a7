"""Tests of the measurement with swapped actors and a changed surface, and of error rates by actor."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import RuleModel, model_info
from helpers import TINY, Run, has_facts, run, write_rows

from communique import Corpus, DataError, MissingExtraError, Sentence
from communique.actors.names import actors, home
from communique.actors.swaps import plan_swaps
from communique.robustness import measure
from communique.robustness.measure import ACTOR_SWAP, TESTS, clustered_share
from communique.robustness.report import Robustness
from communique.robustness.surface import PERTURBATIONS


def _model(**conditions: Callable[[str], bool]) -> RuleModel:
    """Make a model that predicts a label with probability 0.9 if its condition on the text is true, and with 0.2 otherwise."""

    def scores(text: str) -> list[float]:
        return [0.9 if name in conditions and conditions[name](text) else 0.2 for name in TINY.names]

    return RuleModel(model_info(), TINY, scores)


def _rows(texts: Iterable[str], language: str = "en", per_document: int = 1, **fields: Any) -> list[Sentence]:
    return [
        Sentence(
            id=f"{language}{i}", text=text, document=f"{language}-{i // per_document}", language=language, **fields
        )
        for i, text in enumerate(texts)
    ]


def _measure(model: RuleModel, rows: list[Sentence], **options: Any) -> Robustness:
    return measure(model, Corpus(tuple(rows)), data="some rows", resamples=200, **options)


@pytest.mark.parametrize(
    ("test", "language", "text", "changed"),
    [
        ("lower case", "en", "The UN met.", "the un met."),
        ("upper case", "fr", "Été à Paris.", "ÉTÉ À PARIS."),
        ("upper case", "zh", "我们支持。", "我们支持。"),
        ("straight quotes", "fr", "Il dit « non » : l’accord.", 'Il dit "non" : l\'accord.'),
        ("straight quotes", "de", "Er sagt „nein“.", 'Er sagt "nein".'),
        ("typographic quotes", "en", "He said \"no\" to 'it's'.", "He said “no” to ’it’s’."),
        ("no final mark", "zh", "我们支持。", "我们支持"),
        ("no final mark", "ar", "هل تؤيد؟", "هل تؤيد"),
        ("no final mark", "en", "Yes: 3.5 million.", "Yes: 3.5 million"),
        ("no final mark", "en", "...", "..."),
        ("doubled spaces", "en", "We will  help.", "We  will  help."),
        ("doubled spaces", "en", "We will help.", "We  will  help."),
        ("NFC", "fr", "e\u0301te\u0301", "été"),
        ("NFD", "fr", "été", "e\u0301te\u0301"),
        ("speaker tag", "fr", "Non.", "Le Président (parle en anglais) : Non."),
        ("speaker tag", "zh-Hans", "不。", "主席（以英语发言）：不。"),
        ("speaker tag", "xx", "No.", "No."),
    ],
)
def test_each_perturbation_changes_the_surface_as_expected(test: str, language: str, text: str, changed: str) -> None:
    assert PERTURBATIONS[test](text, language) == changed


def test_all_decisions_of_a_model_that_ignores_names_stay_the_same() -> None:
    rows = _rows([f"{name} must stop." for name in ("France", "Spain", "Italy", "Peru", "Chile", "Norway")])
    model = _model(policy_claim=lambda text: "must" in text.lower())
    result = _measure(model, rows)
    assert {cell.kept.value for cell in result.stability} == {1.0}
    assert {cell.change.value for cell in result.stability} == {0.0}
    assert "\nIn every cell, at least 97% of the decisions stay the same.\n" in result.to_markdown()
    cell = result.cell(ACTOR_SWAP, "all", "policy_claim")
    assert (cell.texts, cell.sentences, cell.documents, cell.given) == (60, 6, 6, 60)
    assert cell.few
    # Each text is labelled once.
    assert len(model.seen) == len(set(model.seen))


def test_proportions_and_changes_equal_those_computed_by_hand() -> None:
    # The model predicts the label if the text contains "France", as the first of the four sentences does.
    rows = _rows(["France came.", "Spain came.", "Italy came.", "Peru came."])
    result = _measure(_model(criticism=lambda text: "France" in text), rows, tests=[ACTOR_SWAP], draws=4)
    to_france = sum(swap.other == "FR" for swap in plan_swaps(rows, draws=4, seed=0).swaps)
    cell = result.cell(ACTOR_SWAP, "en", "criticism")
    assert cell.texts == 16
    assert cell.kept.value == pytest.approx(1 - (4 + to_france) / 16)
    assert (cell.given, cell.kept_given.value) == (4, 0.0)
    assert cell.change.value == pytest.approx(0.7 * (4 + to_france) / 16)
    assert result.cell(ACTOR_SWAP, "en", "policy_claim").kept.value == 1
    assert {c.test for c in result.stability} == {ACTOR_SWAP}
    first = next(line for line in result.to_markdown().splitlines() if line.startswith("- "))
    assert first.startswith(f"- actor swap, all, criticism: {cell.kept.value:.3f}")
    assert first.endswith("of 16 texts (4 sentences, 4 documents), too few to draw a conclusion")
    with pytest.raises(KeyError, match="no cell"):
        result.cell(ACTOR_SWAP, "de", "criticism")


def test_bootstrap_intervals_resample_whole_documents() -> None:
    # Upper case removes the label in the first ten sentences, which are in one document or in ten.
    texts = [f"We {'stood' if i < 10 else 'came'} {i}." for i in range(100)]
    model = _model(criticism=lambda text: "stood" in text)
    clustered, apart = (
        _measure(model, rows, tests=["upper case"]).cell("upper case", "all", "criticism")
        for rows in (_rows(texts, per_document=10), _rows(texts))
    )
    assert clustered.kept.value == apart.kept.value == pytest.approx(0.9)
    assert (clustered.documents, apart.documents) == (10, 100)
    for wide, narrow in ((clustered.kept, apart.kept), (clustered.change, apart.change)):
        assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low) > 0


def test_there_is_no_interval_for_a_single_document() -> None:
    rows = _rows(["France must stop.", "Spain must stop."], per_document=2)
    cell = _measure(_model(), rows, tests=["upper case"]).cell("upper case", "all", "criticism")
    assert cell.documents == 1
    assert np.isnan([cell.kept.low, cell.kept.high, cell.change.low, cell.change.high]).all()
    assert cell.kept.value == 1


def test_names_that_change_decisions_are_ranked_by_the_lower_end_of_their_interval() -> None:
    names = ("France", "Spain", "Italy", "Peru", "Chile", "Sweden", "Poland", "Japan", "India", "Kenya")
    rows = _rows([f"{name} came on day {i}." for i in range(30) for name in names])
    result = _measure(_model(criticism=lambda text: "Norway" in text), rows, tests=[ACTOR_SWAP])
    first, second = result.names[:2]
    assert first.name == "Norway"
    assert first.changed == first.draws == first.by_label["criticism"]
    assert result.usual_share < first.share.low < first.share.value == 1
    # If all draws change a decision, the lower end is that of Clopper and Pearson with documents in place of draws.
    assert first.share.low == pytest.approx(0.025 ** (1 / first.documents))
    assert (second.changed, second.share.low) == (0, 0)
    assert all(effect.draws >= 10 for effect in result.names)
    assert "| Norway |" in result.to_markdown()
    # Names that were drawn only a few times are not ranked, however often they changed a decision.
    few = _measure(_model(criticism=lambda text: "Norway" in text), rows[:5], tests=[ACTOR_SWAP])
    assert few.names == ()
    assert few.rare_names > 0


def test_a_name_in_few_documents_is_marked_and_not_ranked() -> None:
    # France is named most often, so it counts as the speaker's own country in each document. The other names are swapped.
    names = ("France", "Spain", "Italy", "Peru", "Chile", "Sweden", "Poland", "Japan", "India", "Kenya", "France")
    rows = _rows([f"{name} came on day {i}." for i in range(30) for name in names], per_document=110)
    result = _measure(_model(criticism=lambda text: "Norway" in text), rows, tests=[ACTOR_SWAP])
    assert {effect.documents for effect in result.names} <= {2, 3}
    assert all(effect.few and np.isnan(effect.share.low) for effect in result.names)
    assert "0 of 0 ranked names" in result.to_markdown()


def test_independent_draws_have_the_exact_interval_and_clustered_draws_a_wider_one() -> None:
    from scipy.stats import binomtest

    hits = np.random.default_rng(1).random(200) < 0.2
    exact = binomtest(int(hits.sum()), 200).proportion_ci(method="exact")
    alone = clustered_share(hits, list(range(200)))
    assert (alone.low, alone.high) == pytest.approx((exact.low, exact.high), abs=0.002)
    alike = clustered_share(np.repeat(hits[:20], 10), np.repeat(np.arange(20), 10).tolist())
    assert alike.high - alike.low > 2 * (alone.high - alone.low)
    assert clustered_share(np.zeros(200, np.bool_), np.repeat(np.arange(20), 10).tolist()).high == pytest.approx(
        1 - 0.025 ** (1 / 20)
    )


def test_intervals_of_proportions_have_the_nominal_coverage_for_clustered_draws() -> None:
    """In 1,000 simulated samples, 94 to 99 % of the intervals cover the proportion, but only 65 to 86 % of binomial ones."""
    from scipy.stats import binomtest

    generator = np.random.default_rng(5)
    covered, binomial = 0, 0
    for _ in range(1000):
        of_document = generator.beta(0.3, 1.2, 20)
        hits = generator.random(160) < np.repeat(of_document, 8)
        found = clustered_share(hits, np.repeat(np.arange(20), 8).tolist())
        covered += found.low <= 0.2 <= found.high
        exact = binomtest(int(hits.sum()), 160).proportion_ci(method="exact")
        binomial += exact.low <= 0.2 <= exact.high
    assert 940 <= covered <= 990
    assert 650 <= binomial <= 860


def test_error_rates_by_actor_equal_those_computed_by_hand() -> None:
    positives = [f"France acted {i}." for i in range(10)]
    negatives = [f"Spain acted {i}." for i in range(10)]
    rows = [
        *_rows(positives, labels=("criticism",)),
        *(Sentence(f"s{i}", text, f"s{i}", language="en", labels=()) for i, text in enumerate(negatives)),
        Sentence("n", "Nobody acted.", "n", language="en", labels=()),
        Sentence("u", "France acted unread.", "u", language="en"),
        Sentence("t", "France acted in training.", "t", language="en", labels=()),
    ]
    # The model has two false negatives for France and three false positives for Spain.
    guessed = {*positives[2:], *negatives[:3]}
    result = _measure(_model(criticism=lambda text: text in guessed), rows, tests=["NFC"], seen=lambda s: s.id == "t")
    found = {(e.name, e.label): e for e in result.errors}
    france, spain = found["France", "criticism"], found["Spain", "criticism"]
    assert (france.sentences, france.positives, france.negatives) == (10, 10, 0)
    assert france.false_negative.value == pytest.approx(0.2)
    assert france.false_negative.low < 0.2 < france.false_negative.high
    assert np.isnan(france.false_positive.value)
    assert spain.positives == 0
    assert spain.false_positive.value == pytest.approx(0.3)
    assert found["all sentences", "criticism"].false_positive.value == pytest.approx(3 / 11)
    assert found["no actor named", "criticism"].sentences == 1
    text = result.to_markdown()
    assert "of 0\\* |" in text
    assert "| – of 0\\* |" in text


def test_the_report_says_if_no_sentence_could_be_changed() -> None:
    result = _measure(_model(), _rows(["We agree."]), tests=[ACTOR_SWAP])
    assert result.stability == ()
    text = result.to_markdown()
    assert "\nNo sentence could be changed, so nothing was measured.\n" in text
    assert "No name was drawn 10 times." in text


def test_the_json_result_contains_no_nan_and_lists_cells_below_the_wanted_proportion() -> None:
    rows = _rows(["France must stop.", "Spain must stop."], per_document=2)
    result = _measure(_model(criticism=lambda text: text.isupper()), rows)
    content = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert content["wanted"] == 0.97
    assert {(c["test"], c["label"]) for c in content["below"]} == {("upper case", "criticism")}
    assert content["coverage"] == {"en": {"swapped": 2}}
    assert "### Upper case" in result.to_markdown()


def test_the_bootstrap_and_the_draws_depend_on_the_seed() -> None:
    rows = _rows([f"{name} must stop." for name in ("France", "Spain", "Italy", "Peru", "Chile", "Norway")])
    model = _model(criticism=lambda text: len(text) % 2 == 0)
    one, same, other = (_measure(model, rows, seed=seed) for seed in (0, 0, 1))
    assert json.dumps(one.to_dict()) == json.dumps(same.to_dict())
    assert one.cell(ACTOR_SWAP, "all", "criticism") != other.cell(ACTOR_SWAP, "all", "criticism")


def test_missing_rows_and_a_missing_package_raise_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no sentence is left"):
        _measure(_model(), [])
    actors.cache_clear()
    home.cache_clear()
    monkeypatch.setitem(sys.modules, "babel", None)
    with pytest.raises(MissingExtraError, match=r"'\.\[analysis\]'"):
        _measure(_model(), _rows(["France must stop."]))
    actors.cache_clear()


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Run]:
    rows = [
        {"id": f"r{i}", "document": f"d{i}", "language": "en", "text": f"{name} must stop.", "labels": [], "source": s}
        for i, (name, s) in enumerate([("France", "a"), ("Spain", "a"), ("Peru", "b"), ("Chile", "a")])
    ]
    corpus = write_rows(tmp_path / "corpus.jsonl", rows)
    (tmp_path / "validation.json").write_text(json.dumps({"validation": ["r0"], "parity": ["r1", "r2"]}))
    trained = RuleModel(model_info(TINY, Corpus.read(corpus).sentences), TINY, lambda text: [0.2] * 3)
    monkeypatch.setattr("communique.load.load_model", lambda folder: trained)
    return partial(run, "robustness", tmp_path, corpus)


def test_the_command_writes_json_and_markdown_for_held_out_rows(command: Callable[..., Run], tmp_path: Path) -> None:
    out, text = tmp_path / "out.json", tmp_path / "out.md"
    result = command(
        "--only-held-out", "--exclude", "source=b", "--draws", "3", "--json", str(out), "--markdown", str(text)
    )
    assert result.exit_code == 0, result.output
    content = json.loads(out.read_text(encoding="utf-8"))
    assert content["data"] == "corpus.jsonl, without source=b, held-out rows"
    assert content["coverage"] == {"en": {"swapped": 2}}
    assert content["draws"] == 3
    assert text.read_text(encoding="utf-8").startswith("2 sentences: corpus.jsonl")
    assert "1 row left out by --only-held-out" in result.output
    assert {c["test"] for c in content["stability"]} <= set(TESTS)


def test_the_command_leaves_training_rows_out_of_the_error_rates(command: Callable[..., Run], tmp_path: Path) -> None:
    result = command("--json", str(tmp_path / "out.json"))
    assert result.exit_code == 0, result.output
    assert "1 row with a document or a text of the training data" in result.output
    errors = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["errors"]
    assert {e["sentences"] for e in errors if e["code"] == "*"} == {3}


def test_the_command_refuses_unknown_tests_and_missing_held_out_rows(
    command: Callable[..., Run], tmp_path: Path
) -> None:
    unknown = command("--test", "upside down")
    assert unknown.exit_code == 2
    assert "upside down" in unknown.output
    (tmp_path / "validation.json").write_text("{}")
    nothing = command("--only-held-out")
    assert nothing.exit_code == 1
    assert "held out none of the 4 rows" in nothing.output


def test_rows_of_the_parity_check_that_trained_the_model_are_not_held_out(
    command: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    info = model_info(TINY, Corpus.read(tmp_path / "corpus.jsonl").sentences).model_copy(
        update={"tuned_by": "out-of-fold"}
    )
    model = RuleModel(info, TINY, lambda text: [0.2] * 3)
    monkeypatch.setattr("communique.load.load_model", lambda folder: model)
    everything = command()
    assert everything.exit_code == 0, everything.output
    assert "4 rows with a document or a text of the training data" in everything.output
    nothing = command("--only-held-out")
    assert nothing.exit_code == 1
    assert "trained on all rows" in nothing.output


@pytest.mark.usefixtures("fake_network")
def test_swaps_and_perturbations_are_measured_without_labels(fake_bundle: Path, tmp_path: Path) -> None:
    rows = [{"text": f"We condemn France and its port {i}.", "language": "en", "document": f"d{i}"} for i in range(12)]
    path = write_rows(tmp_path / "texts.jsonl", rows)
    result = run("robustness", fake_bundle, path, "--json", tmp_path / "r.json")
    assert result.exit_code == 0, result.stderr
    assert "no row has labels" in result.stderr
    content = json.loads((tmp_path / "r.json").read_text())
    assert content["stability"]
    assert content["errors"] == []
    assert "--language-column" not in result.stderr


@pytest.mark.usefixtures("fake_network")
def test_a_note_says_why_rows_without_a_language_are_not_swapped(fake_bundle: Path, tmp_path: Path) -> None:
    rows = [{"text": f"We condemn France and its port {i}.", "document": f"d{i}"} for i in range(12)]
    path = write_rows(tmp_path / "texts.jsonl", rows)
    result = run("robustness", fake_bundle, path, "--test", "upper case", "--json", tmp_path / "r.json")
    assert result.exit_code == 0, result.stderr
    assert has_facts(" ".join(result.stderr.split()), "12 rows of 12", "--language-column")
    # An undetermined language is no group.
    assert {cell["language"] for cell in json.loads((tmp_path / "r.json").read_text())["stability"]} == {"all"}
