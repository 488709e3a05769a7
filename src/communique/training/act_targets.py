"""Convert the acts of sentences to the targets of the auxiliary heads: numbers of kinds, and spans of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.acts import ROLES, Act
from ..data.codebook import Codebook
from ..data.sentence import Sentence
from ..errors import RecipeError
from ..models.act_heads import MASKED
from ..models.acts import NO_SPAN, token_span, token_words
from ..models.info import ActsInfo
from ..text.cleaning import span_for_model


def check_acts(sentences: Sequence[Sentence], tokenizer: Any, codebook: Codebook) -> list[str]:
    """Check that auxiliary outputs can be trained, and return lines that report how many rows have acts, and missing kinds.

    Raises:
        RecipeError: No row with labels has acts, or the tokenizer does not know the positions of its tokens in the text.
    """
    if not tokenizer.is_fast:
        raise RecipeError(
            "acts: the tokenizer of the backbone does not report the positions of its tokens. Name an encoder such as 'e5-small', "
            "or write 'acts: false'"
        )
    # Sentences without labels have no acts and therefore train none.
    acts = [s.acts for s in sentences if s.acts]
    if not acts:
        raise RecipeError(
            "acts: no training row has holder, target and kind. Add the column 'acts' to the corpora (docs/guides/codebooks.md), "
            "or write 'acts: false'"
        )
    labelled = sum(bool(s.labels) for s in sentences)
    lines = [f"{len(acts)} of {labelled} training rows with labels have acts. The other rows train only the labels"]
    known = {name for one in acts for name, act in one.items() if act.kind is not None}
    if missing := [label.name for label in codebook.labels if label.kinds and label.name not in known]:
        lines.append(
            f"warning: no training row has a kind of {' or '.join(missing)}, so the kinds that the model predicts for it mean "
            "nothing. Add kinds to the column 'acts'"
        )
    return lines


def act_targets(
    sentences: Sequence[Sentence], offsets: Sequence[Sequence[tuple[int, int]]], info: ActsInfo, codebook: Codebook
) -> dict[str, list[Any]]:
    """Return the targets of n sentences as columns of a data set.

    Args:
        sentences: The sentences, with labels.
        offsets: Start and end of each token of each sentence's `model_text`.
        info: Description of the outputs.
        codebook: The codebook.

    Returns:
        `spans` (n, labels, roles, 2): first token and the one after the last, `NO_SPAN` twice if the sentence names nobody, and
        `MASKED` twice if this is unknown, the label does not hold, or the text was truncated before the end of the span. `kinds`
        (n, labels with kinds), if a label has kinds: number of the kind, or `MASKED`.
    """
    spans = np.full((len(sentences), len(codebook.names), len(ROLES), 2), MASKED, np.int64)
    kinds = np.full((len(sentences), len(info.kinds)), MASKED, np.int64)
    for row, (sentence, positions) in enumerate(zip(sentences, offsets, strict=True)):
        words = token_words(sentence.model_text, positions) if sentence.acts else None
        for name, act in (sentence.acts or {}).items():
            assert words is not None
            for j, role in enumerate(ROLES if act.with_spans else ()):
                spans[row, codebook.names.index(name), j] = _token_span(sentence, act, role, words)
            if act.kind is not None and name in info.kinds:
                kinds[row, list(info.kinds).index(name)] = info.kinds[name].index(act.kind)
    return {"spans": spans.tolist()} | ({"kinds": kinds.tolist()} if info.kinds else {})


def _token_span(sentence: Sentence, act: Act, role: str, words: NDArray[np.int64]) -> tuple[int, int]:
    span = act.span(role)
    if span is None:
        return NO_SPAN, NO_SPAN
    moved = span_for_model(sentence.text, span)
    return (moved and token_span(words, moved)) or (MASKED, MASKED)
