"""Map the columns of a table to label: the text, the columns that the output has too, and the extra columns."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..data.predictions_schema import ERROR, OUTPUT
from ..data.reader import COLUMNS, find_column
from ..errors import DataError
from ..io.arrow import SURROGATE
from ..io.paths import InputFile
from ..io.tables import Chunk, Problem, Row, TableStream

if TYPE_CHECKING:
    import pyarrow as pa


#: Reasons of unreadable rows that are listed; further ones are counted.
LISTED = 20

#: Column that holds a row's extra columns as JSON, if the output is JSON Lines.
EXTRA_JSON = "_extra"


@dataclass(frozen=True)
class Options:
    """How the input is read.

    Attributes:
        text_column: Column of texts. Default: found by its name.
        language: Language of all texts. Default: identified for each.
        split: Whether rows of tables are split into sentences.
        as_json: Whether extra columns are kept as JSON, exactly as they were; otherwise they become typed columns.
        shard_rows: Rows per shard.
    """

    text_column: str | None = None
    language: str | None = None
    split: bool = False
    as_json: bool = True
    shard_rows: int = 4096


@dataclass
class InputNotes:
    """Notes on an input, each once, and counts of what was found in it.

    Attributes:
        notes: Lines for the user.
        counts: Numbers of `unreadable` rows, of texts with `surrogates` or `html`, and of `shards`.
        unreadable: The first reasons why rows could not be read.
    """

    notes: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)

    def note(self, line: str) -> None:
        """Keep a line, once."""
        if line not in self.notes:
            self.notes.append(line)

    def problem(self, line: str) -> None:
        """Count a row that cannot be read, and keep the first reasons."""
        self.counts["unreadable"] += 1
        if len(self.unreadable) < LISTED:
            self.unreadable.append(line)

    def lines(self) -> list[str]:
        """Return the lines for the user."""
        lines = self.notes + self.unreadable
        if (more := self.counts["unreadable"] - len(self.unreadable)) > 0:
            lines.append(f"... and {more} more rows cannot be read; the output's column {ERROR!r} lists every reason")
        if n := self.counts["surrogates"]:
            lines.append(f"{n} texts hold half a character (a lone surrogate); the output has '\ufffd' in its place")
        if n := self.counts["html"]:
            lines.append(f"{n} texts hold HTML tags, which the model reads as text. Remove them for better labels")
        return lines


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
        if column not in (*OUTPUT, ERROR, EXTRA_JSON) and not SURROGATE.search(column):
            return column
        if column not in self._renamed:
            new = f"input_{SURROGATE.sub(chr(0xFFFD), column)}"
            while new in self._known or new in self._renamed.values():
                new = f"input_{new}"
            self._renamed[column] = new
            shown = SURROGATE.sub("\ufffd", column)
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
