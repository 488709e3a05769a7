"""Write labelled shards as one HTML page. It shows the texts in reading order, has filters, and loads nothing from outside."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, islice
from pathlib import Path
from typing import IO, NamedTuple

from markupsafe import Markup

from ..data.codebook import Codebook
from ..data.predictions_schema import ERROR, NO_LETTERS, PAGE_LINE, UNSURE
from ..io.output import GENERATOR
from ..io.tables import Row
from ..models.info import ModelInfo
from ..reporting.label_style import LabelStyle, label_styles
from ..reporting.palette import classes, variables
from ..reporting.render import render_stream, source
from ..text.language import UNDETERMINED
from ..text.scripts import IS_CJK, direction
from .label import LabelledShard, is_blank
from .summary import LISTED_DOCUMENTS, Summary

#: The template in the package, and the style sheet and the script that are embedded in it.
TEMPLATE, STYLE, SCRIPT = "labelled.html", "labelled.css", "labelled.js"

#: Number of rows above which a page loads and filters slowly.
HEAVY = 20_000

#: Number of rows above which the browser draws only the blocks in view. It estimates the heights of the other blocks.
LONG = 500

#: Largest number of rows in a block.
BLOCK = 40

#: Last line of a page. It contains a hash of everything that the page depends on, and a hash of the page before this line.
_TRAILER = "<!-- communique run {} page {} -->\n"
_TRAILER_PATTERN = re.compile(rb"<!-- communique run ([0-9a-f]*) page ([0-9a-f]{64}) -->\n")


class ShownLabel(NamedTuple):
    """A label as the template shows it.

    Attributes:
        name: The label.
        style: How it looks.
        threshold: Threshold of the label, or None if each sentence gets its most probable label.
        definition: Definition of the label in the codebook.
        n: Number of sentences with the label.
    """

    name: str
    style: LabelStyle
    threshold: str | None
    definition: str
    n: int


class Mark(NamedTuple):
    """A label of a sentence, and its position among the labels of the sentence. The first three labels are underlined."""

    name: str
    style: LabelStyle
    probability: str
    depth: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence as the template shows it.

    Attributes:
        space: White space between the previous sentence and this one.
        marks: The labels of the sentence.
        group: Value for the label filter: the positions of its labels, `-` if it has no label, `?` if the model is not sure
            enough, or `x` if it was not labelled.
        probabilities: One probability per label of the model, as text.
        tint: Palette index of the most probable label of the sentence.
        note: Reason why the sentence has no labels although a label may apply, or None.
        alarm: Whether the reason is a fault of the input.
        direction: Text direction, if it differs from the direction of the block.
        language: Language, if it differs from the language of the document.
    """

    id: str
    text: str
    space: str
    marks: Sequence[Mark]
    group: str
    probabilities: str
    tint: int
    note: str | None
    alarm: bool
    direction: str | None
    language: str | None


class Block(NamedTuple):
    """A paragraph or part of a paragraph, or a part of a text whose paragraphs are not known."""

    direction: str
    begins: bool
    sentences: list[Sentence]


class Document(NamedTuple):
    """A document. If it has only one sentence, it is shown without a heading."""

    name: str
    language: str
    single: bool
    blocks: Iterator[Block]


def write_page(
    handle: IO[bytes],
    info: ModelInfo,
    codebook: Codebook,
    shards: Iterable[LabelledShard],
    summary: Summary,
    *,
    run: str,
) -> None:
    """Write labelled shards as a page.

    Args:
        handle: An open binary file.
        info: The model's description.
        codebook: The model's codebook.
        shards: The shards, in order. Only one is in memory at a time.
        summary: Counts of all shards.
        run: Hash of everything that the page depends on, see `is_page_of`.
    """
    labels = _shown_labels(info, codebook, summary)
    style, script = _filled_style(), source(SCRIPT)
    pieces = render_stream(
        TEMPLATE,
        generator=GENERATOR,
        info=info,
        labels=labels,
        summary=summary,
        documents=_documents(shards, {label.name: label.style for label in labels}, info.labels),
        names=summary.listed if 1 < len(summary.listed) <= LISTED_DOCUMENTS else None,
        title=next(iter(summary.listed)) if len(summary.listed) == 1 else "Labelled texts",
        unlabelled=summary.rows - summary.labelled,
        languages=summary.languages.most_common(),
        long=summary.rows > LONG,
        heavy=summary.rows > HEAVY,
        style=Markup(style),
        script=Markup(script),
        style_hash=_csp_hash(style),
        script_hash=_csp_hash(script),
    )
    digest = hashlib.sha256()
    for piece in pieces:
        content = piece.encode()
        digest.update(content)
        handle.write(content)
    handle.write(_TRAILER.format(run, digest.hexdigest()).encode())


def size_warning(name: str, rows: int) -> str | None:
    """Return a warning if a page with this number of rows would load slowly, or None."""
    if rows <= HEAVY:
        return None
    return (
        f"{name}: the page contains {rows:,} sentences, so it will load and filter slowly. For this many sentences, write .xlsx, "
        ".csv or .parquet"
    )


def is_page_of(path: Path, run: str) -> bool:
    """Check whether a file is the complete, unchanged page that a run would write."""
    longest = len(_TRAILER.format("0" * 64, "0" * 64))
    with path.open("rb") as handle:
        end = handle.seek(0, 2)
        handle.seek(max(0, end - longest))
        found = _TRAILER_PATTERN.fullmatch(handle.read())
        if found is None or found[1].decode() != run:
            return False
        handle.seek(0)
        digest, left = hashlib.sha256(), end - longest
        while left and (content := handle.read(min(left, 1 << 20))):
            digest.update(content)
            left -= len(content)
        return digest.hexdigest() == found[2].decode()


def _shown_labels(info: ModelInfo, codebook: Codebook, summary: Summary) -> list[ShownLabel]:
    """Return the labels in the order of the codebook."""
    thresholds = [f"{value:.2f}" for value in info.thresholds] if info.thresholds else [None] * len(info.labels)
    return [
        ShownLabel(label.name, style, threshold, label.definition, summary.labels[label.name])
        for label, style, threshold in zip(codebook.labels, label_styles(codebook.names), thresholds, strict=True)
    ]


def _filled_style() -> str:
    """Return the style sheet with the colours of the palette filled in."""
    return (
        source(STYLE)
        .replace("/* palette: light */", variables())
        .replace("/* palette: dark */", variables(dark=True))
        .replace("/* palette: classes */", classes())
    )


def _csp_hash(content: str) -> str:
    """Return the source expression that allows exactly this style or script in a Content-Security-Policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _documents(
    shards: Iterable[LabelledShard], styles: dict[str, LabelStyle], names: Sequence[str]
) -> Iterator[Document]:
    """Yield documents in the order of the rows. Blocks are read from the shards only when the template needs them."""
    positions = {name: i for i, name in enumerate(names)}
    for name, rows in groupby(_rows(shards), lambda pair: pair[1]["document"]):
        first = list(islice(rows, 2))
        language = first[0][1]["language"] or UNDETERMINED
        blocks = (_block(begins, block, language, styles, positions) for begins, block in _blocks(chain(first, rows)))
        yield Document(name, language, len(first) == 1, blocks)


def _rows(shards: Iterable[LabelledShard]) -> Iterator[tuple[bool, Row]]:
    """Yield each row, together with whether it is known to start a paragraph."""
    for shard in shards:
        begins = set(shard.paragraphs)
        for i, row in enumerate(shard.iter_rows()):
            yield i in begins, row


def _blocks(rows: Iterable[tuple[bool, Row]]) -> Iterator[tuple[bool, list[Row]]]:
    """Split the rows of a document into paragraphs, and paragraphs into blocks of one direction and at most `BLOCK` rows."""
    block: list[Row] = []
    begins, before = True, None
    for starts, row in rows:
        own = direction(row["text"])
        turns = own is not None and before is not None and own != before
        if block and (starts or turns or len(block) == BLOCK):
            yield begins, block
            block, begins = [], starts
        block.append(row)
        before = own or before
    if block:
        yield begins, block


def _block(
    begins: bool, rows: Sequence[Row], language: str, styles: dict[str, LabelStyle], positions: dict[str, int]
) -> Block:
    whole = direction("\n".join(row["text"] for row in rows)) or "auto"
    sentences: list[Sentence] = []
    before = ""
    for row in rows:
        sentences.append(_sentence(row, before, whole, language, styles, positions))
        before = row["text"]
    return Block(whole, begins, sentences)


def _sentence(
    row: Row,
    before: str,
    block_direction: str,
    document_language: str,
    styles: dict[str, LabelStyle],
    positions: dict[str, int],
) -> Sentence:
    text, error = row["text"], row.get(ERROR)
    own, language = direction(text), row["language"] or UNDETERMINED
    probabilities = row["probabilities"] or {}
    unsure = row["labels"] == [UNSURE] and UNSURE not in styles
    labels = [] if unsure else row["labels"] or []
    unlabelled = error is not None or is_blank(text)
    group = "x" if unlabelled else "?" if unsure else " ".join(str(positions[name]) for name in labels) or "-"
    tint = max(labels, key=lambda name: probabilities[name], default=None)
    # Chinese and Japanese have no spaces between sentences.
    joined = not before or (IS_CJK.match(before[-1]) and IS_CJK.match(text[:1] or " "))
    note = error if error is not None else "empty" if unlabelled else UNSURE if unsure else None
    return Sentence(
        id=row["id"],
        text=text,
        space="" if joined else " ",
        marks=[Mark(name, styles[name], f"{probabilities[name]:.2f}", i) for i, name in enumerate(labels)],
        group=group,
        probabilities=" ".join(f"{p:.3f}" for p in probabilities.values() if p is not None),
        tint=styles[tint].colour if tint is not None else 0,
        note=note,
        alarm=error not in (None, NO_LETTERS, PAGE_LINE),
        direction=own if own != block_direction else None,
        language=language if language != document_language else None,
    )
