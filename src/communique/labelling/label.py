"""`communique label`: label shards, join rows with predictions, count what came out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from ..data.codebook import Codebook
from ..data.predictions_schema import ERROR
from ..data.sentence import Sentence
from ..io.tables import Row
from .reader import OWN_JSON, Prepared

if TYPE_CHECKING:
    from ..models.predictor import Predictions


#: Digits after the point of a probability in the output. What a shard holds decides its batches, and so every digit.
DIGITS = 6
_COUNTS = b"communique"


#: Characters of a text that a model is given. The 512 tokens of the longest models end before it; a tokenizer needs
#: gigabytes for a line of 50 MB.
SEEN = 20_000


class Classifier(Protocol):
    """What labels texts: every opened model."""

    codebook: Codebook

    def predict(self, texts: Sequence[Sentence]) -> Predictions:
        """Label sentences, in their order."""
        ...


def label_shard(shard: Prepared, model: Classifier) -> pa.Table:
    """Label a shard.

    Equal texts are computed once. What the model is given depends on the shard alone, so that its rows are the same
    whenever and wherever it is labelled.

    Returns:
        Columns `units.OUTPUT`, `error` and the input's own; `counts` reads what its metadata count.
    """
    texts: list[str] = shard.columns["text"]
    readable = [
        i
        for i, (text, error) in enumerate(zip(texts, shard.columns[ERROR], strict=True))
        if not (error or is_blank(text))
    ]
    # Some models (a lexicon) read the language too.
    spoken: list[str] = shard.columns["language"]
    distinct = dict.fromkeys((texts[i], spoken[i]) for i in readable)
    names = model.codebook.names
    probabilities = np.zeros((len(texts), len(names)))
    truncated = np.zeros(len(texts), np.bool_)
    unread = np.ones(len(texts), np.bool_)
    labels: list[list[str]] = [[] for _ in texts]
    if readable:
        predictions = model.predict(
            [Sentence(id="", text=text[:SEEN], document="", language=language) for text, language in distinct]
        )
        place = dict(zip(distinct, range(len(distinct)), strict=True))
        rows = [place[texts[i], spoken[i]] for i in readable]
        probabilities[readable] = np.round(predictions.probabilities.astype(np.float64), DIGITS)[rows]
        truncated[readable] = predictions.truncated[rows] | np.array([len(texts[i]) > SEEN for i in readable])
        unread[readable] = False
        found = predictions.labels
        for i, row in zip(readable, rows, strict=True):
            labels[i] = found[row]
    columns: dict[str, Any] = {name: pa.array(shard.columns[name], pa.string()) for name in ("id", "document")}
    columns["index"] = pa.array(shard.columns["index"], pa.int64())
    columns |= {name: pa.array(shard.columns[name], pa.string()) for name in ("language", "text")}
    columns["labels"] = pa.array(labels, pa.list_(pa.string()))
    columns["probabilities"] = pa.StructArray.from_arrays(
        [pa.array(probabilities[:, j], pa.float64(), mask=unread) for j in range(len(names))], list(names)
    )
    columns["truncated"] = pa.array(truncated)
    columns[ERROR] = pa.array(shard.columns[ERROR], pa.string())
    table = pa.table(columns)
    if shard.own is not None:
        for i, field_ in enumerate(shard.own.schema):
            table = table.append_column(field_, shard.own.column(i))
    counted = {
        "units": shard.units,
        "labelled": len(readable),
        "repeated": len(readable) - len(distinct),
        "errors": any(shard.columns[ERROR]),
    }
    return table.replace_schema_metadata({_COUNTS: json.dumps(counted).encode()})


def counts(schema: pa.Schema) -> dict[str, int]:
    """Give what a labelled shard counts of itself: units, texts labelled, those repeated, whether rows have errors."""
    found: dict[str, int] = json.loads(schema.metadata[_COUNTS])
    return found


def is_blank(text: str) -> bool:
    """Tell whether a text holds nothing to read: white space, control characters, marks of direction."""
    # Most texts begin with a letter or a quotation mark: `any` ends there.
    return not any(character.isprintable() and not character.isspace() for character in text)


def rows(table: pa.Table) -> list[Row]:
    """Give the rows of a labelled shard as they stand in JSON Lines: `error` only where there is one, own values behind."""
    found: list[Row] = table.to_pylist()
    for row in found:
        if row[ERROR] is None:
            del row[ERROR]
        own = row.pop(OWN_JSON, None)
        if own is not None:
            row |= json.loads(own)
    return found
