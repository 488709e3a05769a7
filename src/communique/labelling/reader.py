"""Read files into shards: records in order, cut at borders that depend only on the input and the shard size.

A run can therefore stop and resume, or be spread over machines, and produce the same bytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from ..data.predictions_schema import ERROR, OUTPUT
from ..data.reader import COLUMNS, find_column
from ..errors import DataError
from ..io.arrow import SURROGATE, as_text
from ..io.encoding import text_windows
from ..io.paths import FoundFiles, InputFile
from ..io.read import open_table
from ..io.tables import CHUNK, Chunk, Problem, Row, TableStream
from ..text.windows import WINDOW, long_sentences
from .options import EXTRA_JSON, InputNotes, Options
from .shard import ExtraColumns, Record, Shard

if TYPE_CHECKING:
    import pyarrow as pa

#: Characters that a record counts for at most when shards are cut: a shard of long texts has fewer records.
RECORD_CHARACTERS = 400

_HTML = re.compile(r"</?(?:p|br|div|span|a|b|i|em|strong|li|ul|ol|td|tr|table|h[1-6])\b[^<>]*>", re.IGNORECASE)


class ShardReader:
    """Reads files into shards.

    Args:
        found: The files, as `find_files` returned them.
        options: How they are read.

    Raises:
        DataError: A table that the user named has no column of texts, or cannot be read at all.
    """

    def __init__(self, found: FoundFiles, options: Options) -> None:
        self.files, self.options = found.files, options
        self.notes = InputNotes(list(found.notes))
        self._problems = found.problems
        sizes = [float(f.path.stat().st_size) if f.path.exists() else 0.0 for f in self.files]
        #: Bytes of all files up to the end of each.
        self._ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
        self._sizes = sizes
        self.bytes = max(1.0, sum(sizes))
        # Every named table is opened now, so that an unusable one fails here rather than after hours of work.
        for file in self.files:
            if file.named and not file.is_document:
                with open_table(file.path, file_format=file.file_format, encoding=file.encoding) as stream:
                    Columns(stream, file, options, InputNotes())

    def shards(self) -> Iterator[Shard]:
        """Cut the input into shards. There is at least one, which is empty if the input has no records."""
        shard, size = Shard(0, [], [], self.options), 0.0
        for records, extra, position in self._pieces():
            start = 0
            for i, record in enumerate(records, 1):
                size += max(1.0, len(record.text) / RECORD_CHARACTERS)
                if size >= self.options.shard_rows:
                    _append(shard, records, extra, start, i, position)
                    yield shard
                    shard, size, start = Shard(shard.number + 1, [], [], self.options), 0.0, i
            _append(shard, records, extra, start, len(records), position)
        if shard.records or shard.number == 0:
            yield shard
        else:
            shard.number -= 1
        self.notes.counts["shards"] = shard.number + 1

    def _pieces(self) -> Iterator[tuple[list[Record], list[Row] | pa.Table | None, float]]:
        """Yield consecutive records of one file with their extra columns, and the bytes read up to their end."""
        for line in self._problems:
            yield self._failed(line, line.partition(": ")[0]), None, 0.0
        for i, file in enumerate(self.files):
            try:
                yield from (self._document if file.is_document else self._table)(file, i)
            except DataError as error:
                for problem in error.problems:
                    yield self._failed(problem, file.name), None, self._ends[i]

    def _failed(self, reason: str, name: str) -> list[Record]:
        self.notes.problem(reason)
        return [Record(name, "", name, None, error=reason)]

    def _document(self, file: InputFile, i: int) -> Iterator[tuple[list[Record], None, float]]:
        if not file.path.is_file():
            raise DataError(f"{file.display_name}: no such file")
        kind: Literal["text", "markdown"] = "text" if file.file_format == ".txt" else "markdown"
        notes: list[str] = []
        windows = text_windows(file.path, WINDOW, notes, file.encoding)
        first, second = next(windows, ("", 1.0)), next(windows, None)
        if second is None:
            text = _clean(first[0], self.notes)
            if not text.strip():
                notes.append(f"{file.display_name}: it holds no text")
            yield [Record(file.name, text, file.name, self.options.language, kind)], None, self._ends[i]
        else:
            yield from self._long_document(file, i, kind, chain([first, second], windows))
        for line in notes:
            self.notes.note(line)

    def _long_document(
        self, file: InputFile, i: int, kind: Literal["text", "markdown"], windows: Iterator[tuple[str, float]]
    ) -> Iterator[tuple[list[Record], None, float]]:
        """Yield the sentences of a document that is too long to be read whole, as a record each."""
        end, size = self._ends[i], self._sizes[i]
        position = end
        notes = InputNotes()

        def texts() -> Iterator[str]:
            nonlocal position
            for window, done in windows:
                position = end - size * (1 - done)
                yield _clean(window, notes)

        records: list[Record] = []
        for index, (language, sentence) in enumerate(long_sentences(texts(), kind, self.options.language)):
            records.append(Record(f"{file.name}:{index}", sentence, file.name, language, "sentence", index=index))
            if len(records) == CHUNK:
                yield records, None, position
                records = []
        if records:
            yield records, None, end
        # A long document counts once, as a short one does.
        for name, count in notes.counts.items():
            self.notes.counts[name] += min(1, count)

    def _table(self, file: InputFile, i: int) -> Iterator[tuple[list[Record], list[Row] | pa.Table | None, float]]:
        with open_table(file.path, file_format=file.file_format, encoding=file.encoding) as stream:
            columns = Columns(stream, file, self.options, self.notes)
            for line in stream.notes:
                self.notes.note(line)
            for chunk in stream.chunks:
                position = self._ends[i] - self._sizes[i] * (1 - stream.position())
                if isinstance(chunk, Problem):
                    self.notes.problem(chunk.reason)
                    name = f"{file.name}:{chunk.number}"
                    text = _clean(chunk.content, self.notes)
                    yield [Record(name, text, name, None, error=chunk.reason)], None, position
                    continue
                rows = zip(chunk.numbers, columns.rows(chunk), strict=True)
                yield [self._record(columns, number, row) for number, row in rows], columns.extra(chunk), position

    def _record(self, columns: Columns, number: int, row: Row) -> Record:
        file, names, notes = columns.file, columns.names, self.notes
        given = {name: as_text(row.get(column)) for name, column in names.items() if column}
        identity = _clean(given.get("id") or "", notes) or f"{file.name}:{number}"
        document = _clean(given.get("document") or "", notes) or identity
        language = self.options.language or given.get("language")
        value = row.get(columns.text)
        text = as_text(value)
        if text is None and value is not None and not (isinstance(value, float) and math.isnan(value)):
            reason = (
                f"{file.display_name}, row {number}: column {columns.text!r} holds a {type(value).__name__}; give text"
            )
            notes.problem(reason)
            return Record(identity, "", document, language, error=reason)
        index = as_index(row.get(column)) if (column := names.get("index")) else None
        return Record(identity, _clean(text or "", notes), document, language, index=index or 0)


def _append(
    shard: Shard, records: list[Record], extra: list[Row] | pa.Table | None, start: int, end: int, position: float
) -> None:
    """Append records `start` to `end` with their extra columns to a shard."""
    if start == end:
        return
    shard.records += records[start:end]
    if extra is not None and (start, end) != (0, len(records)):
        extra = extra[start:end] if isinstance(extra, list) else extra.slice(start, end - start)
    shard.extra.append(ExtraColumns(end - start, extra))
    shard.position = position


def _clean(text: str, notes: InputNotes) -> str:
    """Replace lone surrogates, and count texts that hold them or HTML tags."""
    if SURROGATE.search(text):
        notes.counts["surrogates"] += 1
        text = SURROGATE.sub("\ufffd", text)
    if "<" in text and _HTML.search(text):
        notes.counts["html"] += 1
    return text


class Columns:
    """The columns of an open table.

    Args:
        stream: The table.
        file: Its file, for messages.
        options: How it is read.
        notes: Receives a note for every extra column that the output has to rename.

    Raises:
        DataError: The table has no column of texts, or no readable row.
    """

    def __init__(self, stream: TableStream, file: InputFile, options: Options, notes: InputNotes) -> None:
        self.file, self._notes = file, notes
        text = options.text_column or find_column(stream.columns, "text")
        if not stream.columns:
            raise _without_rows(stream)
        if text is None or text not in stream.columns:
            raise DataError(
                f"{file.display_name}: no column {options.text_column or ' or '.join(COLUMNS['text'])!r} with texts. Columns: "
                f"{', '.join(stream.columns)}. Name the column that holds the text with --text-column"
            )
        self.text = text
        names = ("id", "document", "language") if options.split else ("id", "document", "index", "language")
        self.names = {name: find_column(stream.columns, name) for name in names}
        # A column that the output repeats under the same name is kept once; any other of that name is renamed.
        self._repeated = {name for name in self.names if self.names[name] == name}
        self._repeated -= {"id"} if options.split else set()
        self._repeated -= {"language"} if options.language else set()
        self._renamed: dict[str, str] = {}
        self._known = set(stream.columns)
        # As JSON, extra columns are kept inside one column, whose name they can therefore have themselves.
        self._taken = {*OUTPUT, ERROR} if options.as_json else {*OUTPUT, ERROR, EXTRA_JSON}

    def rows(self, chunk: Chunk) -> list[Row]:
        """Return the columns that hold texts and identify them, as dicts."""
        if isinstance(chunk.rows, list):
            return chunk.rows
        wanted = {self.text, *(name for name in self.names.values() if name)}
        rows: list[Row] = chunk.rows.select([c for c in chunk.rows.column_names if c in wanted]).to_pylist()
        return rows

    def extra(self, chunk: Chunk) -> list[Row] | pa.Table:
        """Return the columns that the output does not repeat, renamed where their name is taken."""
        if isinstance(chunk.rows, list):
            # The text is in the output already; a long one is not repeated next to each of its sentences.
            return [
                {self._name(k): v for k, v in row.items() if k != self.text and not self._repeats(k, v)}
                for row in chunk.rows
            ]
        # A column that the output has as text or integer, and the input with another type, is kept with its own type.
        kept = [
            field.name
            for field in chunk.rows.schema
            if field.name != self.text and not self._repeats_all(field, chunk.rows[field.name])
        ]
        return chunk.rows.select(kept).rename_columns([self._name(name) for name in kept])

    def _repeats(self, column: str, value: Any) -> bool:
        """Return whether the output has the same value under the same name: ids are text there, indices integers."""
        if column not in self._repeated or column != "index":
            return column in self._repeated and (value is None or isinstance(value, str))
        number = as_index(value)
        return number is not None and str(number) == str(value)

    def _repeats_all(self, field: pa.Field, values: pa.ChunkedArray) -> bool:
        import pyarrow as pa

        if field.name not in self._repeated:
            return False
        if field.name == "index":
            return bool(pa.types.is_signed_integer(field.type)) and values.null_count == 0
        return _is_string(field.type)

    def _name(self, column: str) -> str:
        if column not in self._taken and not SURROGATE.search(column):
            return column
        if column not in self._renamed:
            new = f"input_{SURROGATE.sub(chr(0xFFFD), column)}"
            while new in self._known or new in self._renamed.values():
                new = f"input_{new}"
            self._renamed[column] = new
            shown = SURROGATE.sub("\ufffd", column)
            reason = "the name is reserved" if column == EXTRA_JSON else "the output has a column of that name"
            reason = reason if shown == column else "it is not Unicode"
            self._notes.note(f"{self.file.display_name}: column {shown!r} is kept as {new!r}, because {reason}")
        return self._renamed[column]


def as_index(value: Any) -> int | None:
    """Read a cell as the position of a sentence in its document; return None if it is not a 64-bit integer."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return None
    whole = not isinstance(value, float) or value.is_integer()
    return number if whole and -(2**63) <= number < 2**63 else None


def _is_string(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _without_rows(stream: TableStream) -> DataError:
    problems = [chunk.reason for chunk in stream.chunks if isinstance(chunk, Problem)]
    return DataError(*problems) if problems else DataError(f"{stream.path}: empty. Write one JSON object per line")
