"""Label a shard: ask the model about each distinct text once, and join its answers with the rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ..data.predictions_schema import ERROR
from ..io.tables import Row
from ..models.classifier import Classifier
from .options import EXTRA_JSON
from .shard import Shard

#: Decimal digits of a probability in the output. A shard's content decides its batches, and so every digit.
DIGITS = 6

#: Characters of a text that a model is given. The 512 tokens of the longest models end before it, and a tokenizer needs
#: gigabytes for a line of 50 MB.
SEEN = 20_000


@dataclass(frozen=True)
class ShardCounts:
    """What a labelled shard counts.

    Attributes:
        records: Rows and documents of the input.
        labelled: Sentences that the model labelled.
        repeated: Sentences among them whose text an earlier row of the shard has.
        errors: Whether a row cannot be read.
    """

    records: int
    labelled: int
    repeated: int
    errors: bool


@dataclass(frozen=True)
class LabelledShard:
    """A shard's rows of output with their labels; extra columns stand behind."""

    number: int
    table: pa.Table
    counts: ShardCounts

    def to_rows(self) -> list[Row]:
        """Return the rows as JSON Lines has them: `error` only where there is one, then the extra columns."""
        found: list[Row] = self.table.to_pylist()
        for row in found:
            if row[ERROR] is None:
                del row[ERROR]
            extra = row.pop(EXTRA_JSON, None)
            if extra is not None:
                row |= json.loads(extra)
        return found


def label_shard(shard: Shard, model: Classifier) -> LabelledShard:
    """Label a shard.

    Equal texts are computed once. What the model is given depends only on the shard, so its rows are the same whenever and
    wherever it is labelled.
    """
    rows, extra = shard.rows
    texts: list[str] = rows["text"]
    # Some models, such as a lexicon, use the language too.
    languages: list[str] = rows["language"]
    readable = [
        i for i, (text, error) in enumerate(zip(texts, rows[ERROR], strict=True)) if not (error or is_blank(text))
    ]
    distinct = dict.fromkeys((texts[i], languages[i]) for i in readable)
    names = model.codebook.names
    probabilities = np.zeros((len(texts), len(names)))
    truncated = np.zeros(len(texts), np.bool_)
    unread = np.ones(len(texts), np.bool_)
    labels: list[list[str]] = [[] for _ in texts]
    if readable:
        predictions = model.predict(
            [text[:SEEN] for text, _ in distinct], languages=[language for _, language in distinct]
        )
        place = dict(zip(distinct, range(len(distinct)), strict=True))
        places = [place[texts[i], languages[i]] for i in readable]
        probabilities[readable] = np.round(predictions.probabilities.astype(np.float64), DIGITS)[places]
        truncated[readable] = predictions.truncated[places] | np.array([len(texts[i]) > SEEN for i in readable])
        unread[readable] = False
        found = predictions.labels
        for i, j in zip(readable, places, strict=True):
            labels[i] = found[j]
    columns: dict[str, Any] = {name: pa.array(rows[name], pa.string()) for name in ("id", "document")}
    columns["index"] = pa.array(rows["index"], pa.int64())
    columns |= {name: pa.array(rows[name], pa.string()) for name in ("language", "text")}
    columns["labels"] = pa.array(labels, pa.list_(pa.string()))
    columns["probabilities"] = pa.StructArray.from_arrays(
        [pa.array(probabilities[:, j], pa.float64(), mask=unread) for j in range(len(names))], list(names)
    )
    columns["truncated"] = pa.array(truncated)
    columns[ERROR] = pa.array(rows[ERROR], pa.string())
    table = pa.table(columns)
    if extra is not None:
        for column in extra.schema:
            table = table.append_column(column, extra[column.name])
    counts = ShardCounts(shard.n_records, len(readable), len(readable) - len(distinct), any(rows[ERROR]))
    return LabelledShard(shard.number, table, counts)


def is_blank(text: str) -> bool:
    """Return whether a text holds nothing to read: only white space, control characters, direction marks."""
    # Most texts begin with a letter or a quotation mark, where `any` stops.
    return not any(character.isprintable() and not character.isspace() for character in text)
