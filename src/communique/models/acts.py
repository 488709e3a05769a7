"""Convert between tags of tokens and spans of characters, for the words that name the holder and the target of a label.

For each label and role, a network scores three tags per token: `outside`, `begin` and `inside`. A sentence names at most one holder
and one target per label, so the tags of a sentence are either all `outside`, or one `begin` that any number of `inside` follow. Of
these sequences, `best_spans` finds the most probable one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.acts import ROLES, Act, Span
from ..metrics.calibration import probabilities
from ..text.cleaning import for_model, span_from_model
from .info import ActsInfo

#: Tags of a token, in the order of the network's scores.
OUTSIDE, BEGIN, INSIDE = range(3)
N_TAGS = 3

#: Marks, in arrays of positions, that a sentence does not name the holder or the target.
NO_SPAN = -1

#: Names of Unicode characters of scripts without spaces between words, and of Korean, whose particles are attached to nouns. The
#: words of a span can end inside such a run of letters.
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN", "IDEOGRAPHIC")

_JOINERS = "\u200c\u200d"

#: Vowels and final consonants of Korean syllables in decomposed text, as in names of files on macOS.
_JAMO = frozenset(map(chr, (*range(0x1160, 0x1200), *range(0xD7B0, 0xD800))))


@dataclass(frozen=True)
class ActOutputs:
    """Kinds, holders and targets that a model predicts for n texts, whether or not it predicts the label.

    `kinds` contains the probabilities (n, kinds) by label, for labels that have kinds. `spans` (n, labels, roles, 2) contains the
    character offsets of holder and target in each text, or -1 if the text does not name them.
    """

    info: ActsInfo
    labels: tuple[str, ...]
    kinds: Mapping[str, NDArray[np.float32]]
    spans: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.spans)

    def given(self, decisions: NDArray[np.bool_]) -> list[dict[str, Act]]:
        """Return the acts of the labels that hold for each text.

        Args:
            decisions: Labels (n, k), predicted or gold.
        """
        return [
            {name: self._act(row, i, name) for i, name in enumerate(self.labels) if decisions[row, i]}
            for row in range(len(self))
        ]

    def _act(self, row: int, label: int, name: str) -> Act:
        found = self.info.kinds.get(name)
        kind = found[int(self.kinds[name][row].argmax())] if found else None
        spans = ((int(start), int(end)) for start, end in self.spans[row, label])
        holder, target = (None if span[0] == NO_SPAN else span for span in spans)
        return Act(kind, holder, target)


def act_outputs(
    info: ActsInfo, labels: tuple[str, ...], kinds: NDArray[np.float32], spans: NDArray[np.int32]
) -> ActOutputs:
    """Return the outputs of a model as probabilities by label.

    Args:
        info: Description of the outputs.
        labels: The k labels of the codebook.
        kinds: Logits of all kinds (n, `info.n_kinds`).
        spans: Character offsets (n, k, roles, 2).
    """
    by_label = {name: probabilities(kinds[:, columns], multilabel=False) for name, columns in info.columns.items()}
    return ActOutputs(info, labels, by_label, spans)


def decode_spans(
    texts: Sequence[str], offsets: Sequence[Sequence[Span]], scores: NDArray[np.floating]
) -> NDArray[np.int32]:
    """Find the holder and the target of each label in a batch of texts.

    Args:
        texts: The original texts, of which the model read `for_model(text)`.
        offsets: Start and end of the tokens of each text that the model read. Special tokens have the same start and end.
        scores: The network's output (b, t, labels x roles x tags), with t or fewer tokens per text.

    Returns:
        Character offsets (b, labels, roles, 2) in the original texts, or -1 twice where no words are named.
    """
    scores = scores.reshape(*scores.shape[:2], -1, N_TAGS)
    words = [token_words(for_model(text), one) for text, one in zip(texts, offsets, strict=True)]
    tokens = best_spans(scores, words)
    found = [character_spans(text, w, spans) for text, w, spans in zip(texts, words, tokens, strict=True)]
    return np.stack(found).reshape(len(texts), -1, len(ROLES), 2)


def token_words(text: str, offsets: Sequence[Span]) -> NDArray[np.int64]:
    """Return the characters of each token (t, 2) without white space at its ends, which some tokenizers include.

    Args:
        text: The text that was tokenized.
        offsets: Start and end of each token in the text. Special tokens have the same start and end.

    Returns:
        Start and end of each token. They are equal if the token contains no visible character.
    """
    words = np.zeros((len(offsets), 2), np.int64)
    for i, (start, end) in enumerate(offsets):
        piece = text[start:end]
        start += len(piece) - len(piece.lstrip())
        words[i] = start, start + len(piece.strip())
    return words


def token_span(words: NDArray[np.int64], span: Span) -> Span | None:
    """Return the first token of a span of characters and the one after its last, or None if the tokens do not reach it.

    Args:
        words: Characters of each token, from `token_words`.
        span: Start and end of the characters.
    """
    inside = np.flatnonzero((words[:, 0] < span[1]) & (words[:, 1] > span[0]) & (words[:, 1] > words[:, 0]))
    # A truncated text can lack the end of a span, whose tags would then be wrong.
    if not len(inside) or words[inside[-1], 1] < span[1]:
        return None
    return int(inside[0]), int(inside[-1]) + 1


def best_spans(scores: NDArray[np.floating], words: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Find the most probable span of tokens for each text and each group of tags, or none.

    The tags of the tokens are independent given the text, so the probability of a sequence of tags is a product. The result is the
    most probable of all sequences that have at most one span.

    Args:
        scores: Scores (b, t, groups, 3) of the three tags of each token, as logits. Rows are padded to t tokens.
        words: Characters of the tokens of each row, from `token_words`.

    Returns:
        First token and the one after the last (b, groups, 2), or -1 twice if `outside` for all tokens is more probable than any
        span.
    """
    visible = np.zeros(scores.shape[:2], np.bool_)
    for row, characters in enumerate(words):
        visible[row, : len(characters)] = characters[:, 1] > characters[:, 0]
    # What the tags `begin` and `inside` add to the log-probability, compared with `outside`. The softmax cancels out.
    gain = scores.astype(np.float64) - scores[..., [OUTSIDE]]
    begin = np.where(visible[..., None], gain[..., BEGIN], -np.inf)
    inside = np.where(visible[..., None], gain[..., INSIDE], 0.0)
    total = np.cumsum(inside, axis=1)
    # For each last token, the best first token is a running maximum, because inner tokens contribute a difference of totals.
    ahead = begin - total
    best = np.maximum.accumulate(ahead, axis=1)
    is_new = ahead >= best
    first = np.maximum.accumulate(np.where(is_new, np.arange(scores.shape[1])[None, :, None], 0), axis=1)
    value = best + total
    last = value.argmax(axis=1)
    chosen = np.take_along_axis(first, last[:, None], axis=1)[:, 0]
    found = np.take_along_axis(value, last[:, None], axis=1)[:, 0] > 0
    return np.where(found[..., None], np.stack([chosen, last + 1], axis=-1), NO_SPAN)


def character_spans(text: str, words: NDArray[np.int64], spans: NDArray[np.int64]) -> NDArray[np.int32]:
    """Convert spans of tokens to spans of characters of the original text, extended to whole words.

    Args:
        text: The original text, of which the model read `for_model(text)`.
        words: Characters of the tokens, from `token_words`.
        spans: Spans of tokens (k x roles, 2), with -1 for none.

    Returns:
        Start and end of each span (k x roles, 2), or -1 twice.
    """
    found = np.full(spans.shape, NO_SPAN, np.int32)
    read = for_model(text)
    for i, (first, after) in enumerate(spans.tolist()):
        if first != NO_SPAN:
            span = whole_words(read, (int(words[first, 0]), int(words[after - 1, 1])))
            found[i] = span_from_model(text, span)
    return found


def whole_words(text: str, span: Span) -> Span:
    """Extend a span until it does not divide a word. In scripts without spaces, and in Korean, it stays as it is."""
    start, end = span
    while start > 0 and _joined(text[start - 1], text[start]):
        start -= 1
    while end < len(text) and _joined(text[end - 1], text[end]):
        end += 1
    return start, end


def _joined(one: str, other: str) -> bool:
    """Return whether two neighbouring characters belong to the same word of a script with spaces, or to the same letter."""
    if _attached(other):
        # A mark after white space belongs to no letter.
        return not one.isspace()
    return all(c.isalnum() or _attached(c) for c in (one, other)) and not any(
        unicodedata.name(c, "").startswith(_UNSPACED) for c in (one, other)
    )


def _attached(character: str) -> bool:
    """Return whether a character is part of the letter before it: a combining mark, a joiner, or a part of a Korean syllable."""
    return unicodedata.category(character)[0] == "M" or character in _JOINERS or character in _JAMO
