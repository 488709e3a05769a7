"""Count and print labelled output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, ClassVar

import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..data.predictions_schema import ERROR, NO_LETTERS, OUT_OF_DOMAIN, PAGE_LINE, UNSURE
from ..io.tables import Row
from ..reporting.format import counted, one_line, printable
from ..text.language import UNDETERMINED
from .label import SCORE_DIGITS, LabelledShard
from .units import count_fragments, count_lengthy, fragments_line

#: Largest number of distinct documents that is counted exactly. Without a limit, their set would grow with the input.
COUNTED_DOCUMENTS = 200_000

#: Number of documents that are listed with their number of rows, for the document filter of an HTML page.
LISTED_DOCUMENTS = 300

#: Colours of labels on a terminal, by their position in the codebook.
_COLOURS = ("red", "blue", "green", "magenta", "cyan", "yellow")


@dataclass
class Summary:
    """Counts of labelled shards.

    Attributes:
        rows: Number of output rows.
        records: Number of rows and documents of the input.
        labels: Number of sentences per label, and of those that are `unsure`.
        lengthy: Number of sentences with more characters than a sentence usually has.
        short, long, far: Number of sentences that are unusual for the model (see `ShardCounts`).
        listed: Number of rows per document, for the first `LISTED_DOCUMENTS` documents and one more, in order of appearance.
    """

    #: Warning that accompanies all counts of labels.
    caution: ClassVar[str] = (
        "These counts include the model's errors; they do not estimate label proportions. To estimate proportions, code a "
        "sample by hand and run `communique estimate`."
    )

    names: Sequence[str]
    rows: int = 0
    records: int = 0
    labelled: int = 0
    repeated: int = 0
    truncated: int = 0
    unreadable: int = 0
    letterless: int = 0
    page_lines: int = 0
    rejoined: int = 0
    failed: int = 0
    lower: int = 0
    open_ended: int = 0
    lengthy: int = 0
    short: int = 0
    long: int = 0
    far: int = 0
    none: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    documents: set[int] = field(default_factory=set)
    listed: dict[str, int] = field(default_factory=dict)

    def add(self, shard: LabelledShard) -> None:
        """Count a labelled shard."""
        table, counts = shard.table, shard.counts
        self.rows += counts.rows
        self.records += counts.records
        self.labelled += counts.labelled
        self.repeated += counts.repeated
        self.truncated += pc.sum(table["truncated"]).as_py() or 0
        self.unreadable += counts.unreadable
        self.letterless += counts.letterless
        self.page_lines += counts.page_lines
        self.rejoined += counts.rejoined
        self.failed += counts.failed
        lower, open_ended = count_fragments(shard)
        self.lower += lower
        self.open_ended += open_ended
        self.lengthy += count_lengthy(shard)
        self.short += counts.short
        self.long += counts.long
        self.far += counts.far
        # Empty and unreadable rows have no labels either, but do not count as sentences without a label.
        without = pc.sum(pc.equal(pc.list_value_length(table["labels"]), 0)).as_py() or 0
        self.none += without - (len(table) - counts.labelled)
        _count(self.labels, pc.list_flatten(table["labels"]))
        _count(self.languages, table["language"].filter(pc.is_null(table[ERROR])))
        if len(self.documents) <= COUNTED_DOCUMENTS:
            self.documents.update(map(hash, table["document"].unique().to_pylist()))
        if len(self.listed) <= LISTED_DOCUMENTS:
            for entry in pc.value_counts(table["document"]).to_pylist():
                name = entry["values"]
                if name in self.listed or len(self.listed) <= LISTED_DOCUMENTS:
                    self.listed[name] = self.listed.get(name, 0) + entry["counts"]

    @property
    def unsure(self) -> int:
        """Number of sentences about which the model is not sure enough."""
        return 0 if UNSURE in self.names else self.labels[UNSURE]

    @property
    def sentences(self) -> int:
        """Number of rows that are sentences, including empty ones."""
        return self.rows - self.unreadable - self.letterless - self.page_lines

    @property
    def empty(self) -> int:
        """Number of sentences that contain nothing to read."""
        return self.sentences - self.labelled - self.failed

    def lines(self) -> list[str]:
        """Return lines that report the counts, and warn that they do not estimate proportions."""
        many = len(self.documents) > COUNTED_DOCUMENTS
        documents = f"more than {COUNTED_DOCUMENTS} documents" if many else counted(len(self.documents), "document")
        parts = [
            f"{counted(self.sentences, 'sentence')} in {documents}",
            ", ".join(f"{name} {self.labels[name]}" for name in self.names)
            + (f", none {self.none}" if self.none else "")
            + (f", unsure {self.unsure} ({self.unsure / self.labelled:.1%} of sentences)" if self.unsure else ""),
            "languages: "
            + (", ".join(f"{language} {count}" for language, count in self.languages.most_common()) or "–"),
            f"truncated {self.truncated}",
        ]
        if self.empty:
            parts.append(f"empty {self.empty}")
        if self.letterless:
            parts.append(f"without letters {self.letterless} (such as numbers and dates; not labelled)")
        if self.page_lines:
            parts.append(f"page headers, footers and numbers {self.page_lines} (not labelled)")
        if self.rejoined:
            parts.append(
                f'with a divided word {self.rejoined} (such as "Gover- nment"; the model reads the joined word)'
            )
        if self.languages[UNDETERMINED]:
            parts.append(
                f"language unknown {self.languages[UNDETERMINED]} (to name it, use --language or a column 'language')"
            )
        if self.unreadable:
            parts.append(f"unreadable {self.unreadable}")
        if self.failed:
            parts.append(f"without a usable answer {self.failed} (see the column {ERROR!r}; not labelled)")
        if self.repeated:
            proportion = self.repeated / self.labelled
            parts.append(f"repeated {self.repeated} ({proportion:.1%} of sentences, computed once per shard)")
        warning = fragments_line(self.labelled, self.lower, self.open_ended, self.letterless)
        return [
            *([warning] if warning else []),
            f"Read {counted(self.records, 'row or document', 'rows or documents')}: " + "; ".join(parts),
            self.caution,
        ]


def _count(counter: Counter[Any], values: Any) -> None:
    for entry in pc.value_counts(values).to_pylist():
        counter[entry["values"]] += entry["counts"]


def _probability(row: Row, label: str) -> str:
    """Return the probability of a label, with a space in front of it, or nothing if there is none."""
    value = row["probabilities"].get(label)
    return "" if value is None else f" {value:.2f}"


def print_table(console: Console, output: Sequence[Row], names: Sequence[str], *, scored: bool = False) -> None:
    """Print labelled rows as one table per document, with labels in colour.

    Neighbouring documents of one row each share a table: a table with one sentence per row and no documents would otherwise
    become as many tables as it has rows.

    Args:
        console: Where to print.
        output: The rows.
        names: The labels of the codebook.
        scored: Whether the rows have out-of-domain scores, which are then printed.
    """
    colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(names)}
    by_document: dict[str, list[Row]] = {}
    for row in output:
        by_document.setdefault(row["document"], []).append(row)
    for single, group in groupby(by_document.items(), key=lambda item: len(item[1]) == 1):
        documents = list(group)
        if single and len(documents) > 1:
            rows = [row for _, members in documents for row in members]
            _print_rows(console, rows, colours, shared=True, scored=scored)
        else:
            for document, members in documents:
                title = Text(one_line(f"{document} ({members[0]['language']})"))
                _print_rows(console, members, colours, title, scored=scored)


def _print_rows(
    console: Console,
    rows: Sequence[Row],
    colours: Mapping[str, str],
    title: Text | None = None,
    *,
    shared: bool = False,
    scored: bool = False,
) -> None:
    """Print rows as a table. If documents share it, each row has its document and language instead of its number."""
    table = Table(title=title, title_justify="left", show_lines=False)
    if shared:
        table.add_column("document", style="dim", overflow="fold", max_width=24)
        table.add_column("language", style="dim")
    else:
        table.add_column("#", justify="right", style="dim")
    table.add_column("sentence", ratio=1, overflow="fold")
    table.add_column("labels", no_wrap=True)
    if scored:
        table.add_column("out of domain", justify="right", style="dim")
    for row in rows:
        labels = Text("\n").join(
            Text(f"{one_line(label)}{_probability(row, label)}", style=colours.get(label, "dim"))
            for label in row["labels"]
        )
        text = row["text"] + (" […cut]" if row["truncated"] else "")
        if ERROR in row:
            labels = Text(row[ERROR] if row[ERROR] in (NO_LETTERS, PAGE_LINE) else "unreadable", style="bold")
        place = [Text(one_line(str(row[name]))) for name in (("document", "language") if shared else ("index",))]
        scores = []
        if scored:
            score = row[OUT_OF_DOMAIN]
            scores.append(Text("–" if score is None else f"{score:.{SCORE_DIGITS}f}"))
        table.add_row(*place, Text(printable(text)), labels if labels else Text("–", style="dim"), *scores)
    console.print(table)
