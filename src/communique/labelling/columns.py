"""The columns of a table to label: which holds the text, which the output repeats, what it has to call otherwise."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..data.predictions_schema import ERROR, OUTPUT
from ..data.reader import COLUMNS, find_column
from ..errors import DataError
from ..io.arrow import SURROGATE
from ..io.paths import File
from ..io.tables import Chunk, Problem, Row, TableStream

if TYPE_CHECKING:
    import pyarrow as pa


#: Notes of one kind that are told; the rest is counted.
TOLD = 20


@dataclass(frozen=True)
class Options:
    """How the input is read.

    `text_column` is found by its name where None, `language` identified where None; `split` splits rows into sentences.
    `as_json` keeps the input's own columns as JSON, exactly as they came; without it they become typed columns.
    """

    text_column: str | None = None
    language: str | None = None
    split: bool = False
    as_json: bool = True
    shard_rows: int = 4096


@dataclass
class InputNotes:
    """What there is to tell of an input: notes once each, and counts."""

    notes: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)

    def note(self, line: str) -> None:
        """Keep a line, once."""
        if line not in self.notes:
            self.notes.append(line)

    def problem(self, line: str) -> None:
        """Count what cannot be read, and keep the first reasons."""
        self.counts["unreadable"] += 1
        if len(self.unreadable) < TOLD:
            self.unreadable.append(line)

    def lines(self) -> list[str]:
        """Give the lines for the user."""
        lines = self.notes + self.unreadable
        if (more := self.counts["unreadable"] - len(self.unreadable)) > 0:
            lines.append(f"... and {more} more that cannot be read; the output's column {ERROR!r} has every reason")
        if n := self.counts["surrogates"]:
            lines.append(f"{n} texts hold half a character (lone surrogates); '\ufffd' is there in the output")
        if n := self.counts["html"]:
            lines.append(f"{n} texts hold HTML tags, which the model reads as text; remove them for better labels")
        return lines


class Columns:
    """A table's columns: which holds the text, which are repeated in the output, and how the others are called there."""

    def __init__(self, stream: TableStream, file: File, options: Options, told: InputNotes) -> None:
        self.file, self.told, self._options = file, told, options
        text = options.text_column or find_column(stream.columns, "text")
        if not stream.columns:
            raise _without_rows(stream)
        if text is None or text not in stream.columns:
            raise DataError(
                f"{file.label}: no column {options.text_column or ' or '.join(COLUMNS['text'])!r} of texts; columns: "
                f"{', '.join(stream.columns)}; name the one that holds the text with --text-column"
            )
        self.text = text
        names = ("id", "document", "language") if options.split else ("id", "document", "index", "language")
        self.names = {name: find_column(stream.columns, name) for name in names}
        # What the output repeats under the same name need not stand twice; all else of that name is kept under another.
        self._repeated = {name for name in self.names if self.names[name] == name}
        self._repeated -= {"id"} if options.split else set()
        self._repeated -= {"language"} if options.language else set()
        self._renamed: dict[str, str] = {}
        self._known = set(stream.columns)

    def rows(self, chunk: Chunk) -> list[Row]:
        """Give the columns that name and hold texts."""
        if isinstance(chunk.rows, list):
            return chunk.rows
        wanted = {self.text, *(name for name in self.names.values() if name)}
        rows: list[Row] = chunk.rows.select([c for c in chunk.rows.column_names if c in wanted]).to_pylist()
        return rows

    def own(self, chunk: Chunk) -> list[Row] | pa.Table:
        """Give the columns that the output does not repeat, renamed where the output has a column of the name."""
        if isinstance(chunk.rows, list):
            # The text itself is the output's; a long one is not repeated beside each of its sentences.
            return [
                {self._name(k): v for k, v in row.items() if k != self.text and not self._repeats(k, v)}
                for row in chunk.rows
            ]
        # What the output has as text or a whole number, and the input otherwise, is kept beside it with its type.
        kept = [
            field.name
            for field in chunk.rows.schema
            if field.name != self.text and not self._repeats_all(field, chunk.rows[field.name])
        ]
        return chunk.rows.select(kept).rename_columns([self._name(name) for name in kept])

    def _repeats(self, column: str, value: Any) -> bool:
        """Tell whether the output has a row's value under the same name: ids are text there, indices whole numbers."""
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
        if column not in (*OUTPUT, ERROR) and not SURROGATE.search(column):
            return column
        if column not in self._renamed:
            new = f"input_{SURROGATE.sub(chr(0xFFFD), column)}"
            while new in self._known or new in self._renamed.values():
                new = f"input_{new}"
            self._renamed[column] = new
            shown = SURROGATE.sub("\ufffd", column)
            reason = "the output has a column of that name" if shown == column else "it is not Unicode"
            self.told.note(f"{self.file.label}: column {shown!r} is kept as {new!r}, because {reason}")
        return self._renamed[column]


def as_index(value: Any) -> int | None:
    """Read a cell as the place of a sentence in its document; None where it is no whole number of 64 bits."""
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
    return DataError(*problems) if problems else DataError(f"{stream.path}: empty; write one JSON object a line")
