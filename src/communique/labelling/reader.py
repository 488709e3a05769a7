"""Read files into shards of consecutive records. Where a shard ends depends only on the input and the shard size.

Therefore, a run that is resumed or spread over several machines produces the same bytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import chain
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..errors import DataError
from ..io.arrow import as_text
from ..io.documents.read import read_document
from ..io.encoding import text_windows
from ..io.paths import FoundFiles, InputFile
from ..io.read import open_table
from ..io.suffixes import EXTRACTED_SUFFIXES
from ..io.tables import CHUNK, Chunk, Problem, Row, TableStream, Unreadable, is_missing
from ..text.cleaning import SURROGATE, holds_invisible, without_surrogates
from ..text.language_codes import normalize_language
from ..text.windows import WINDOW, long_sentences
from .columns import Columns, as_index
from .filenames import FilenamePattern
from .ids import MAX_IDS, SeenIds
from .options import InputNotes, Options
from .shard import ExtraColumns, Record, Shard

if TYPE_CHECKING:
    import pyarrow as pa

#: Number of characters that count as one record when the input is cut into shards. A shard of long texts has fewer records.
RECORD_CHARACTERS = 400

#: Number of columns that count as one record when the input is cut into shards. A shard of a wide table has fewer records.
RECORD_COLUMNS = 100

#: HTML character references, such as &amp; and &#8217;.
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[\da-f]{1,6}|[a-z][a-z\d]{1,30});", re.IGNORECASE)

#: UTF-8 that was decoded as cp1252, Latin-1 or cp1250: "Ã©" or "Ă©" for "é", "â€™" for an apostrophe, "Å›" or "Ĺ›" for "ś", "Ð¿Ñ€"
#: for Cyrillic, "×ž×™" for Hebrew, "æˆ‘ä»¬" for Chinese. After "Ä" and "Ĺ", quotation marks and dashes can be right.
_MOJIBAKE = re.compile(
    r"[ÃÂ][\x80-\xa9\xac-\xba\xbc-\xbfŒœŠšŽžŸƒˆ˜–—‚„†‡•…‰‹›€™]|â€[\x80-\x9f\u2018-\u203aœ¢™¦ťž]|ï¿½"
    r"|[ÄÅĹ][\x80-\x9f\xa1-\xaa\xac\xae-\xba\xbc-\xbfŒœŠšŽžŸƒˆ˜ˇ‚†‡•‰‹›™]|Ă[\x80-\x9f\xa1-\xaa\xac-\xba\xbc-\xbfˇłĽźťž†‡‰™]"
    r"|(?:[ÎÏÐÑ][\x80-\xbf\u0152-\u0192\u02c6\u02dc\u2013-\u2122]){2}|(?:[ØÙ][\x80-\xbf\u0152-\u0192\u02c6\u02dc\u2013-\u2122]){2}"
    r"|(?:×[\x80-\xbf\u0152-\u0192\u02c6\u02dc\u2013-\u2122]){2}|(?:[à-í][\x80-\xbf\u0152-\u0192\u02c6\u02dc\u2013-\u2122]{2}){2}"
)

_HTML = re.compile(r"</?(?:p|br|div|span|a|b|i|em|strong|li|ul|ol|td|tr|table|h[1-6])\b[^<>]*>", re.IGNORECASE)


class _Piece(NamedTuple):
    """Consecutive records of one file.

    Attributes:
        records: The records.
        extra: Their extra columns.
        position: Number of input bytes read up to the end of these records.
        width: Number of columns found in the file so far, or 0 for documents.
    """

    records: list[Record]
    extra: list[Row] | pa.Table | None
    position: float
    width: int = 0


class ShardReader:
    """Read files into shards.

    Args:
        found: The files, as returned by `find_files`.
        options: How the files are read.

    Raises:
        DataError: A table that the user named has no text column, or cannot be read at all.
    """

    def __init__(self, found: FoundFiles, options: Options) -> None:
        self.files, self.options = found.files, options
        self.notes = InputNotes(list(found.notes), aliases=found.aliases)
        self._problems = found.problems
        sizes = [float(f.path.stat().st_size) if f.path.exists() else 0.0 for f in self.files]
        #: For each file, the number of bytes of all files up to its end.
        self._ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
        self._sizes = sizes
        self.bytes = max(1.0, sum(sizes))
        self._pattern = FilenamePattern(options.filename_columns) if options.filename_columns else None
        self._unique_ids = False
        self._check_tables()

    @property
    def unique_ids(self) -> bool:
        """Whether all ids begin with the name of their file, because two files contain the same id."""
        return self._unique_ids

    def _open(self, file: InputFile) -> AbstractContextManager[TableStream]:
        return open_table(file.path, file_format=file.file_format, encoding=file.encoding, sheet=self.options.sheet)

    def _check_tables(self) -> None:
        """Open every table before the first row is labelled, and compare the ids of all tables.

        If the user named a table that cannot be read, the run fails now rather than after hours of work. If two files contain
        the same id, all ids get the file name as a prefix. Otherwise, these rows would count as one document in a table
        without a document column.
        """
        tables = [file for file in self.files if not file.is_document]
        seen = SeenIds()
        for number, file in enumerate(tables):
            if not file.named and (self._unique_ids or len(tables) == 1):
                continue
            try:
                with self._open(file) as stream:
                    columns = Columns(stream, file, self.options, InputNotes(), self._from_name(file, InputNotes()))
                    ids = self._ids(stream, columns) if len(tables) > 1 and not self._unique_ids else iter(())
                    for identity in ids:
                        owner = seen.add(identity, number)
                        if owner not in (None, number) or seen.full:
                            self._make_ids_unique(identity, file, None if owner is None else tables[owner])
                            break
            except DataError as error:
                if file.named:
                    raise DataError(*map(self.notes.named, error.problems)) from error

    @staticmethod
    def _ids(stream: TableStream, columns: Columns) -> Iterator[str]:
        name = columns.names["id"]
        if name is None:
            return
        for chunk in stream.chunks:
            if isinstance(chunk, Chunk):
                ids = (as_text(row.get(name)) for row in columns.rows(chunk))
                yield from (identity for identity in ids if identity and not is_missing(identity))

    def _make_ids_unique(self, identity: str, file: InputFile, owner: InputFile | None) -> None:
        self._unique_ids = True
        reason = (
            f"the files contain more than {MAX_IDS:,} ids, which are too many to compare"
            if owner is None
            else f"{owner.display_name} and {file.display_name} both contain the id {identity!r}"
        )
        self.notes.note(f"{reason}. In the output, each id is therefore written as FILE:ID")

    def _from_name(self, file: InputFile, notes: InputNotes) -> dict[str, str | None]:
        """Return the columns that a file name provides. Their values are None if the name does not match the pattern."""
        if self._pattern is None:
            return {}
        values = self._pattern.values(file.display_name)
        if values is None:
            notes.counts["other names"] += 1
            notes.note(
                f"{file.display_name}: the file name does not match {self._pattern.pattern}, so its columns stay empty. Rename the "
                "file, or change --columns-from-filename"
            )
            return dict.fromkeys(self._pattern.columns)
        if self._pattern.is_ambiguous(file.display_name):
            notes.counts["ambiguous names"] += 1
            shown = ", ".join(f"{column} {value!r}" for column, value in values.items())
            notes.note(
                f"{file.display_name}: the file name matches {self._pattern.pattern} in several ways, and is read as {shown}. "
                "Rename the file if this is wrong"
            )
        return dict(values)

    def shards(self) -> Iterator[Shard]:
        """Yield the shards of the input. There is always at least one, which is empty if the input has no records."""
        shard, size = Shard(0, [], [], self.options), 0.0
        for piece in self._pieces():
            start = 0
            for i, record in enumerate(piece.records, 1):
                size += max(1.0, len(record.text) / RECORD_CHARACTERS, piece.width / RECORD_COLUMNS)
                if size >= self.options.shard_rows:
                    _append(shard, piece, start, i)
                    yield shard
                    shard, size, start = Shard(shard.number + 1, [], [], self.options), 0.0, i
            _append(shard, piece, start, len(piece.records))
        if shard.records or shard.number == 0:
            yield shard
        else:
            shard.number -= 1
        self.notes.counts["shards"] = shard.number + 1

    def check_unchanged(self) -> None:
        """Check that no file has changed since it was found.

        Raises:
            ChangedError: A file has changed.
        """
        for file in self.files:
            file.check_unchanged()

    def _pieces(self) -> Iterator[_Piece]:
        """Yield pieces of consecutive records. Each piece comes from one file."""
        for line in self._problems:
            yield _Piece(self._failed(line, line.partition(": ")[0]), None, 0.0)
        for i, file in enumerate(self.files):
            try:
                for piece in (self._document if file.is_document else self._table)(file, i):
                    # Check this before the piece is used, so that no shard mixes two states of a file.
                    file.check_unchanged()
                    for record in piece.records:
                        record.error = record.error and self.notes.named(record.error)
                    yield piece
            except DataError as error:
                file.check_unchanged()
                for problem in error.problems:
                    yield _Piece(self._failed(self.notes.named(problem), file.name), None, self._ends[i])

    def _failed(self, reason: str, name: str) -> list[Record]:
        self.notes.problem(reason)
        return [Record(name, "", name, None, error=reason)]

    def _document(self, file: InputFile, i: int) -> Iterator[_Piece]:
        if not file.path.is_file():
            raise DataError(f"{file.display_name}: no such file")
        kind: Literal["text", "markdown"] = "markdown" if file.file_format in (".md", ".markdown") else "text"
        notes: list[str] = []
        windows = self._windows(file, notes)
        first, second = next(windows, ("", 1.0)), next(windows, None)
        extra = self._from_name(file, self.notes)
        if language := self.options.language or extra.pop("language", None):
            language = _language(file.display_name, language)
        name = extra.pop("document", None) or file.name
        if second is None:
            text = _clean(first[0], self.notes)
            if not text.strip():
                notes.append(f"{file.display_name}: the document contains no text")
            records = [Record(file.name, text, name, language, kind)]
            yield _Piece(records, [extra] if self._pattern else None, self._ends[i])
        else:
            record = Record(file.name, "", name, language, kind)
            for records, position in self._long_document(record, i, chain([first, second], windows)):
                yield _Piece(records, [extra] * len(records) if self._pattern else None, position)
        for line in notes:
            self.notes.note(line)

    def _windows(self, file: InputFile, notes: list[str]) -> Iterator[tuple[str, float]]:
        """Yield the text of a document in windows, each with the proportion of the file that has been read."""
        if file.file_format not in EXTRACTED_SUFFIXES:
            yield from text_windows(file.path, WINDOW, notes, file.encoding)
            return
        document = read_document(file.path, file.display_name, file.file_format, file.encoding, self.options.language)
        notes += document.notes
        for start in range(0, len(document.text), WINDOW):
            yield document.text[start : start + WINDOW], min(1.0, (start + WINDOW) / len(document.text))

    def _long_document(
        self, document: Record, i: int, windows: Iterator[tuple[str, float]]
    ) -> Iterator[tuple[list[Record], float]]:
        """Yield the sentences of a document that is too long to be read at once, as one record per sentence, with the position."""
        end, size = self._ends[i], self._sizes[i]
        position = end
        notes = InputNotes()

        def texts() -> Iterator[str]:
            nonlocal position
            for window, done in windows:
                position = end - size * (1 - done)
                yield _clean(window, notes)

        records: list[Record] = []
        for index, (language, sentence) in enumerate(long_sentences(texts(), document.kind, document.language)):
            identity = f"{document.id}:{index}"
            records.append(Record(identity, sentence, document.document, language, "sentence", index=index))
            if len(records) == CHUNK:
                yield records, position
                records = []
        if records:
            yield records, end
        # Count a long document only once, like a short one.
        for name, count in notes.counts.items():
            self.notes.counts[name] += min(1, count)

    def _table(self, file: InputFile, i: int) -> Iterator[_Piece]:
        with self._open(file) as stream:
            from_name = self._from_name(file, self.notes)
            columns = Columns(stream, file, self.options, self.notes, from_name, unique_ids=self._unique_ids)
            for line in stream.notes:
                self.notes.note(line)
            first = True
            for chunk in stream.chunks:
                position = self._ends[i] - self._sizes[i] * (1 - stream.position())
                if isinstance(chunk, Problem):
                    self.notes.problem(chunk.reason)
                    name = f"{file.name}:{chunk.number}"
                    text = _clean(chunk.content, self.notes)
                    yield _Piece([Record(name, text, name, None, error=chunk.reason)], None, position)
                    continue
                if first:
                    columns.warn_about_documents(chunk)
                    first = False
                chunk = columns.complete(chunk)
                rows = zip(chunk.numbers, columns.rows(chunk), strict=True)
                extra = columns.extra(chunk)
                records = [self._record(columns, number, row) for number, row in rows]
                yield _Piece(records, extra, position, columns.width)
            columns.note_problems()

    def _record(self, columns: Columns, number: int, row: Row) -> Record:
        file, names, notes = columns.file, columns.names, self.notes
        given = {name: self._identifier(row, column) for name, column in names.items() if column}
        identity = given.get("id") or ""
        if identity:
            columns.count_repeated(identity)
        if columns.unique_ids:
            # The prefix `row` is needed because another row may have the number of this row as its id.
            identity = f"{file.name}:{identity or f'row {number}'}"
        identity = identity or f"{file.name}:{number}"
        document = given.get("document") or identity
        if names["document"] is not None and document is identity:
            notes.counts["document"] += 1
        place = f"{file.display_name}, row {number}"
        language, error = self.options.language, None
        if language is None and (language := given.get("language") or None):
            try:
                language = normalize_language(language)
            except ValueError as problem:
                error = f"{place}: column {names['language']!r}: {problem}"
        value = row.get(columns.text)
        text = as_text(value)
        if isinstance(value, Unreadable):
            error = f"{place}: column {columns.text!r} contains {value.reason}"
        elif text is None and value is not None and not (isinstance(value, float) and math.isnan(value)):
            error = (
                f"{place}: column {columns.text!r} contains a value of type {type(value).__name__}. Convert it to text"
            )
        elif text and is_missing(text):
            notes.counts["missing"] += 1
            text = ""
        text = _clean(text or "", notes)
        if error is not None:
            notes.problem(error)
            return Record(identity, text, document, language, error=error)
        index = as_index(row.get(column)) if (column := names.get("index")) else None
        kind: Literal["row", "text"] = "text" if file.file_format == ".xml" else "row"
        # The position is known only after all previous rows of the document have been split.
        follows = columns.split and document is not identity
        return Record(identity, text, document, language, kind, index=None if follows else index or 0)

    @staticmethod
    def _identifier(row: Row, column: str) -> str:
        """Return a cell such as an id as text. The text is empty if the cell is empty or a code for a missing value."""
        text = as_text(row.get(column)) or ""
        return "" if is_missing(text) else without_surrogates(text)


def _language(name: str, code: str) -> str:
    try:
        return normalize_language(code)
    except ValueError as error:
        raise DataError(f"{name}: {error}") from None


def _append(shard: Shard, piece: _Piece, start: int, end: int) -> None:
    """Append records `start` to `end` of a piece, with their extra columns, to a shard."""
    if start == end:
        return
    shard.records += piece.records[start:end]
    extra = piece.extra
    if extra is not None and (start, end) != (0, len(piece.records)):
        extra = extra[start:end] if isinstance(extra, list) else extra.slice(start, end - start)
    shard.extra.append(ExtraColumns(end - start, extra))
    shard.position = piece.position


def _clean(text: str, notes: InputNotes) -> str:
    """Replace lone surrogates. Count texts with surrogates, invisible characters, HTML, or signs of a wrong encoding."""
    if SURROGATE.search(text):
        notes.counts["surrogates"] += 1
        text = without_surrogates(text)
    if holds_invisible(text):
        notes.counts["invisible"] += 1
    if "<" in text and _HTML.search(text):
        notes.counts["html"] += 1
    if "&" in text and _ENTITY.search(text):
        notes.counts["entities"] += 1
    if not text.isascii() and _MOJIBAKE.search(text):
        notes.counts["mojibake"] += 1
    return text
