"""Labelling of a shard: what the model receives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from helpers import CODEBOOK

from communique.data.codebook import Codebook
from communique.labelling.label import label_shard
from communique.labelling.options import Options
from communique.labelling.shard import ExtraColumns, Record, Shard
from communique.labelling.summary import Summary
from communique.models.predictions import Predictions


class Recorder:
    """A model that records its input and labels only German sentences."""

    def __init__(self) -> None:
        self.codebook = Codebook.model_validate(CODEBOOK)
        self.received: list[tuple[str, str]] = []

    def predict(self, texts: Sequence[str], *, languages: Sequence[str] | None = None) -> Predictions:
        assert languages is not None
        self.received += zip(texts, languages, strict=True)
        p = np.array([[0.9 * (language == "de"), 0.1, 0.1] for language in languages], np.float32)
        return Predictions(self.codebook.names, p, p > 0.5, np.zeros(len(texts), np.bool_))


def test_a_model_receives_the_language_and_equal_sentences_only_once() -> None:
    inputs = [("a", "Die Not.", "de"), ("b", "Die Not.", "en"), ("c", "", "und"), ("d", "Die Not.", "de")]
    records = [Record(id, text, id, language) for id, text, language in inputs]
    model = Recorder()
    shard = label_shard(Shard(0, records, [ExtraColumns(4, None)], Options()), model)  # type: ignore[arg-type]
    assert model.received == [("Die Not.", "de"), ("Die Not.", "en")]
    assert shard.table.column("labels").to_pylist() == [["criticism"], [], [], ["criticism"]]
    assert shard.counts.repeated == 1
    summary = Summary(model.codebook.names)
    summary.add(shard)
    # The blank row does not count as a sentence without a label.
    assert (summary.none, summary.empty, summary.labels["criticism"]) == (1, 1, 2)


class Undecided:
    """A model without probabilities that cannot label texts with a question mark."""

    codebook = Codebook.model_validate(CODEBOOK)

    def predict(self, texts: Sequence[str], *, languages: Sequence[str] | None = None) -> Predictions:
        failed = ["?" in text for text in texts]
        decisions = np.array([[not fails, False, False] for fails in failed])
        errors = tuple("no answer" if fails else None for fails in failed)
        return Predictions(
            self.codebook.names,
            np.full((len(texts), 3), np.nan, np.float32),
            decisions,
            np.zeros(len(texts), np.bool_),
            errors,
        )


def test_rows_that_the_model_cannot_label_have_the_reason_and_are_counted_separately() -> None:
    texts = ["Yes.", "What?", "", "What?", "Yes.", "17"]
    records = [Record(str(i), text, "d", "en") for i, text in enumerate(texts)]
    shard = label_shard(Shard(0, records, [ExtraColumns(6, None)], Options()), Undecided())  # type: ignore[arg-type]
    assert shard.table["labels"].to_pylist() == [["criticism"], [], [], [], ["criticism"], []]
    assert shard.table["error"].to_pylist() == [None, "no answer", None, "no answer", None, "no letters"]
    assert all(row["criticism"] is None for row in shard.table["probabilities"].to_pylist())
    counts = shard.counts
    assert (counts.failed, counts.labelled, counts.repeated, counts.unreadable, counts.letterless) == (2, 2, 1, 0, 1)
    summary = Summary(Undecided.codebook.names)
    summary.add(shard)
    assert (summary.failed, summary.none, summary.empty, summary.labels["criticism"]) == (2, 0, 1, 2)
    lines = "\n".join(summary.lines())
    assert "without a usable answer 2" in lines
    # A count of 0 is left out, as with labels that exclude one another.
    assert ", none" not in lines


def test_a_shard_in_which_no_text_is_labelled_has_the_same_columns() -> None:
    records = [Record("a", "What?", "d", "en")]
    shard = label_shard(Shard(0, records, [ExtraColumns(1, None)], Options()), Undecided())  # type: ignore[arg-type]
    assert shard.table["probabilities"].type.num_fields == 3
    assert (shard.counts.failed, shard.counts.labelled) == (1, 0)
