"""Labelling of a shard: what the model is given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from helpers import CODEBOOK

from communique.data.codebook import Codebook
from communique.data.sentence import Sentence
from communique.labelling.label import counts, label_shard
from communique.labelling.reader import Prepared
from communique.labelling.summary import Summary
from communique.models.predictor import Predictions


class Recorder:
    """Remembers what it is given, and labels German sentences alone."""

    def __init__(self) -> None:
        self.codebook = Codebook.model_validate(CODEBOOK)
        self.given: list[tuple[str, str]] = []

    def predict(self, texts: Sequence[Sentence]) -> Predictions:
        self.given += [(s.text, s.language) for s in texts]
        p = np.array([[0.9 * (s.language == "de"), 0.1, 0.1] for s in texts], np.float32)
        return Predictions(self.codebook.names, p, p > 0.5, np.zeros(len(texts), np.bool_))


def test_a_model_is_told_the_language_and_computes_equal_sentences_once() -> None:
    texts, languages = ["Die Not.", "Die Not.", "", "Die Not."], ["de", "en", "und", "de"]
    columns = {
        "id": list("abcd"),
        "document": list("abcd"),
        "index": [0, 0, 0, 0],
        "language": languages,
        "text": texts,
        "error": [None] * 4,
    }
    model = Recorder()
    table = label_shard(Prepared(0, 4, columns, None), model)
    assert model.given == [("Die Not.", "de"), ("Die Not.", "en")]
    assert table.column("labels").to_pylist() == [["criticism"], [], [], ["criticism"]]
    assert counts(table.schema)["repeated"] == 1
    summary = Summary(model.codebook.names)
    summary.add(table)
    # The blank row is no sentence without a label.
    assert (summary.none, summary.empty, summary.labels["criticism"]) == (1, 1, 2)
