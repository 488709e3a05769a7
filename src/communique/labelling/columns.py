"""Find the columns of an open table that contain texts and ids, and the extra columns that the output keeps."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from ..data.predictions_schema import ERROR, OUTPUT, PREFIX
from ..data.reader import COLUMNS, describe_names_below, document_like, find_column
from ..errors import DataError
from ..io.paths import InputFile
from ..io.tables import MAX_COLUMNS, NO_KEYS, Chunk, Problem, Row, TableStream, Unreadable
from ..reporting.format import counted
from ..text.cleaning import SURROGATE, without_surrogates
from .ids import MAX_IDS, SeenIds
from .options import InputNotes, Options

if TYPE_CHECKING:
    import pyarrow as pa

#: Number of chunks and unreadable rows in which the names of the columns are looked for if they are not in the first row.
LOOKED_AT = 10


class Columns:
    """The columns of an open table.

    Args:
        stream: The open table.
        file: The file of the table, for messages.
        options: How the table is read.
        notes: Receives a note for every extra column that the output has to rename.
        from_name: Columns that the file name provides, with their values.
        unique_ids: Whether each id gets the file name as a prefix, because other files may contain the same ids.

    Raises:
        DataError: The table has no readable row, no text column, or no document column of the name in `options`; or it has a
            column that the file name provides too.
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
                f"{file.display_name}: the table already has a column {taken!r}, which --columns-from-filename names too. Rename "
                "one of them"
            )
        known = [*stream.columns, *self._from_name]
        text = options.text_column or find_column(stream.columns, "text")
        if text is None or text not in stream.columns:
            wanted = " or ".join(map(repr, [options.text_column] if options.text_column else COLUMNS["text"]))
            raise DataError(
                describe_names_below(file.display_name, _first_rows(stream), options.text_column)
                or f"{file.display_name}: there is no column {wanted}. The columns are: {', '.join(stream.columns)}. Name the "
                "column that contains the text with --text-column",
                *stream.notes,  # Another sheet or encoding can be the reason.
            )
        self.text = text
        if options.document_column is not None and options.document_column not in known:
            raise DataError(
                f"{file.display_name}: there is no column {options.document_column!r}. The columns are: {', '.join(known)}. Name "
                "the column that contains the document with --document-column"
            )
        #: Whether the text of each row is split into sentences. A TEI segment is a paragraph, so it is always split.
        self.split = options.split or file.file_format == ".xml"
        names = ("id", "document", "language") if self.split else ("id", "document", "index", "language")
        self.names = {name: find_column(known, name) for name in names}
        self.names["document"] = options.document_column or self.names["document"]
        # A column that would repeat an output column is left out. A different column of the same name is renamed.
        self._repeated = {name for name in self.names if self.names[name] == name}
        self._repeated -= {"id"} if self.split or unique_ids else set()
        self._repeated -= {"language"} if options.language else set()
        self._renamed: dict[str, str] = {}
        self._known = set(known)
        self._late: set[str] = set()
        self._as_json = options.as_json
        self._unreadable, self._unreadable_cells = "", 0
        self._ids, self._repeated_ids, self._repeated_id = SeenIds(), 0, ""
        self._taken = {*OUTPUT, *options.optional, ERROR, *(PREFIX + label for label in options.labels)}

    @property
    def width(self) -> int:
        """Number of columns found so far. In JSON Lines, later rows can have additional keys."""
        return len(self._known) + len(self._late)

    def complete(self, chunk: Chunk) -> Chunk:
        """Add the columns that the file name provides to a chunk."""
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
        """Return the rows of a chunk as dicts that contain at least the columns for text, id, document, index and language."""
        if isinstance(chunk.rows, list):
            return chunk.rows
        wanted = {self.text, *(name for name in self.names.values() if name)}
        rows: list[Row] = chunk.rows.select([c for c in chunk.rows.column_names if c in wanted]).to_pylist()
        return rows

    def extra(self, chunk: Chunk) -> list[Row] | pa.Table:
        """Return the extra columns. A column is renamed if the output already uses its name."""
        if isinstance(chunk.rows, list):
            self._check(chunk.numbers, chunk.rows)
            # The text column is left out. Otherwise, a long text would be repeated next to each of its sentences.
            return [
                {
                    self._name(k): None if isinstance(v, Unreadable) else v
                    for k, v in row.items()
                    if k != self.text and not self._repeats(k, v)
                }
                for row in chunk.rows
            ]
        # An input column whose type differs from the output column of the same name is kept as well.
        kept = [
            field.name
            for field in chunk.rows.schema
            if field.name != self.text and not self._repeats_all(field, chunk.rows[field.name])
        ]
        return chunk.rows.select(kept).rename_columns([self._name(name) for name in kept])

    def _check(self, numbers: Sequence[int], rows: list[Row]) -> None:
        """Record the columns that only later rows have, and count the cells that cannot be read.

        Raises:
            DataError: All rows together have more columns than an output table can have.
        """
        self._late.update(key for row in rows if not row.keys() <= self._known for key in row.keys() - self._known)
        if not self._as_json and self.width > MAX_COLUMNS:
            raise DataError(
                f"{self.file.display_name}: the rows have more than {MAX_COLUMNS:,} different keys, and each key becomes a column. "
                "Write the output as .jsonl, which stores the keys of each row"
            )
        if self.file.file_format == ".xlsx":
            return  # The XLSX reader counts these cells itself.
        for number, row in zip(numbers, rows, strict=True):
            for key, value in row.items():
                if isinstance(value, Unreadable) and key != self.text:
                    self._unreadable = self._unreadable or f"row {number}, column {key!r} contains {value.reason}"
                    self._unreadable_cells += 1

    def warn_about_documents(self, chunk: Chunk) -> None:
        """Add a note if the table has no known document column, but another column looks like one."""
        if self.file.file_format == ".xml" or self.names["document"] is not None:
            return
        rows = chunk.to_rows()
        if found := document_like(rows, known={self.text, *(name for name in self.names.values() if name)}):
            self._notes.note(
                f"{self.file.display_name}: each row is treated as a separate document, but neighbouring rows share the same value "
                f"in column {found!r}. If this column names the document, add --document-column {shlex.quote(found)}. Otherwise, "
                "`communique estimate` will report intervals that are too narrow"
            )

    def count_repeated(self, identity: str) -> None:
        """Count a row if an earlier row has the same id."""
        if self._ids.add(identity, 0) is not None:
            self._repeated_id = self._repeated_id or identity
            self._repeated_ids += 1

    def note_problems(self) -> None:
        """Add notes about unreadable cells in extra columns and about repeated ids."""
        if self._unreadable_cells:
            self._notes.note(
                f"{self.file.display_name}: {counted(self._unreadable_cells, 'cell')} outside the text column could not be read "
                f"and will be empty in the output. The first one: {self._unreadable}"
            )
        if self._repeated_ids and self.names["id"] is not None:
            rows = counted(self._repeated_ids, "row has", "rows have")
            without = "" if self.names["document"] else ". Rows with the same id are treated as one document"
            more = f" among the first {MAX_IDS:,} ids" if self._ids.full else ""
            self._notes.note(
                f"{self.file.display_name}: {rows} the same id as an earlier row{more}, such as "
                f"{self._repeated_id[:80]!r}{without}. Make the ids in column {self.names['id']!r} unique, because `communique "
                "sample` and `communique estimate` need unique ids"
            )

    def _repeats(self, column: str, value: Any) -> bool:
        """Check whether the output repeats a value under the same name. Output ids are text, and output indices are integers."""
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
        # In JSON Lines, a column that appears later can have a name that another column was renamed to.
        late = column not in self._known and column in self._renamed.values()
        if column not in self._taken and not late and not SURROGATE.search(column):
            return column
        if column not in self._renamed:
            new = f"input_{without_surrogates(column)}"
            while new in self._known or new in self._renamed.values():
                new = f"input_{new}"
            self._renamed[column] = new
            shown = without_surrogates(column)
            reason = "the output has a column of that name" if shown == column else "its name is not valid Unicode"
            self._notes.note(f"{self.file.display_name}: column {shown!r} is kept as {new!r}, because {reason}")
        return self._renamed[column]


def as_index(value: Any) -> int | None:
    """Return a cell as the position of a sentence in its document, or None if the cell is not a 64-bit integer."""
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


def _first_rows(stream: TableStream) -> Iterator[tuple[int, Row]]:
    for chunk in islice(stream.chunks, LOOKED_AT):
        if isinstance(chunk, Chunk):
            yield from zip(chunk.numbers, chunk.to_rows(), strict=True)


def _without_rows(stream: TableStream) -> DataError:
    problems = [chunk.reason for chunk in stream.chunks if isinstance(chunk, Problem)]
    return DataError(*(problems or [f"{stream.path}: {NO_KEYS}"]))
