"""Find the columns of an open table that hold texts and identify them, and the extra columns that the output keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..data.predictions_schema import ERROR, OUTPUT, PREFIX
from ..data.reader import COLUMNS, document_like, find_column
from ..errors import DataError
from ..io.paths import InputFile
from ..io.tables import MAX_COLUMNS, Chunk, Problem, Row, TableStream, Unreadable
from ..text.cleaning import SURROGATE, without_surrogates
from .ids import MAX_IDS, SeenIds
from .options import InputNotes, Options

if TYPE_CHECKING:
    import pyarrow as pa


class Columns:
    """The columns of an open table.

    Args:
        stream: The table.
        file: Its file, for messages.
        options: How it is read.
        notes: Receives a note for every extra column that the output has to rename.
        from_name: Values of columns that the file's name holds.
        unique_ids: Whether ids get a prefix that those of other files do not have.

    Raises:
        DataError: The table has no column of texts or documents, or no readable row.
    """

    def __init__(
        self,
        stream: TableStream,
        file: InputFile,
        options: Options,
        notes: InputNotes,
        from_name: Mapping[str, str | None] | None = None,
        *,
        unique_ids: bool = False,
    ) -> None:
        self.file, self._notes, self.unique_ids = file, notes, unique_ids
        self._from_name = dict(from_name or {})
        if not stream.columns:
            raise _without_rows(stream)
        if taken := next((name for name in self._from_name if name in stream.columns), None):
            raise DataError(
                f"{file.display_name}: it has a column {taken!r}, and --columns-from-filename names one too. Rename one of them"
            )
        known = [*stream.columns, *self._from_name]
        text = options.text_column or find_column(stream.columns, "text")
        if text is None or text not in stream.columns:
            raise DataError(
                f"{file.display_name}: no column {options.text_column or ' or '.join(COLUMNS['text'])!r} with texts. Columns: "
                f"{', '.join(stream.columns)}. Name the column that holds the text with --text-column"
            )
        self.text = text
        if options.document_column is not None and options.document_column not in known:
            raise DataError(
                f"{file.display_name}: no column {options.document_column!r}. Columns: {', '.join(known)}. Name the column of "
                "documents with --document-column"
            )
        #: Whether the texts of rows are split into sentences. A segment of TEI is a paragraph.
        self.split = options.split or file.file_format == ".xml"
        names = ("id", "document", "language") if self.split else ("id", "document", "index", "language")
        self.names = {name: find_column(known, name) for name in names}
        self.names["document"] = options.document_column or self.names["document"]
        # A column that the output repeats under the same name is kept once; any other of that name is renamed.
        self._repeated = {name for name in self.names if self.names[name] == name}
        self._repeated -= {"id"} if self.split or unique_ids else set()
        self._repeated -= {"language"} if options.language else set()
        self._renamed: dict[str, str] = {}
        self._known = set(known)
        self._late: set[str] = set()
        self._as_json = options.as_json
        self._unreadable, self._unreadable_cells = "", 0
        self._ids, self._repeated_ids, self._repeated_id = SeenIds(), 0, ""
        self._taken = {*OUTPUT, ERROR, *(PREFIX + label for label in options.labels)}

    @property
    def width(self) -> int:
        """Number of columns so far: in JSON Lines each row can have keys of its own."""
        return len(self._known) + len(self._late)

    def complete(self, chunk: Chunk) -> Chunk:
        """Add the columns that the file's name holds to a chunk."""
        if not self._from_name:
            return chunk
        if isinstance(chunk.rows, list):
            return Chunk(chunk.numbers, [row | self._from_name for row in chunk.rows])
        import pyarrow as pa

        table = chunk.rows
        for name, value in self._from_name.items():
            table = table.append_column(name, pa.array([value] * len(table), pa.string()))
        return Chunk(chunk.numbers, table)

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
            self._check(chunk.numbers, chunk.rows)
            # The text is in the output already; a long one is not repeated next to each of its sentences.
            return [
                {
                    self._name(k): None if isinstance(v, Unreadable) else v
                    for k, v in row.items()
                    if k != self.text and not self._repeats(k, v)
                }
                for row in chunk.rows
            ]
        # A column that the output has as text or integer, and the input with another type, is kept with its own type.
        kept = [
            field.name
            for field in chunk.rows.schema
            if field.name != self.text and not self._repeats_all(field, chunk.rows[field.name])
        ]
        return chunk.rows.select(kept).rename_columns([self._name(name) for name in kept])

    def _check(self, numbers: Sequence[int], rows: list[Row]) -> None:
        """Count columns that only later rows have, and cells that cannot be read.

        Raises:
            DataError: The rows together have more columns than a table of the output can have.
        """
        self._late.update(key for row in rows if not row.keys() <= self._known for key in row.keys() - self._known)
        if not self._as_json and self.width > MAX_COLUMNS:
            raise DataError(
                f"{self.file.display_name}: its rows have more than {MAX_COLUMNS:,} different keys, which become columns. Write "
                "the output as .jsonl, which keeps the keys of each row"
            )
        if self.file.file_format == ".xlsx":
            return  # Its reader counts such cells.
        for number, row in zip(numbers, rows, strict=True):
            for key, value in row.items():
                if isinstance(value, Unreadable) and key != self.text:
                    self._unreadable = self._unreadable or f"row {number}, column {key!r} holds {value.reason}"
                    self._unreadable_cells += 1

    def warn_about_documents(self, chunk: Chunk) -> None:
        """Note a column that looks like one of documents if none is known, so that each row is its own document."""
        if self.split or self.names["document"] is not None:
            return
        rows = chunk.to_rows()
        if found := document_like(rows, known={self.text, *(name for name in self.names.values() if name)}):
            self._notes.note(
                f"{self.file.display_name}: each row counts as a document of its own, but column {found!r} repeats over "
                f"neighbouring rows. If it names the document, add --document-column {found}: intervals are too narrow otherwise"
            )

    def count_repeated(self, identity: str) -> None:
        """Count a row if an earlier row has the same id."""
        if self._ids.add(identity, 0) is not None:
            self._repeated_id = self._repeated_id or identity
            self._repeated_ids += 1

    def note_problems(self) -> None:
        """Note unreadable cells of extra columns, and ids that several rows share."""
        if self._unreadable_cells:
            self._notes.note(
                f"{self.file.display_name}: {self._unreadable_cells:,} cells outside the column of texts cannot be read and are "
                f"empty in the output. The first: {self._unreadable}"
            )
        if self._repeated_ids and self.names["id"] is not None:
            without = "" if self.names["document"] else " and count as one document"
            more = f" among the first {MAX_IDS:,} ids" if self._ids.full else ""
            self._notes.note(
                f"{self.file.display_name}: {self._repeated_ids:,} rows have the id of an earlier row{more}, such as "
                f"{self._repeated_id[:80]!r}{without}. Give each row an id of its own in column {self.names['id']!r}, which "
                "`communique sample` and `communique estimate` need"
            )

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
        # A column that comes late, in JSON Lines, can have the name to which another one was renamed.
        late = column not in self._known and column in self._renamed.values()
        if column not in self._taken and not late and not SURROGATE.search(column):
            return column
        if column not in self._renamed:
            new = f"input_{without_surrogates(column)}"
            while new in self._known or new in self._renamed.values():
                new = f"input_{new}"
            self._renamed[column] = new
            shown = without_surrogates(column)
            reason = "the output has a column of that name" if shown == column else "it is not Unicode"
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
