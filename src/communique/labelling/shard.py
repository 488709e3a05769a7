"""Records of the input, and shards of records that are labelled together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..data.predictions_schema import ERROR, OUTPUT, PAGE_LINE
from ..io.arrow import concat, table_from_rows
from ..io.tables import Row
from ..reporting.format import without_nan
from ..text.blocks import PageLine, text_blocks
from ..text.cleaning import SURROGATE
from ..text.language import UNDETERMINED, identify_language
from ..text.markdown import markdown_blocks
from ..text.sentences import split_sentences
from .options import Options

if TYPE_CHECKING:
    import pyarrow as pa

#: Name of the only column in the table of extra columns if they are kept as JSON. It never occurs next to columns of the input.
_JSON = "json"

#: Key in `Shard.rows` that shows whether a sentence is known to start a paragraph. It is not an output column.
PARAGRAPH = "paragraph"


@dataclass(slots=True)
class Record:
    """A row of a table, a document, or a sentence of a document that is too long to be read at once.

    Attributes:
        kind: What `text` contains.
        error: Reason why the record cannot be read, or None.
        index: Position of a row or sentence in its document. None means that it follows the previous row of the document.
    """

    id: str
    text: str
    document: str
    language: str | None
    kind: Literal["row", "text", "markdown", "sentence"] = "row"
    error: str | None = None
    index: int | None = 0


class ExtraColumns(NamedTuple):
    """The extra columns of `n` consecutive records of one file. `rows` is None if the file has no extra columns."""

    n: int
    rows: list[Row] | pa.Table | None


@dataclass
class Shard:
    """Consecutive records of the input that are labelled together.

    Attributes:
        number: Position among the shards of the input, from 0.
        records: The records.
        extra: The extra columns of the records, in the same order.
        options: How the texts are split, and how the extra columns are kept.
        position: Number of input bytes read up to the end of the shard.
    """

    number: int
    records: list[Record]
    extra: list[ExtraColumns]
    options: Options = field(default_factory=Options)
    position: float = 0.0

    @property
    def n_records(self) -> int:
        """Number of rows and documents. A long document counts once, no matter how many sentences it has."""
        return sum(record.kind != "sentence" or record.index == 0 for record in self.records)

    def prepare(self) -> None:
        """Compute `rows` now, so that they are ready when they are needed."""
        _ = self.rows

    @cached_property
    def rows(self) -> tuple[dict[str, list[Any]], pa.Table | None]:
        """Columns of the output rows without labels, and the table of extra columns.

        Texts are split into sentences, and languages are identified. The list under `PARAGRAPH` is true for sentences that are
        known to start a paragraph.
        """
        columns: dict[str, list[Any]] = {name: [] for name in (*OUTPUT[:5], ERROR, PARAGRAPH)}
        repeats = [_add_rows(columns, record, self.options) for record in self.records]
        tables, start = [], 0
        for n, extra in self.extra:
            indices = [i for i in range(n) for _ in range(repeats[start + i])]
            tables.append(_repeat(extra, indices, as_json=self.options.as_json))
            start += n
        return columns, concat(tables)


def _add_rows(columns: dict[str, list[Any]], record: Record, options: Options) -> int:
    """Append the output rows of a record and return their number."""
    if record.kind == "sentence":
        return _add(columns, record, [record.text], [record.id], str(record.language), [False])
    blocks = [record.text]
    if record.kind == "markdown":
        blocks = markdown_blocks(record.text)
    elif record.kind == "text" or options.split:
        blocks = text_blocks(record.text)
    language = record.language or ("" if record.error else identify_language("\n".join(blocks))) or UNDETERMINED
    if record.error is None and (record.kind != "row" or options.split):
        paragraphs = [[block] if isinstance(block, PageLine) else split_sentences(block, language) for block in blocks]
        sentences = [sentence for paragraph in paragraphs for sentence in paragraph]
        begins = [i == 0 for paragraph in paragraphs for i in range(len(paragraph))]
        ids = [f"{record.id}:{i}" for i in range(len(sentences))]
    else:
        sentences, ids, begins = [record.text.strip()], [record.id], [False]
    if not sentences and record.kind == "row":
        sentences, ids, begins = [""], [record.id], [False]
    return _add(columns, record, sentences, ids, language, begins)


def _add(
    columns: dict[str, list[Any]],
    record: Record,
    sentences: list[str],
    ids: list[str],
    language: str,
    begins: list[bool],
) -> int:
    n = len(ids)
    columns["id"] += ids
    columns["document"] += [record.document] * n
    columns["index"] += [None] * n if record.index is None else range(record.index, record.index + n)
    columns["language"] += [language] * n
    columns["text"] += sentences
    columns[ERROR] += [PAGE_LINE if isinstance(sentence, PageLine) else record.error for sentence in sentences]
    columns[PARAGRAPH] += begins
    return n


def _repeat(extra: list[Row] | pa.Table | None, indices: Sequence[int], *, as_json: bool) -> pa.Table | int:
    """Repeat the extra columns for each output row. If there are none, return the number of output rows."""
    if extra is None:
        return len(indices)
    if isinstance(extra, list):
        rows = extra
    elif not as_json:
        return extra.take(list(indices)) if extra.num_columns else len(indices)
    else:
        rows = extra.to_pylist() if extra.num_columns else [{}] * extra.num_rows
    if not as_json:
        return table_from_rows([rows[i] for i in indices])
    return table_from_rows([{_JSON: json_text(rows[i])} for i in indices])


def json_text(value: Any) -> str:
    """Return a value as JSON with unescaped characters. Lone surrogates are escaped, and NaN and infinity become null."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=_plain, allow_nan=False)
    except ValueError:
        text = json.dumps(without_nan(value), ensure_ascii=False, default=_plain, allow_nan=False)
    return json.dumps(json.loads(text)) if SURROGATE.search(text) else text


def _plain(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
