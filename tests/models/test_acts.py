"""Test the conversion between tags of tokens and spans of characters."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from communique.data.acts import Act
from communique.models.acts import act_outputs, best_spans, decode_spans, token_span, token_words, whole_words
from communique.models.info import ActsInfo

INFO = ActsInfo(kinds={"policy_claim": ("demand", "norm")}, width=4)
LABELS = ("criticism", "policy_claim")
TEXT = "Norland must lift the blockade of Velmark."


def tokens_of(text: str) -> list[tuple[int, int]]:
    """Return the positions of words, each with the space before it, between two special tokens."""
    found, start = [(0, 0)], 0
    for word in text.split(" "):
        end = start + len(word)
        found.append((max(start - 1, 0), end))
        start = end + 1
    return [*found, (0, 0)]


def test_the_white_space_of_tokens_is_left_out() -> None:
    words = token_words(TEXT, tokens_of(TEXT))
    assert [TEXT[start:end] for start, end in words] == ["", *TEXT.split(), ""]


@pytest.mark.parametrize(
    ("span", "tokens"),
    [((0, 7), (1, 2)), ((18, 30), (4, 6)), ((34, 41), (7, 8)), ((19, 20), (4, 5)), ((7, 8), None), ((30, 90), None)],
)
def test_a_span_covers_each_token_that_it_touches(span: tuple[int, int], tokens: tuple[int, int] | None) -> None:
    # The last case is a span whose end was truncated.
    assert token_span(token_words(TEXT, tokens_of(TEXT)), span) == tokens


def log_probability(scores: np.ndarray, visible: np.ndarray, span: tuple[int, int] | None) -> float:
    log = scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))
    tags = [0] * len(scores)
    if span is not None:
        tags[span[0] : span[1]] = [1] + [2] * (span[1] - span[0] - 1)
    return float(sum(log[i, tag] for i, tag in enumerate(tags) if visible[i]))


@given(st.integers(0, 10_000))
def test_the_most_probable_span_is_found(seed: int) -> None:
    generator = np.random.default_rng(seed)
    length = int(generator.integers(1, 7))
    scores = generator.normal(0, 2, (1, length + 2, 1, 3))
    visible = generator.random(length) < 0.8
    words = np.stack([np.arange(length) * 2, np.arange(length) * 2 + visible], axis=1)
    first, after = best_spans(scores, [words])[0, 0].tolist()
    # A span starts with a visible token.
    spans = [None, *((i, j) for i, j in itertools.combinations(range(length + 1), 2) if visible[i])]
    best = max(log_probability(scores[0, :length, 0], visible, span) for span in spans)
    found = None if first == -1 else (first, after)
    assert log_probability(scores[0, :length, 0], visible, found) == pytest.approx(best)


def test_scores_become_words_of_the_original_text() -> None:
    text = "Nor\u00adland must lift the blockade of Velmark."
    read = text.replace("\u00ad", "")
    scores = np.zeros((2, 10, len(LABELS) * 2 * 3), np.float32)
    tags = scores.reshape(2, 10, len(LABELS), 2, 3)
    tags[..., 0] = 5.0
    tags[0, 1, 0, 0, 1] = 9.0  # holder of criticism: the first word
    tags[0, 5, 1, 1, 1] = tags[0, 6, 1, 1, 2] = tags[0, 7, 1, 1, 2] = 9.0  # target of the claim: three words
    tags[0, 8, 1, 0, 1] = tags[1, 9, 1, 0, 1] = 9.0  # special tokens and padding
    offsets = [tokens_of(read), tokens_of("We agree.")]
    spans = decode_spans([text, "We agree."], offsets, scores)
    outputs = act_outputs(INFO, LABELS, np.array([[2.0, 0.0], [0.0, 1.0]], np.float32), spans)
    both = np.ones((2, 2), np.bool_)
    first, second = outputs.given(both)
    assert first["criticism"] == Act(None, (0, 8), None)
    assert first["policy_claim"].kind == "demand"
    assert first["policy_claim"].holder is None
    assert text[slice(*(first["policy_claim"].target or ()))] == "blockade of Velmark."
    assert second == {"criticism": Act(), "policy_claim": Act("norm")}
    assert outputs.given(np.array([[False, True], [False, False]])) == [{"policy_claim": first["policy_claim"]}, {}]
    np.testing.assert_allclose(outputs.kinds["policy_claim"].sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "part", "words"),
    [
        ("Die Bundesregierung hilft.", "regier", "Bundesregierung"),
        ("Russia's army", "Russ", "Russia"),
        ("the US-led group", "US", "US"),
        ("中国政府表示反对。", "政府", "政府"),
        ("중국은 반대한다", "중국", "중국"),
        ("日本政府", "日本", "日本"),
        ("EU加盟国", "EU", "EU"),
        ("रूस की सरकार", "सरका", "सरकार"),
        ("می\u200cخواهیم ایران", "خوا", "می\u200cخواهیم"),
        ("Grupo de los 77 países", "7", "77"),
        # 북한은 in decomposed Korean letters.
        (
            "\u1107\u116e\u11a8\u1112\u1161\u11ab\u110b\u1173\u11ab",
            "\u1107\u116e\u11a8\u1112",
            "\u1107\u116e\u11a8\u1112\u1161\u11ab",
        ),
        # A mark without a letter, as in garbled text.
        ("ثقة \u0301المواطنين", "المواطنين", "\u0301المواطنين"),
    ],
)
def test_spans_do_not_divide_words_of_scripts_with_spaces(text: str, part: str, words: str) -> None:
    start = text.index(part)
    found = whole_words(text, (start, start + len(part)))
    assert text[slice(*found)] == words


def test_outputs_without_texts_are_empty() -> None:
    outputs = act_outputs(INFO, LABELS, np.zeros((0, 2), np.float32), np.zeros((0, 2, 2, 2), np.int32))
    assert (len(outputs), outputs.given(np.zeros((0, 2), np.bool_))) == (0, [])
