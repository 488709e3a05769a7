"""Tests of swapped actors: which sentences are swapped, and with which names."""

from __future__ import annotations

from collections.abc import Iterable

from communique import Sentence
from communique.actors.swaps import own_countries, plan_swaps
from communique.text.edits import apply_edits


def _rows(texts: Iterable[str], language: str = "en", per_document: int = 1) -> list[Sentence]:
    return [
        Sentence(id=f"{language}{i}", text=text, document=f"{language}-{i // per_document}", language=language)
        for i, text in enumerate(texts)
    ]


def test_the_speakers_country_is_that_of_the_language_or_the_one_that_the_document_names_most() -> None:
    rows = _rows(
        ["Colombia will act.", "Peru and Colombia met.", "Chile came.", "Peru left.", "Chad spoke."], per_document=4
    )
    own = own_countries(rows)
    assert own[None, "en-0"] == {"US", "CO", "PE"}
    # A country that only one sentence names does not count.
    assert own[None, "en-1"] == {"US"}


def test_sentences_about_the_speakers_own_side_are_not_swapped_and_all_reasons_are_counted() -> None:
    rows = [
        *_rows(["France must stop.", "Our citizens in Spain will be helped.", "We agree.", "The Gambia is here."]),
        *_rows(["Ukraina stöds av Sverige.", "Norge är vår granne."], "sv"),
        *_rows(["La Francia protesta."], "it"),
    ]
    plan = plan_swaps(rows, draws=5, seed=0)
    assert plan.reasons == {
        "en": {
            "swapped": 1,
            "mentions the speaker's own citizens": 1,
            "names no actor": 1,
            "no name is sure to fit": 1,
        },
        "it": {"no rules for the language": 1},
        "sv": {"names the speaker's own country": 1, "swapped": 1},
    }
    assert {swap.row for swap in plan.swaps} == {0, 5}
    assert all(swap.other not in ("US", "FR") for swap in plan.swaps if swap.row == 0)
    assert all(swap.other != "SE" for swap in plan.swaps if swap.row == 5)


def test_draws_are_distinct_and_depend_on_the_seed_but_not_on_the_order_of_rows() -> None:
    rows = _rows(["France met Spain and France left.", "Peru agreed.", "Norway must stop."])
    plan = plan_swaps(rows, draws=6, seed=1)
    assert [swap.row for swap in plan.swaps] == [0] * 6 + [1] * 6 + [2] * 6
    assert len({swap.text for swap in plan.swaps}) == 18
    # The actors of a sentence take turns, and all mentions of an actor are replaced.
    assert [swap.code for swap in plan.swaps[:6]].count("FR") == 3
    assert all("France" not in swap.text for swap in plan.swaps[:6] if swap.code == "FR")
    assert plan == plan_swaps(rows, draws=6, seed=1)
    assert plan.swaps != plan_swaps(rows, draws=6, seed=2).swaps
    backwards = plan_swaps(rows[::-1], draws=6, seed=1)
    assert {swap.text for swap in backwards.swaps} == {swap.text for swap in plan.swaps}
    assert all(apply_edits(rows[swap.row].text, swap.edits) == swap.text for swap in plan.swaps)
