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
from communique.models.predictor import Predictions


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
