"""Acts in tables: they are read with their labels, checked, and follow the text when it is changed."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from helpers import facts, write_rows
from hypothesis import given
from hypothesis import strategies as st

from communique.data.acts import Act, agreed_acts, read_acts, written_acts
from communique.data.codebook import Codebook
from communique.data.corpus import Corpus
from communique.data.sentence import Sentence, acts_in, normalized, normalized_offset, original_span, text_sha256
from communique.data.sources import CorpusFields
from communique.data.standoff import read_corpora, scan_sources
from communique.errors import CorpusError

BOOK = Codebook.model_validate(
    {
        "name": "acts",
        "version": "1",
        "task": "multilabel",
        "labels": [
            {"name": "criticism", "definition": "Somebody condemns."},
            {
                "name": "policy_claim",
                "definition": "Something should be.",
                "kinds": [{"name": kind, "definition": kind} for kind in ("demand", "norm")],
            },
        ],
    }
)
TEXT = "Norland says that Velmark must open the strait."
ACTS: dict[str, dict[str, Any]] = {"policy_claim": {"holder_span": [0, 7], "target_span": [18, 25], "kind": "demand"}}
READ = {"policy_claim": Act("demand", (0, 7), (18, 25))}


def row(**fields: Any) -> dict[str, Any]:
    return {"id": "a", "document": "d", "text": TEXT, "labels": ["policy_claim"], "acts": ACTS} | fields


def test_acts_are_read_with_the_labels(tmp_path: Path) -> None:
    path = write_rows(
        tmp_path / "c.jsonl",
        [
            row(),
            row(id="b", labels=[], acts={}),
            row(id="c", acts=None),
            row(id="d", text=f"  {TEXT}", acts=shifted(2)),
        ],
    )
    corpus = Corpus.read(path, BOOK)
    assert [s.acts for s in corpus] == [READ, {}, None, READ]
    assert not corpus.notes
    assert [s.acts for s in Corpus.read(path)] == [None] * 4
    # Corpora are divided and joined as before, and sentences can still be elements of a set.
    kept = corpus.where(lambda s: s.id in "ac") + corpus.where(lambda s: s.id == "b")
    assert {s.id: s.acts for s in kept} == {"a": READ, "c": None, "b": {}}
    assert len(set(corpus)) == 4


def shifted(by: int) -> dict[str, Any]:
    act = ACTS["policy_claim"]
    spans = {name: [offset + by for offset in act[name]] for name in ("holder_span", "target_span")}
    return {"policy_claim": act | spans}


@pytest.mark.parametrize(
    ("acts", "message"),
    [
        ([], None),
        (["policy_claim"], None),
        ({"praise": {}}, ("'acts'", "'praise'", "criticism, policy_claim")),
        ({"criticism": {}}, ("'acts'", "'criticism'", "'labels'")),
        ({"policy_claim": "demand"}, ("'acts' is not a mapping",)),
        ({"policy_claim": {"kind": "wish"}}, ("'wish'", "policy_claim", "demand, norm")),
        ({"policy_claim": {"holder_span": [0, 700]}}, ("'holder_span' [0, 700]",)),
        ({"policy_claim": {"target_span": [7, 8]}}, ("'target_span' [7, 8]",)),
        ({"policy_claim": {"target_span": [0, 7], "target": "Velmark"}}, ("'target_span' [0, 7]",)),
    ],
)
def test_invalid_acts_are_reported_with_their_row(acts: Any, message: tuple[str, ...] | None, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "c.jsonl", [row(), row(id="b", acts=acts)])
    if message is None:
        # Another column can have this name, and an empty list means that nothing was written.
        corpus = Corpus.read(path, BOOK)
        assert corpus.sentences[1].acts is None
        assert [note for note in corpus.notes if "'acts'" in note] == [
            f"{path}: 1 row with a value in column 'acts' that is not a mapping from labels to holder, target and kind. These "
            "values were not read"
        ][: len(acts)]
        return
    with pytest.raises(CorpusError, match=facts(f"{path}, row 2", *message)):
        Corpus.read(path, BOOK)


def test_a_null_act_is_left_out() -> None:
    # Parquet has the same fields in each row.
    assert read_acts({"criticism": None, **ACTS}, TEXT, ["policy_claim"], BOOK) == READ


def test_names_of_labels_are_translated_in_acts_too(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "c.jsonl", [row(labels=["claim"], acts={"claim": ACTS["policy_claim"]})])
    source = CorpusFields(path=str(path), labels={"claim": "policy_claim"})
    corpus, _, problems = scan_sources([source], BOOK, None)
    assert not problems
    assert corpus.sentences[0].acts == READ


def test_spans_of_stand_off_labels_are_converted_to_the_text_as_it_is_stored(tmp_path: Path) -> None:
    text = unicodedata.normalize("NFD", "Le  député Séguéla\n et  la Présidente Éloïse Bréal critiquent.")
    clean = normalized(text)
    words = ("député Séguéla", "Présidente Éloïse Bréal")
    spans = [[clean.index(word), clean.index(word) + len(word)] for word in words]
    labels = {
        "id": "a",
        "document": "d",
        "labels": ["criticism"],
        "acts": {"criticism": {"holder_span": spans[0], "target_span": spans[1]}},
        "sha256": text_sha256(text),
    }
    write_rows(tmp_path / "labels.jsonl", [labels])
    (tmp_path / "texts.jsonl").write_text(json.dumps({"text": text}), encoding="utf-8")
    corpus, _ = read_corpora([tmp_path / "labels.jsonl"], BOOK, tmp_path / "texts.jsonl")
    (sentence,) = corpus
    assert sentence.text == text
    act = (sentence.acts or {})["criticism"]
    assert act.holder is not None
    assert act.target is not None
    assert [text[slice(*span)] for span in (act.holder, act.target)] == [unicodedata.normalize("NFD", w) for w in words]


@given(st.text(alphabet="aé\u0301 \n한", max_size=12))
def test_words_of_a_text_and_of_its_normalized_form_have_matching_spans(text: str) -> None:
    for start in range(len(text)):
        for end in range(start + 1, len(text) + 1):
            words = text[start:end]
            # A combining mark belongs to the letter before it, and spans have no white space at their ends.
            if words != words.strip() or any(unicodedata.combining(c) for c in (words[0], *text[end : end + 1])):
                continue
            moved = (normalized_offset(text, start), normalized_offset(text, end))
            assert normalized(text)[slice(*moved)] == normalized(words)
            assert original_span(text, moved) == (start, end)


def test_a_moved_act_keeps_its_kind() -> None:
    sentence = Sentence("a", TEXT, "d", acts=READ)
    assert sentence.acts is not None
    assert sentence.acts["policy_claim"].moved(lambda span: (span[0] + 1, span[1] + 1)) == Act(
        "demand", (1, 8), (19, 26)
    )
    assert Act("norm").moved(lambda _: (0, 1)) == Act("norm")


def test_an_act_with_only_a_kind_says_nothing_about_spans() -> None:
    given: dict[str, Any] = {"policy_claim": {"kind": "norm"}}
    assert read_acts(given, TEXT, ["policy_claim"], BOOK) == {"policy_claim": Act("norm", with_spans=False)}
    given["policy_claim"]["holder_span"] = None
    assert read_acts(given, TEXT, ["policy_claim"], BOOK) == {"policy_claim": Act("norm")}


@pytest.mark.parametrize(
    "act", [Act("norm", (0, 7)), Act(None, None, (18, 25)), Act(), Act("demand", with_spans=False)]
)
def test_written_acts_are_read_as_they_were(act: Act) -> None:
    written = json.loads(json.dumps(written_acts({"policy_claim": act})))
    assert read_acts(written, TEXT, ["policy_claim"], BOOK) == {"policy_claim": act}
    # Without a codebook, kinds are not checked.
    assert read_acts(written, TEXT, ["policy_claim"], None) == {"policy_claim": act}


def test_acts_on_which_coders_agree_are_kept_label_by_label() -> None:
    one, other = Act(None, (0, 7)), Act(None, (0, 7), (18, 25))
    given = [{"criticism": one, "policy_claim": one}, {"criticism": other}, {"criticism": one, "praise": one}]
    assert agreed_acts(["criticism", "policy_claim"], given) == ({"policy_claim": one}, 1)
    assert agreed_acts(["criticism"], [given[0], {}, given[2]]) == ({"criticism": one}, 0)


def test_acts_follow_their_words_to_another_form_of_the_text() -> None:
    text = unicodedata.normalize("NFD", "  L\u2019État  de Séguéla\nmenace Orée. 🇫🇷🙂 ")
    other = " ".join(unicodedata.normalize("NFC", text).split())
    words = ("État  de Séguéla", "Orée", "🇫🇷🙂")
    for word in words:
        form = unicodedata.normalize("NFD", word)
        start = text.index(form)
        acts = {"criticism": Act(None, (start, start + len(form)), None)}
        (moved,) = acts_in(other, acts, text).values()
        assert moved.holder is not None
        assert other[slice(*moved.holder)] == normalized(word)
        assert acts_in(text, {"criticism": moved}, other) == acts
    assert acts_in("Another text.", READ, TEXT) == {}
