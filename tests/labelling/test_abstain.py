"""Rows about which a model is not sure enough: what is written, and that no reader treats them as rows without a label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import RuleModel, label
from helpers import TINY, TINY_MULTICLASS, facts, has_facts, run, succeed, write_rows

import communique.load
from communique.data.codebook import Codebook
from communique.data.labels import split_names
from communique.data.predictions_check import check_predictions
from communique.data.predictions_schema import TENTATIVE, UNSURE, prediction_columns
from communique.errors import DataError
from communique.io.read import open_table
from communique.models.folder import read_codebook, read_info
from communique.models.predictions import Predictions
from communique.sampling.population import read_population

#: Probabilities of the three labels of `TINY` for a word at the start of a text, with thresholds of 0.5.
SCORES = {
    "Sure": (0.95, 0.02, 0.03),
    "Nothing": (0.05, 0.02, 0.03),
    "Doubtful": (0.95, 0.4, 0.03),
    "Weak": (0.6, 0.02, 0.03),
}
TEXTS = [f"{word} is sentence {n}." for n in range(5) for word in SCORES] + ["17", ""]


def predictions(*probabilities: tuple[float, ...], codebook: Codebook = TINY) -> Predictions:
    p = np.array(probabilities, np.float32)
    decisions = p >= 0.5 if codebook.multilabel else p == p.max(axis=1, keepdims=True)
    return Predictions(codebook.names, p, decisions, np.zeros(len(p), np.bool_))


def test_a_text_is_unsure_if_any_decision_is_too_uncertain() -> None:
    given = predictions(*SCORES.values())
    assert given.labels == [["criticism"], [], ["criticism"], ["criticism"]]
    assert given.abstain(0.9).labels == [["criticism"], [], [UNSURE], [UNSURE]]
    # A decision that is right with a probability of 0.6 or 1 - 0.4 is kept.
    assert given.abstain(0.59).labels == given.labels
    assert given.abstain(0.9).tentative_labels == given.labels
    assert (given.abstain(0.9).decisions == given.decisions).all()


def test_with_one_label_per_text_the_probability_of_this_label_counts() -> None:
    given = predictions((0.85, 0.1, 0.05), (0.55, 0.44, 0.01), codebook=TINY_MULTICLASS)
    assert given.abstain(0.8).labels == [["criticism"], [UNSURE]]


def test_texts_that_keep_a_label_have_the_expected_precision() -> None:
    draw = np.random.default_rng(0)
    p = 1 / (1 + np.exp(-draw.normal(-0.5, 2, (40_000, 3))))
    gold = draw.random(p.shape) < p
    found = predictions(*map(tuple, p.tolist())).abstain(0.8)
    assert found.unsure is not None
    kept = ~found.unsure
    for label_ in range(3):
        assert gold[kept & found.decisions[:, label_], label_].mean() >= 0.8
        assert (~gold[kept & ~found.decisions[:, label_], label_]).mean() >= 0.8


@pytest.mark.parametrize("minimum", [0.5, 1.0, 0.1, 0.0, -0.2, 90.0, float("nan")])
def test_other_probabilities_are_refused(minimum: float) -> None:
    with pytest.raises(DataError, match=facts(f"{minimum:g}", "more than 0.5 and less than 1")):
        predictions((0.9, 0.1, 0.1)).abstain(minimum)


@pytest.mark.parametrize(("minimum", "advised"), [(0.1, True), (0.49, True), (0.4999999, False), (1e-9, False)])
def test_no_other_refused_probability_is_advised(minimum: float, advised: bool) -> None:
    with pytest.raises(DataError) as caught:
        predictions((0.9, 0.1, 0.1)).abstain(minimum)
    assert ("To accept" in str(caught.value)) == advised


def test_models_that_cannot_abstain_are_refused() -> None:
    with pytest.raises(DataError, match="no probabilities"):
        predictions((float("nan"),) * 3).abstain(0.9)
    labels = [{"name": name, "definition": name} for name in ("criticism", UNSURE)]
    book = Codebook.model_validate({"name": "b", "version": "1", "task": "multilabel", "labels": labels})
    with pytest.raises(DataError, match=r"label 'unsure'.*Rename"):
        predictions((0.9, 0.1), codebook=book).abstain(0.9)


# The output of `communique label --abstain`


@pytest.fixture
def rule_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open every folder as a model with the probabilities in `SCORES`."""

    def opened(folder: Path, **_: object) -> RuleModel:
        info = read_info(folder)
        return RuleModel(info, read_codebook(folder, info), lambda text: SCORES[text.split()[0]])

    monkeypatch.setattr(communique.load, "load_model", opened)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    found = [
        {"id": f"r{i}", "document": f"d{i // 2}", "text": text, "group": "ab"[i % 2]} for i, text in enumerate(TEXTS)
    ]
    return write_rows(tmp_path / "in.jsonl", found)


def labelled(source: Path, bundle: Path, name: str = "out.jsonl", *options: object) -> Path:
    out = source.with_name(name)
    code, _, err = label(source, "-o", out, "--model", bundle, "--abstain", 0.9, *options)
    assert code == 0, err
    return out


def read(path: Path) -> list[dict[str, Any]]:
    with open_table(path) as stream:
        return [row for chunk in stream.chunks for row in chunk.to_rows()]  # type: ignore[union-attr]


@pytest.mark.usefixtures("rule_model")
@pytest.mark.parametrize("form", ["jsonl", "csv", "xlsx", "parquet"])
def test_unsure_rows_are_marked_and_keep_their_tentative_labels(form: str, source: Path, fake_bundle: Path) -> None:
    rows = read(labelled(source, fake_bundle, f"out.{form}"))
    found = [split_names(row["labels"] or [], TINY.names) for row in rows]
    assert found == [*[["criticism"], [], [UNSURE], [UNSURE]] * 5, [], []]
    assert [split_names(row[TENTATIVE] or [], TINY.names) for row in rows][:4] == [
        ["criticism"],
        [],
        ["criticism"],
        ["criticism"],
    ]
    names = list(rows[0])
    assert names.index(TENTATIVE) == names.index("truncated") + 1


@pytest.mark.usefixtures("rule_model")
def test_without_the_option_nothing_changes(source: Path, fake_bundle: Path, tmp_path: Path) -> None:
    assert label(source, "-o", tmp_path / "plain.jsonl", "--model", fake_bundle)[0] == 0
    assert TENTATIVE not in (tmp_path / "plain.jsonl").read_text()
    assert [row["labels"] for row in read(tmp_path / "plain.jsonl")] == [
        row[TENTATIVE] for row in read(labelled(source, fake_bundle))
    ]


@pytest.mark.usefixtures("rule_model")
def test_unsure_rows_are_counted_and_do_not_count_as_rows_without_a_label(source: Path, fake_bundle: Path) -> None:
    _, shown, err = label(source, "--model", fake_bundle, "--abstain", 0.9)
    assert "criticism 5, policy_claim 0, cooperation_pledge 0, none 5, unsure 10 (50.0% of sentences)" in err
    assert shown.decode().count("unsure") == 10
    page = labelled(source, fake_bundle, "out.html").read_text()
    assert page.count('data-l="?"') == 10
    assert '<span class="name">no label</span> <span class="n">5</span>' in page
    assert '<span class="name">unsure</span> <span class="n">10</span>' in page


@pytest.mark.usefixtures("rule_model")
def test_the_option_is_checked_and_part_of_the_run(source: Path, fake_bundle: Path) -> None:
    code, _, err = label(source, "--model", fake_bundle, "--abstain", 0.1)
    assert (code, has_facts(err, "--abstain", "more than 0.5", "write 0.9")) == (2, True)
    out = labelled(source, fake_bundle)
    again = ("-o", out, "--model", fake_bundle, "--resume")
    assert "already complete" in label(source, *again, "--abstain", 0.9)[2]
    for other in ((), ("--abstain", 0.97)):
        code, _, err = label(source, *again, *other)
        assert (code, "not the output of this run" in err) == (2, True)


@pytest.mark.usefixtures("rule_model")
def test_a_run_that_may_abstain_resumes_only_with_the_same_probability(source: Path, fake_bundle: Path) -> None:
    from communique.labelling.shard_folder import shards_folder

    whole = labelled(source, fake_bundle, "whole.csv", "--shard-rows", 5).read_bytes()
    out = source.with_name("part.csv")
    source_text = source.read_text()
    arguments = (source, "-o", out, "--model", fake_bundle, "--shard-rows", 5)

    class Stop(Exception):
        """Ends a run."""

    shown: list[int] = []

    def stop(shard: Any, *_: Any) -> None:
        shown.append(shard.number)
        if len(shown) == 3:
            raise Stop

    from communique.labelling import run as running

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(running.FileSink, "_check", lambda self, shard: stop(shard))
        with pytest.raises(Stop):
            label(*arguments, "--abstain", 0.9)
    assert shards_folder(out).exists()
    code, _, err = label(*arguments, "--abstain", 0.8, "--resume")
    assert (code, "different option abstain: 0.9 then, 0.8 now" in err) == (1, True)
    assert label(*arguments, "--abstain", 0.9, "--resume")[0] == 0
    assert out.read_bytes() == whole
    assert source.read_text() == source_text


def test_a_chat_model_cannot_abstain(source: Path, tmp_path: Path) -> None:
    book = tmp_path / "codebook.yaml"
    TINY.dump(book)
    chat = ("--labeler", "chat", "--codebook", book, "--endpoint", "http://127.0.0.1:9", "--chat-model", "m")
    code, _, err = label(source, "-o", tmp_path / "o.jsonl", *chat, "--abstain", 0.9)
    assert (code, has_facts(err, "--abstain", "--labeler chat")) == (2, True)


# Readers of the output


@pytest.mark.usefixtures("rule_model")
@pytest.mark.parametrize("form", ["jsonl", "csv", "xlsx", "parquet"])
def test_readers_use_the_tentative_labels_and_say_so(form: str, source: Path, fake_bundle: Path) -> None:
    out = labelled(source, fake_bundle, f"out.{form}")
    population = read_population(out, TINY)
    assert population.decisions[:, 0].tolist() == [True, False, True, True] * 5
    assert [note for note in population.notes if "10 rows are 'unsure'" in note and TENTATIVE in note]
    assert TENTATIVE not in population.columns
    found = check_predictions(out, TINY)
    assert (found.problems, found.none, found.labels["criticism"]) == ([], 5, 15)
    assert TENTATIVE not in found.groups


@pytest.mark.usefixtures("rule_model")
def test_without_the_tentative_labels_unsure_rows_are_refused(source: Path, fake_bundle: Path) -> None:
    rows = [{k: v for k, v in row.items() if k != TENTATIVE} for row in read(labelled(source, fake_bundle))]
    path = write_rows(source.with_name("cut.jsonl"), rows)
    with pytest.raises(DataError, match=facts("row 3", "'unsure'", TENTATIVE, "without --abstain")):
        read_population(path)
    found = check_predictions(path, TINY)
    assert len(found.problems) == 10
    for command in (("sample", path, "-n", 4, "-o", source.with_name("s.csv")), ("compare", path, path)):
        result = run(*command)
        assert (result.exit_code, has_facts(result.output, "unsure", TENTATIVE)) == (1, True)


@pytest.mark.usefixtures("rule_model")
def test_estimates_and_comparisons_do_not_depend_on_abstention(source: Path, fake_bundle: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain.jsonl"
    assert label(source, "-o", plain, "--model", fake_bundle)[0] == 0
    unsure = labelled(source, fake_bundle)
    gold = [
        {"id": row["id"], "labels": row[TENTATIVE], "inclusion_probability": 0.5, "text": row["text"]}
        for i, row in enumerate(read(unsure)[:20])
        if i % 4 in (0, 3)
    ]
    gold[3]["labels"] = []
    TINY.dump(tmp_path / "codebook.yaml")
    path = write_rows(tmp_path / "gold.jsonl", gold)
    outputs = []
    for table in (plain, unsure):
        result = succeed("estimate", table, path, "--codebook", tmp_path / "codebook.yaml")
        outputs.append(result.stdout)
        assert ("'unsure'" in result.output) == (table == unsure)
    assert outputs[0] == outputs[1]
    assert "The labels of 0 sentences differ" in succeed("compare", plain, unsure).output


def test_a_table_with_tentative_labels_is_the_output_of_a_model_and_no_gold(tmp_path: Path) -> None:
    assert prediction_columns(["text", "labels", TENTATIVE]) == [TENTATIVE]
    row = {"id": "a", "document": "d", "text": "A sentence.", "labels": UNSURE}
    TINY.dump(tmp_path / "codebook.yaml")
    for more, words in (({TENTATIVE: "criticism"}, "output of a model"), ({}, "unknown label 'unsure'")):
        path = write_rows(tmp_path / "gold.jsonl", [row | more])
        result = run("check", path, "--codebook", tmp_path / "codebook.yaml")
        assert (result.exit_code, words in result.output) == (1, True), result.output
