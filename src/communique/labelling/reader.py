"""From files to shards: what is read in order, cut at fixed borders, ready for a model.

A unit is a row of a table or a document. A shard is a run of units; where it ends depends on the input and on the size of
shards alone, so that a run can stop and go on, or be spread over machines, and give the same bytes.
"""

from __future__ import annotations

import json
import math
import queue
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from ..data.predictions_schema import ERROR, OUTPUT
from ..errors import DataError
from ..io.arrow import SURROGATE, as_text, concat, table_from_rows
from ..io.encoding import encoding_of, text_windows
from ..io.paths import File, Found
from ..io.read import open_table
from ..io.tables import CHUNK, Problem, Row
from ..text.blocks import text_blocks
from ..text.language import UNDETERMINED, identify_language
from ..text.markdown import markdown_blocks
from ..text.sentences import split_sentences
from ..text.windows import WINDOW, long_sentences
from .columns import Columns, InputNotes, Options, as_index

if TYPE_CHECKING:
    import pyarrow as pa

#: Name of the column that holds a row's own values as JSON, where the output is JSON Lines.
OWN_JSON = "_own"

#: Characters a unit counts for at most when shards are cut: a shard of long texts has fewer units.
UNIT_CHARACTERS = 400

_HTML = re.compile(r"</?(?:p|br|div|span|a|b|i|em|strong|li|ul|ol|td|tr|table|h[1-6])\b[^<>]*>", re.IGNORECASE)


@dataclass(slots=True)
class Unit:
    """A row of a table, a document, or a sentence of a long one: `form` is `row`, `text`, `markdown` or `sentence`."""

    id: str
    text: str
    document: str
    language: str | None
    form: str = "row"
    error: str | None = None
    index: int = 0


@dataclass
class Part:
    """Consecutive units of one file with their own columns; `position` is the bytes of all files read behind it."""

    units: list[Unit]
    own: list[Row] | pa.Table | None
    position: float


@dataclass
class Shard:
    """Consecutive parts, and what is told of the input read so far."""

    number: int
    parts: list[Part]

    @property
    def position(self) -> float:
        """Bytes of the input read up to its end."""
        return self.parts[-1].position if self.parts else 0.0


@dataclass
class Prepared:
    """A shard ready for the model: columns of its rows of output, `own` columns beside them, and its units' number."""

    number: int
    units: int
    columns: dict[str, list[Any]]
    own: pa.Table | None
    position: float = 0.0


class Reader:
    """Reads files into shards.

    Args:
        found: What `inputs.find` gave.
        options: How to read it.

    Raises:
        DataError: A table that the user named has no column of texts, or is as a whole not readable.
    """

    def __init__(self, found: Found, options: Options) -> None:
        self.options = options
        self.told = InputNotes(list(found.notes))
        self._lost = found.problems
        self.files = [self._looked_at(file) for file in found.files]
        sizes = [float(f.path.stat().st_size) if f.path.exists() else 0.0 for f in self.files]
        self._before = [sum(sizes[:i]) for i in range(len(sizes))]
        self._sizes = sizes
        self.bytes = max(1.0, sum(sizes))

    def _looked_at(self, file: File) -> File:
        """Open a table that the user named: hours of work must not end with a second file that never could be read."""
        if file.is_document or not file.given:
            return file
        if file.form in (".csv", ".tsv", ".jsonl") and file.path.is_file():
            file = replace(file, encoding=encoding_of(file.path))
        with open_table(file.path, form=file.form, encoding=file.encoding) as stream:
            Columns(stream, file, self.options, InputNotes())
        return file

    def shards(self) -> Iterator[Shard]:
        """Cut the input into shards."""
        number, size, parts, limit = 0, 0.0, list[Part](), self.options.shard_rows
        for part in self._parts():
            start = 0
            for i, unit in enumerate(part.units, 1):
                size += max(1.0, len(unit.text) / UNIT_CHARACTERS)
                if size >= limit:
                    parts.append(_slice(part, start, i))
                    yield Shard(number, parts)
                    number, size, parts, start = number + 1, 0.0, [], i
            if start < len(part.units):
                parts.append(_slice(part, start, len(part.units)))
        if parts:
            yield Shard(number, parts)

    def _parts(self) -> Iterator[Part]:
        for line in self._lost:
            yield self._failed(line, line.partition(": ")[0], 0.0)
        for i, file in enumerate(self.files):
            end = self._before[i] + self._sizes[i]
            try:
                if file.is_document:
                    yield from self._document(file, end)
                else:
                    yield from self._table(file, i)
            except DataError as error:
                for problem in error.problems:
                    yield self._failed(problem, file.name, end)

    def _failed(self, reason: str, name: str, position: float) -> Part:
        self.told.problem(reason)
        return Part([Unit(name, "", name, None, error=reason)], None, position)

    def _document(self, file: File, end: float) -> Iterator[Part]:
        if not file.path.is_file():
            raise DataError(f"{file.label}: no such file")
        form = "text" if file.form == ".txt" else "markdown"
        notes: list[str] = []
        windows = text_windows(file.path, WINDOW, notes)
        first, second = next(windows, ("", 1.0)), next(windows, None)
        if second is None:
            text = self._clean(first[0])
            if not text.strip():
                notes.append(f"{file.label}: no text in it")
            yield Part([Unit(file.name, text, file.name, self.options.language, form)], None, end)
        else:
            yield from self._long_document(file, form, chain([first, second], windows), end)
        for line in notes:
            self.told.note(line)

    def _long_document(self, file: File, form: str, windows: Iterator[tuple[str, float]], end: float) -> Iterator[Part]:
        """Give a document that is not read whole as units of a sentence each."""
        position, size = end, self._sizes[self.files.index(file)]
        told = InputNotes()

        def texts() -> Iterator[str]:
            nonlocal position
            for window, share in windows:
                position = end - size * (1 - share)
                yield _clean(window, told)

        sentences = long_sentences(texts(), form, self.options.language)
        units: list[Unit] = []
        for i, (language, sentence) in enumerate(sentences):
            units.append(Unit(f"{file.name}:{i}", sentence, file.name, language, "sentence", index=i))
            if len(units) == CHUNK:
                yield Part(units, None, position)
                units = []
        if units:
            yield Part(units, None, end)
        # A document counts once, as a short one does.
        for name, count in told.counts.items():
            self.told.counts[name] += min(1, count)

    def _table(self, file: File, i: int) -> Iterator[Part]:
        with open_table(file.path, form=file.form, encoding=file.encoding) as stream:
            columns = Columns(stream, file, self.options, self.told)
            for line in stream.notes:
                self.told.note(line)
            for chunk in stream.chunks:
                position = self._before[i] + self._sizes[i] * stream.position()
                if isinstance(chunk, Problem):
                    self.told.problem(chunk.reason)
                    name = f"{file.name}:{chunk.number}"
                    unit = Unit(name, self._clean(chunk.content), name, None, error=chunk.reason)
                    yield Part([unit], None, position)
                    continue
                yield Part(
                    [self._row(file, columns, *pair) for pair in zip(chunk.numbers, columns.rows(chunk), strict=True)],
                    columns.own(chunk),
                    position,
                )

    def _row(self, file: File, columns: Columns, number: int, row: Row) -> Unit:
        names = columns.names
        given = {name: as_text(row.get(column)) for name, column in names.items() if column}
        identity = self._clean(given.get("id") or "") or f"{file.name}:{number}"
        document = self._clean(given.get("document") or "") or identity
        language = self.options.language or given.get("language")
        value = row.get(columns.text)
        text = as_text(value)
        if text is None and value is not None and not (isinstance(value, float) and math.isnan(value)):
            reason = f"{file.label}, row {number}: column {columns.text!r} holds a {type(value).__name__}; give text"
            self.told.problem(reason)
            return Unit(identity, "", document, language, error=reason)
        place = as_index(row.get(column)) if (column := names.get("index")) else None
        return Unit(identity, self._clean(text or ""), document, language, index=place or 0)

    def _clean(self, text: str) -> str:
        return _clean(text, self.told)


def _clean(text: str, told: InputNotes) -> str:
    if SURROGATE.search(text):
        told.counts["surrogates"] += 1
        text = SURROGATE.sub("\ufffd", text)
    if "<" in text and _HTML.search(text):
        told.counts["html"] += 1
    return text


def _slice(part: Part, start: int, end: int) -> Part:
    if (start, end) == (0, len(part.units)):
        return part
    own = part.own
    if own is not None:
        own = own[start:end] if isinstance(own, list) else own.slice(start, end - start)
    return Part(part.units[start:end], own, part.position)


def prepare(shard: Shard, options: Options) -> Prepared:
    """Split a shard's units into rows of output and identify their languages."""
    columns: dict[str, list[Any]] = {name: [] for name in (*OUTPUT[:5], ERROR)}
    tables = []
    for part in shard.parts:
        indices = [i for i, unit in enumerate(part.units) for _ in range(_add_rows(columns, unit, options))]
        tables.append(_own(part.own, indices, as_json=options.as_json))
    # A long document is one unit, however many sentences of it come one by one.
    units = sum(unit.form != "sentence" or unit.index == 0 for part in shard.parts for unit in part.units)
    return Prepared(shard.number, units, columns, concat(tables), shard.position)


def _add_rows(columns: dict[str, list[Any]], unit: Unit, options: Options) -> int:
    """Append a unit's rows of output and count them."""
    if unit.form == "sentence":
        return _add(columns, unit, [unit.text], [unit.id], str(unit.language))
    blocks = [unit.text]
    if unit.form == "markdown":
        blocks = markdown_blocks(unit.text)
    elif unit.form == "text" or options.split:
        blocks = text_blocks(unit.text)
    language = unit.language or ("" if unit.error else identify_language("\n".join(blocks)))
    language = language or UNDETERMINED
    if unit.error is None and (unit.form != "row" or options.split):
        sentences = [s for block in blocks for s in split_sentences(block, language)]
        ids = [f"{unit.id}:{i}" for i in range(len(sentences))]
    else:
        sentences, ids = [unit.text.strip()], [unit.id]
    if not sentences and unit.form == "row":
        sentences, ids = [""], [unit.id]
    return _add(columns, unit, sentences, ids, language)


def _add(columns: dict[str, list[Any]], unit: Unit, sentences: list[str], ids: list[str], language: str) -> int:
    columns["id"] += ids
    columns["document"] += [unit.document] * len(ids)
    columns["index"] += range(unit.index, unit.index + len(ids))
    columns["language"] += [language] * len(ids)
    columns["text"] += sentences
    columns[ERROR] += [unit.error] * len(ids)
    return len(ids)


def _own(own: list[Row] | pa.Table | None, indices: Sequence[int], *, as_json: bool) -> pa.Table | int:
    """Repeat own columns for each row of output; the number of rows where there are none."""
    if own is None:
        return len(indices)
    if isinstance(own, list):
        rows = own
    elif not as_json:
        return own.take(list(indices)) if own.num_columns else len(indices)
    else:
        rows = own.to_pylist() if own.num_columns else [{}] * own.num_rows
    if not as_json:
        return table_from_rows([rows[i] for i in indices])
    return table_from_rows([{OWN_JSON: json_text(rows[i])} for i in indices])


def json_text(value: Any) -> str:
    """Write JSON as people read it; what UTF-8 or JSON cannot hold is escaped or null."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=_plain, allow_nan=False)
    except ValueError:
        text = json.dumps(_without_nan(value), ensure_ascii=False, default=_plain, allow_nan=False)
    return json.dumps(json.loads(text)) if SURROGATE.search(text) else text


def _plain(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _without_nan(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {k: _without_nan(v) for k, v in value.items()}
    return [_without_nan(v) for v in value] if isinstance(value, (list, tuple)) else value


def ahead(reader: Reader, skip: Callable[[int], bool], *, depth: int = 2) -> Iterator[Prepared | Shard]:
    """Read and prepare shards in a thread of its own while the network computes.

    Args:
        reader: The reader.
        skip: Whether a shard of this number is done already; it is passed on unprepared.
        depth: Shards that may wait.
    """
    waiting: queue.Queue[Prepared | Shard | BaseException | None] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: Prepared | Shard | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def read() -> None:
        try:
            for shard in reader.shards():
                if not put(shard if skip(shard.number) else prepare(shard, reader.options)):
                    return
            put(None)
        except BaseException as error:  # raised again where the shards are used
            put(error)

    thread = threading.Thread(target=read, name="communique-reader", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        thread.join(timeout=5)
