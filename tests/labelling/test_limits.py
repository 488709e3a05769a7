"""Warnings about a corpus that differs from the training data, and the column of out-of-domain scores."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import RuleModel, bundle_folder, cue_scores, label, model_info
from helpers import TINY, has_facts, write_rows

import communique.load
from communique.io.read import open_table
from communique.labelling.limits import ADVICE, limit_lines
from communique.labelling.summary import Summary
from communique.models.folder import read_codebook, read_info
from communique.models.info import ModelInfo
from communique.models.limits import DomainInfo, GroupLoss, Limits, UsualLength
from communique.models.predictions import Predictions

DOMAIN = DomainInfo(width=4, dimensions=2, sentences=100, calibrated_on=100, calibrated_by="held-out")
USUAL = Limits(length=UsualLength(low=3, high=40), domain=DOMAIN)


def trained_on(limits: Limits | None = USUAL, **languages: int) -> ModelInfo:
    info = model_info()
    training = info.training.model_copy(update={"by_language": languages, "sentences": sum(languages.values())})
    return info.model_copy(update={"limits": limits, "training": training})


def counts(labelled: int, languages: dict[str, int] | None = None, /, **unusual: int) -> Summary:
    summary = Summary(TINY.names, labelled=labelled, rows=labelled)
    for kind, n in unusual.items():
        setattr(summary, kind, n)
    summary.languages.update(languages or {"en": labelled})
    return summary


def loss(group: str, low: float | None = 0.02) -> GroupLoss:
    return GroupLoss(
        group=group,
        n=1234,
        documents=60,
        macro_f1=0.5,
        others=0.6,
        loss=0.1,
        low=low,
        high=None if low is None else 0.18,
    )


def lines(summary: Summary, info: ModelInfo) -> str:
    return "\n".join(limit_lines(summary, info))


def test_a_usual_corpus_causes_no_warning() -> None:
    assert limit_lines(counts(1000, short=12, long=9, far=15), trained_on(en=5000)) == []


def test_norwegian_is_the_language_of_training_sentences_in_bokmal() -> None:
    assert limit_lines(counts(100, {"no": 50, "nb": 50}), trained_on(nb=500)) == []
    assert "(nb 100)" in lines(counts(100, {"nb": 100}), trained_on(no=50))


def test_languages_without_training_sentences_and_rare_ones_are_reported_separately() -> None:
    summary = counts(1000, {"en": 500, "pt": 300, "it": 150, "de": 45, "ja": 5})
    found = lines(summary, trained_on(en=5000, it=40, de=60))
    assert has_facts(found, "300 of 1,000 sentences (30.0%) are in languages that fake was not trained on (pt 300)")
    assert "195 of 1,000 sentences (19.5%) are in languages of which fake was trained on fewer than 100" in found
    assert "(it 150, de 45)" in found
    # One sentence in 200 can be an error of the identification.
    assert "ja" not in found
    assert "was not measured" in found
    assert found.endswith(ADVICE)


def test_a_variant_of_a_language_and_an_unknown_language_are_no_unfamiliar_ones() -> None:
    assert limit_lines(counts(50, {"pt-BR": 40, "und": 10}), trained_on(pt=500)) == []


def test_nothing_is_said_about_languages_if_those_of_the_training_data_are_not_known() -> None:
    for info in (trained_on(), trained_on(und=900, en=5)):
        assert limit_lines(counts(50, {"pt": 50}), info) == []


def test_the_loss_in_rare_languages_is_the_least_to_expect_in_others() -> None:
    info = trained_on(Limits(losses=(loss("rare language"),)), en=500, it=50)
    found = lines(counts(100, {"pt": 50, "it": 50}), info)
    assert found.count("macro-F1 was 0.500, compared with 0.600 on all others (loss 0.100 [0.020, 0.180])") == 2
    assert found.count("Expect at least this loss") == 1
    assert "1,234 sentences in languages with few training sentences that did not train the model" in found


def test_a_gain_is_not_reported_as_a_negative_loss() -> None:
    gain = loss("rare language").model_copy(update={"loss": -0.1, "low": -0.18, "high": 0.02})
    found = lines(counts(100, {"pt": 50}), trained_on(Limits(losses=(gain,)), en=500))
    assert has_facts(found, "on all others (no loss).")
    assert "Expect" not in found


@pytest.mark.parametrize(
    ("kind", "words", "measured"),
    [
        ("long", "--split", "the 1,234 longest sentences"),
        ("short", "headings", "the 1,234 shortest sentences"),
        ("far", "--out-of-domain", "the 1,234 sentences least similar"),
    ],
)
def test_unusual_sentences_are_reported_from_five_in_a_hundred(kind: str, words: str, measured: str) -> None:
    info = trained_on(USUAL.model_copy(update={"losses": (loss(kind, None),)}), en=500)
    found = lines(counts(100, **{kind: 5}), info)
    assert has_facts(
        found,
        "5 of 100 sentences (5.0%) are",
        words,
        measured,
        "(loss 0.100 [–])",
    )
    assert limit_lines(counts(100, **{kind: 4}), info) == []
    assert limit_lines(counts(1000, **{kind: 49}), info) == []
    assert limit_lines(counts(19, **{kind: 19}), info) == []


def test_an_output_with_scores_is_not_advised_to_have_scores() -> None:
    found = "\n".join(limit_lines(counts(100, far=50), trained_on(en=500), scored=True))
    assert has_facts(found, "50 of 100", "out_of_domain", 0.99)
    assert "--out-of-domain" not in found


def test_models_that_do_not_know_what_is_usual_warn_of_texts_with_many_characters() -> None:
    info = trained_on(None, en=500)
    assert limit_lines(counts(100, lengthy=4), info) == []
    assert has_facts(lines(counts(100, lengthy=30), info), "30 of 100", "longer than 600 characters", "--split")
    assert limit_lines(counts(100, lengthy=30), trained_on(en=500)) == []


# The command


@pytest.fixture
def scored_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open every folder as a model whose out-of-domain score and length depend on the words `far` and `long`."""

    class Scored(RuleModel):
        def predict(self, texts: Any, *, languages: Any = None) -> Predictions:
            given = list(texts)
            return replace(
                super().predict(given),
                out_of_domain=np.array([0.9951 if "far" in text else 0.51239 for text in given], np.float32),
                unusual_length=np.array(["long" in text for text in given], np.int8),
            )

    def opened(folder: Path, **_: object) -> RuleModel:
        info = read_info(folder)
        return Scored(info, read_codebook(folder, info), cue_scores)

    monkeypatch.setattr(communique.load, "load_model", opened)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    training = model_info().training.model_dump(mode="json") | {"by_language": {"en": 500}, "sentences": 500}
    return bundle_folder(tmp_path / "bundle", limits=USUAL.model_dump(mode="json"), training=training)


def source(folder: Path, n: int = 30) -> Path:
    rows = [{"text": f"The minister spoke about {'far' if i < 10 else 'near'} places, number {i}."} for i in range(n)]
    return write_rows(folder / "in.jsonl", [*rows, {"text": "17"}, {"text": ""}])


def read(path: Path) -> list[dict[str, Any]]:
    with open_table(path) as stream:
        return [row for chunk in stream.chunks for row in chunk.to_rows()]  # type: ignore[union-attr]


@pytest.mark.usefixtures("scored_model")
@pytest.mark.parametrize("form", ["jsonl", "csv", "xlsx", "parquet"])
def test_the_option_adds_a_column_with_a_score_for_each_labelled_row(form: str, tmp_path: Path, bundle: Path) -> None:
    out = tmp_path / f"out.{form}"
    code, _, err = label(source(tmp_path), "-o", out, "--model", bundle, "--out-of-domain", "--abstain", 0.8)
    assert code == 0, err
    found = [None if row["out_of_domain"] in (None, "") else float(row["out_of_domain"]) for row in read(out)]
    assert found == [0.9951] * 10 + [0.5124] * 20 + [None, None]
    names = list(read(out)[0])
    assert names[names.index("truncated") :][:3] == ["truncated", "tentative_labels", "out_of_domain"]
    assert (
        "already complete"
        in label(
            out.with_name("in.jsonl"), "-o", out, "--model", bundle, "--out-of-domain", "--abstain", 0.8, "--resume"
        )[2]
    )
    code, _, err = label(out.with_name("in.jsonl"), "-o", out, "--model", bundle, "--abstain", 0.8, "--resume")
    assert (code, "not the output of this run" in err) == (2, True)


@pytest.mark.usefixtures("scored_model")
def test_the_table_on_the_terminal_has_the_scores(tmp_path: Path, bundle: Path) -> None:
    given = source(tmp_path)
    code, shown, err = label(given, "--model", bundle, "--out-of-domain")
    assert code == 0, err
    assert (shown.decode().count("0.9951"), shown.decode().count("0.5124")) == (10, 20)
    assert "out of domain" not in label(given, "--model", bundle)[1].decode()


@pytest.mark.usefixtures("scored_model")
def test_the_warning_needs_no_option_and_no_column(tmp_path: Path, bundle: Path) -> None:
    code, _, err = label(source(tmp_path), "-o", tmp_path / "out.jsonl", "--model", bundle)
    assert code == 0
    assert "out_of_domain" not in (tmp_path / "out.jsonl").read_text()
    assert "warning: 10 of 30 sentences (33.3%) are less similar to the training sentences of fake than 99 %" in err
    assert ADVICE in err


@pytest.mark.usefixtures("scored_model")
def test_the_warning_counts_all_shards_of_a_resumed_run(tmp_path: Path, bundle: Path) -> None:
    from communique.labelling import run as running

    class Stop(Exception):
        """Ends a run."""

    arguments = (source(tmp_path), "-o", tmp_path / "out.csv", "--model", bundle, "--shard-rows", 8, "--out-of-domain")
    with pytest.MonkeyPatch.context() as patched:

        def stop(_: Any, shard: Any) -> None:
            if shard.number == 1:
                raise Stop

        patched.setattr(running.FileSink, "_check", stop)
        with pytest.raises(Stop):
            label(*arguments)
    assert "a different option out_of_domain: True then, False now" in label(*arguments[:-1], "--resume")[2]
    code, _, err = label(*arguments, "--resume")
    assert (code, "10 of 30 sentences" in err) == (0, True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "Train and export it again"),
        ({"limits": {"length": {"low": 3, "high": 9}}}, "on more rows or with another backbone"),
        ({"kind": "checkpoint"}, "communique export"),
        ({"kind": "baseline", "classifier": "tfidf-logreg"}, "a tfidf-logreg model computes no out-of-domain scores"),
    ],
)
def test_models_without_scores_refuse_the_option(tmp_path: Path, changes: Any, words: str) -> None:
    folder = bundle_folder(tmp_path / "other", **changes)
    code, _, err = label(source(tmp_path), "--model", folder, "--out-of-domain")
    assert (code, words in err) == (1, True), err


@pytest.mark.usefixtures("fake_network")
def test_models_of_other_versions_still_warn_of_languages_and_characters(tmp_path: Path) -> None:
    training = model_info().training.model_dump(mode="json") | {"by_language": {"sv": 500}, "sentences": 500}
    folder = bundle_folder(tmp_path / "old", training=training)
    assert json.loads((folder / "bundle.json").read_text())["limits"] is None
    text = "The minister condemned the attack on the harbour, because many people had lived there for years. " * 8
    rows = write_rows(tmp_path / "in.jsonl", [{"text": f"{text}{i}"} for i in range(30)])
    code, _, err = label(rows, "-o", tmp_path / "out.csv", "--model", folder, "--no-split")
    assert code == 0
    assert "30 of 30 sentences (100.0%) are in languages that fake was not trained on (en 30)" in err
    assert "30 of 30 sentences (100.0%) are longer than 600 characters" in err


def test_a_chat_model_has_no_scores(tmp_path: Path) -> None:
    TINY.dump(tmp_path / "codebook.yaml")
    chat = ("--labeler", "chat", "--codebook", tmp_path / "codebook.yaml", "--endpoint", "http://127.0.0.1:9")
    code, _, err = label(source(tmp_path), "-o", tmp_path / "o.jsonl", *chat, "--chat-model", "m", "--out-of-domain")
    assert (code, has_facts(err, "--out-of-domain", "does not work with")) == (2, True)
