"""Label a shard: pass each distinct text to the model once, and add the labels to the rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress, count
from typing import Any

import numpy as np
import pyarrow as pa

from ..data.predictions_schema import ERROR, NO_LETTERS, OUT_OF_DOMAIN, PAGE_LINE, TENTATIVE
from ..io.tables import CHUNK_CELLS, Row
from ..models.classifier import Classifier
from ..models.limits import FAR
from ..models.predictions import Predictions
from ..text.blocks import is_page_number
from ..text.cleaning import has_letters
from ..text.hyphenation import rejoin_words
from .shard import PARAGRAPH, Shard

#: Decimal digits of a probability in the output. The batches depend only on the content of the shard, so all digits are
#: reproducible.
DIGITS = 6

#: Decimal digits of an out-of-domain score. At most a few thousand sentences define its percentiles.
SCORE_DIGITS = 4

#: Largest number of characters that a model receives of a text. 512 tokens, the maximum of most encoders, end before this limit.
#: Without it, a tokenizer would need gigabytes of memory for a line of 50 MB.
SEEN = 20_000


@dataclass(frozen=True)
class ShardCounts:
    """Counts of a labelled shard.

    Attributes:
        records: Rows and documents of the input.
        rows: Rows of the output.
        unreadable: Rows of the output that could not be read.
        labelled: Sentences that the model labelled.
        repeated: Labelled sentences that have the same text as an earlier row of the shard.
        letterless: Rows of the output that are not labelled because they contain no letters.
        page_lines: Rows that are not labelled because they are page headers, footers or numbers.
        rejoined: Labelled sentences with a word that is divided by a hyphen and a space ("Gover- nment"). The model reads the
            joined word.
        failed: Rows of the output that the model could not label, such as those without a readable answer of a chat model.
        short, long, far: Labelled sentences that are shorter, longer, or farther from the training sentences than usual. They are 0
            if the model does not know what is usual.
    """

    records: int
    rows: int
    unreadable: int
    labelled: int
    repeated: int
    letterless: int
    page_lines: int = 0
    rejoined: int = 0
    failed: int = 0
    short: int = 0
    long: int = 0
    far: int = 0


@dataclass(frozen=True)
class LabelledShard:
    """The output rows of a shard with their labels.

    Attributes:
        number: Position of the shard in the input, from 0.
        table: The output columns, followed by the extra columns unless these are kept as JSON.
        counts: Counts of the shard.
        extra_json: The extra columns of each row as a JSON object. They are not part of the table, so that their names cannot
            collide with those of output columns.
        paragraphs: Indices of the rows that are known to start a paragraph, in ascending order.
    """

    number: int
    table: pa.Table
    counts: ShardCounts
    extra_json: pa.ChunkedArray | None = None
    paragraphs: tuple[int, ...] = ()

    def to_rows(self) -> list[Row]:
        """Return the rows as they are written to JSON Lines: `error` only if the row has one, then the extra columns."""
        return list(self.iter_rows())

    def iter_rows(self) -> Iterator[Row]:
        """Yield the rows of `to_rows`, converted a few at a time. Python objects take a hundred times the memory of the table."""
        step = max(1, CHUNK_CELLS // self.table.num_columns)
        for start in range(0, len(self.table), step):
            found: list[Row] = self.table.slice(start, step).to_pylist()
            extra = [None] * len(found) if self.extra_json is None else self.extra_json.slice(start, step).to_pylist()
            for row, own in zip(found, extra, strict=True):
                if row[ERROR] is None:
                    del row[ERROR]
                # Rows of a document have no extra columns.
                yield row | (json.loads(own) if own is not None else {})


class Positions:
    """Fill in missing positions. A sentence without a position follows the previous sentence of its document."""

    #: Number of documents that are remembered. A document that reappears after this many others starts again at 0.
    REMEMBERED = 100_000

    def __init__(self) -> None:
        self._next: dict[str, int] = {}

    def complete(self, shard: LabelledShard) -> LabelledShard:
        """Return the shard with all positions filled in. Call this for the shards in order."""
        column = shard.table.schema.get_field_index("index")
        known = shard.table.column(column)
        if not known.null_count:
            return shard
        positions = known.to_pylist()
        for i, document in enumerate(shard.table["document"].to_pylist()):
            if positions[i] is None:
                positions[i] = self._next.pop(document, 0)
                self._next[document] = positions[i] + 1
                if len(self._next) > self.REMEMBERED:
                    del self._next[next(iter(self._next))]
        table = shard.table.set_column(column, "index", pa.array(positions, pa.int64()))
        return replace(shard, table=table)


def label_shard(shard: Shard, model: Classifier, *, blank: bool = False) -> LabelledShard:
    """Label a shard. If `blank` is true, return its rows without labels.

    The model receives equal texts only once. Its input depends only on the shard, so a shard always gets the same rows,
    whenever and wherever it is labelled.
    """
    rows, extra = shard.rows
    texts: list[str] = rows["text"]
    # Some models, such as a lexicon, use the language too.
    languages: list[str] = rows["language"]
    reasons = list(map(_reason, texts, rows[ERROR]))
    labelled = [i for i, reason in enumerate(reasons) if not (blank or reason or is_blank(texts[i]))]
    distinct = {pair: n for n, pair in enumerate(dict.fromkeys((texts[i], languages[i]) for i in labelled))}
    places = {i: distinct[texts[i], languages[i]] for i in labelled}
    cut = [text[:SEEN] for text, _ in distinct]
    sent = rejoin_words(cut)
    predictions = model.predict(sent, languages=[language for _, language in distinct]) if sent else None
    if predictions is not None and shard.options.abstain is not None:
        predictions = predictions.abstain(shard.options.abstain)
    failures = _failures(places, predictions)
    reasons = [failures.get(i, reason) for i, reason in enumerate(reasons)]
    answered = {i: place for i, place in places.items() if i not in failures}
    columns = _columns(rows | {ERROR: reasons}, model.codebook.names, answered, predictions, shard.options.optional)
    as_json = shard.options.as_json
    if extra is not None and not as_json:
        # Add all columns at once. Adding them one by one would copy the table for each column.
        columns |= dict(zip(extra.column_names, extra.columns, strict=True))
    changed = {n for n, (before, after) in enumerate(zip(cut, sent, strict=True)) if before != after}
    letterless, page_lines = reasons.count(NO_LETTERS), reasons.count(PAGE_LINE)
    counts = ShardCounts(
        records=shard.n_records,
        rows=len(texts),
        unreadable=sum(reason is not None for reason in reasons) - letterless - page_lines - len(failures),
        labelled=len(answered),
        repeated=len(answered) - len(set(answered.values())),
        letterless=letterless,
        page_lines=page_lines,
        rejoined=sum(place in changed for place in answered.values()),
        failed=len(failures),
        **_unusual(list(answered.values()), predictions),
    )
    extra_json = extra.column(0) if extra is not None and as_json else None
    paragraphs = tuple(compress(count(), rows[PARAGRAPH]))
    return LabelledShard(shard.number, pa.table(columns), counts, extra_json, paragraphs)


def _unusual(places: list[int], predictions: Predictions | None) -> dict[str, int]:
    """Count rows that are unusual for the model. `places` has the index of the prediction of each labelled row."""
    found: dict[str, int] = {}
    if predictions is not None and predictions.unusual_length is not None:
        length = predictions.unusual_length[places]
        found |= {"short": int((length < 0).sum()), "long": int((length > 0).sum())}
    if predictions is not None and predictions.out_of_domain is not None:
        found["far"] = int((predictions.out_of_domain[places] > FAR).sum())
    return found


def _failures(places: Mapping[int, int], predictions: Predictions | None) -> dict[int, str]:
    """Return the reason why the model could not label a row, by index of the row."""
    if predictions is None or not predictions.errors:
        return {}
    reasons = {i: predictions.errors[place] for i, place in places.items()}
    return {i: reason for i, reason in reasons.items() if reason is not None}


def _columns(
    rows: dict[str, list[Any]],
    names: Sequence[str],
    places: Mapping[int, int],
    predictions: Predictions | None,
    optional: Sequence[str],
) -> dict[str, pa.Array | pa.ChunkedArray]:
    """Return the output columns.

    Args:
        rows: Values of the columns that do not depend on the model.
        names: Names of the labels.
        places: The index of the prediction of each labelled row, by index of the row.
        predictions: The predictions, or None if no row is labelled.
        optional: Names of optional columns.
    """
    n = len(rows["text"])
    probabilities = np.zeros((n, len(names)))
    truncated, unknown = np.zeros(n, np.bool_), np.ones((n, len(names)), np.bool_)
    labels: list[list[str]] = [[] for _ in range(n)]
    tentative: list[list[str]] = [[] for _ in range(n)]
    scores = np.full(n, np.nan)
    if predictions is not None:
        labelled, origin = list(places), list(places.values())
        probabilities[labelled] = np.round(predictions.probabilities.astype(np.float64), DIGITS)[origin]
        truncated[labelled] = predictions.truncated[origin] | np.array(
            [len(rows["text"][i]) > SEEN for i in labelled], np.bool_
        )
        # Some models, such as a chat model, only decide.
        unknown[labelled] = np.isnan(probabilities[labelled])
        if predictions.out_of_domain is not None:
            scores[labelled] = np.round(predictions.out_of_domain.astype(np.float64), SCORE_DIGITS)[origin]
        found, otherwise = predictions.labels, predictions.tentative_labels
        for i, place in places.items():
            labels[i], tentative[i] = found[place], otherwise[place]
    further = {
        TENTATIVE: pa.array(tentative, pa.list_(pa.string())),
        OUT_OF_DOMAIN: pa.array(scores, pa.float64(), mask=np.isnan(scores)),
    }
    return {
        "id": pa.array(rows["id"], pa.string()),
        "document": pa.array(rows["document"], pa.string()),
        "index": pa.array(rows["index"], pa.int64()),
        "language": pa.array(rows["language"], pa.string()),
        "text": pa.array(rows["text"], pa.string()),
        "labels": pa.array(labels, pa.list_(pa.string())),
        "probabilities": pa.StructArray.from_arrays(
            [pa.array(probabilities[:, j], pa.float64(), mask=unknown[:, j]) for j in range(len(names))], list(names)
        ),
        "truncated": pa.array(truncated),
        **{name: further[name] for name in optional},
        ERROR: pa.array(rows[ERROR], pa.string()),
    }


def _reason(text: str, error: str | None) -> str | None:
    """Return the reason why a row is not labelled, or None if it is labelled or empty."""
    if error is not None or is_blank(text):
        return error
    if is_page_number(text):
        return PAGE_LINE
    return None if has_letters(text) else NO_LETTERS


def is_blank(text: str) -> bool:
    """Check whether a text contains nothing to read: only white space, control characters and direction marks."""
    # `any` stops at the first character of most texts, which is a letter or a quotation mark.
    return not any(character.isprintable() and not character.isspace() for character in text)
