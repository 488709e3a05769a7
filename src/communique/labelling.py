"""`communique label`: label shards, join rows with predictions, count what came out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .codebook import Codebook
from .columns import ERROR
from .readers import Row
from .statements import UNDETERMINED, Statement
from .units import OWN_JSON, Prepared

if TYPE_CHECKING:
    from .predictor import Predictions

#: Digits after the point of a probability in the output. What a shard holds decides its batches, and so every digit.
DIGITS = 6

#: Characters of a text that a model is given. The 512 tokens of the longest models end before it; a tokenizer needs
#: gigabytes for a line of 50 MB.
SEEN = 20_000

#: Distinct documents that are counted exactly; a set of all would grow with the input.
COUNTED_DOCUMENTS = 200_000

_COUNTS = b"communique"

#: Colours of labels on a terminal, by position in the codebook.
_COLOURS = ("red", "blue", "green", "magenta", "cyan", "yellow")


class Labels(Protocol):
    """What labels texts: every opened model."""

    codebook: Codebook

    def predict(self, texts: Sequence[Statement]) -> Predictions:
        """Label statements, in their order."""
        ...


def label_shard(shard: Prepared, model: Labels) -> pa.Table:
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
            [Statement(id="", text=text[:SEEN], document="", language=language) for text, language in distinct]
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


@dataclass
class Summary:
    """Counts of labelled shards, shard by shard.

    `rows` are the output's; `units` the input's rows and documents; `labels` counts sentences a label.
    """

    names: Sequence[str]
    rows: int = 0
    units: int = 0
    labelled: int = 0
    repeated: int = 0
    truncated: int = 0
    unreadable: int = 0
    none: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    documents: set[int] = field(default_factory=set)

    def add(self, table: pa.Table) -> None:
        """Count a labelled shard."""
        counted = counts(table.schema)
        self.rows += len(table)
        self.units += counted["units"]
        self.labelled += counted["labelled"]
        self.repeated += counted["repeated"]
        self.truncated += pc.sum(table["truncated"]).as_py() or 0
        unreadable = len(table) - table[ERROR].null_count
        self.unreadable += unreadable
        # What is empty or unreadable has no labels either, and is not a sentence without a label.
        without = pc.sum(pc.equal(pc.list_value_length(table["labels"]), 0)).as_py() or 0
        self.none += without - (len(table) - counted["labelled"])
        _count(self.labels, pc.list_flatten(table["labels"]))
        _count(self.languages, table["language"].filter(pc.is_null(table[ERROR])))
        if len(self.documents) <= COUNTED_DOCUMENTS:
            self.documents.update(map(hash, table["document"].unique().to_pylist()))

    @property
    def empty(self) -> int:
        """Sentences without anything to read."""
        return self.rows - self.unreadable - self.labelled

    def lines(self) -> list[str]:
        """Say what was labelled, what was repeated, cut, empty or unreadable, and what the counts are not."""
        n = self.rows - self.unreadable
        many = len(self.documents) > COUNTED_DOCUMENTS
        documents = f"more than {COUNTED_DOCUMENTS}" if many else str(len(self.documents))
        parts = [
            f"{n} sentences in {documents} documents",
            ", ".join(f"{name} {self.labels[name]}" for name in self.names) + f", none {self.none}",
            "languages: "
            + (", ".join(f"{language} {count}" for language, count in self.languages.most_common()) or "–"),
            f"truncated {self.truncated}",
        ]
        if self.empty:
            parts.append(f"empty {self.empty}")
        if self.languages[UNDETERMINED]:
            parts.append(f"language unknown {self.languages[UNDETERMINED]}")
        if self.unreadable:
            parts.append(f"unreadable {self.unreadable}")
        if self.repeated:
            share = self.repeated / self.labelled
            parts.append(f"repeated {self.repeated} ({share:.1%} of sentences, computed once a shard)")
        return [
            f"{self.units} rows and documents read: " + "; ".join(parts),
            "These counts carry the model's errors: they are no estimate of a share. `communique estimate` makes one "
            "from a sample that people label.",
        ]


def _count(counter: Counter[Any], values: Any) -> None:
    for entry in pc.value_counts(values).to_pylist():
        counter[entry["values"]] += entry["counts"]


def print_table(console: Console, output: Sequence[Row], names: Sequence[str]) -> None:
    """Print labelled rows as one table a document, labels in colour."""
    colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(names)}
    by_document: dict[str, list[Row]] = {}
    for row in output:
        by_document.setdefault(row["document"], []).append(row)
    for document, members in by_document.items():
        table = Table(title=f"{document} ({members[0]['language']})", title_justify="left", show_lines=False)
        table.add_column("#", justify="right", style="dim")
        table.add_column("sentence", ratio=1, overflow="fold")
        table.add_column("labels", no_wrap=True)
        for row in members:
            labels = Text("\n").join(
                Text(f"{label} {row['probabilities'][label]:.2f}", style=colours[label]) for label in row["labels"]
            )
            text = row["text"] + (" […cut]" if row["truncated"] else "")
            if ERROR in row:
                labels = Text("unreadable", style="bold")
            table.add_row(str(row["index"]), Text(text), labels if labels else Text("–", style="dim"))
        console.print(table)
