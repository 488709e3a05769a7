"""How an input is read, and what is noted about it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ..data.predictions_schema import ERROR

#: Reasons of unreadable rows that are listed; further ones are counted.
LISTED = 20


@dataclass(frozen=True)
class Options:
    """How the input is read.

    Attributes:
        text_column: Column of texts. Default: found by its name.
        document_column: Column of documents. Default: found by its name.
        sheet: Sheet of workbooks, by name or by number from 1. Default: the first visible one.
        filename_columns: Pattern of columns in the names of files, see `FilenamePattern`.
        language: Language of all texts. Default: identified for each.
        encoding: Encoding of all text files. Default: recognised for each.
        split: Whether rows of tables are split into sentences.
        as_json: Whether extra columns are kept as JSON, exactly as they were; otherwise they become typed columns.
        shard_rows: Rows per shard.
        labels: The model's labels: columns of their probabilities are columns of the output.
    """

    text_column: str | None = None
    document_column: str | None = None
    sheet: str | None = None
    filename_columns: str | None = None
    language: str | None = None
    encoding: str | None = None
    split: bool = False
    as_json: bool = True
    shard_rows: int = 4096
    labels: tuple[str, ...] = ()


@dataclass
class InputNotes:
    """Notes on an input, each once, and counts of what was found in it.

    Attributes:
        notes: Lines for the user.
        counts: Numbers of `unreadable` rows, of texts with `surrogates`, `invisible` characters, `html`, `entities` or
            `mojibake`, of `missing` values, of rows without a `document`, and of `shards`.
        unreadable: The first reasons why rows could not be read.
        aliases: Paths of temporary copies, and what the user calls what was copied.
    """

    notes: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)

    def named(self, line: str) -> str:
        """Return a line in which temporary copies have the name that the user knows."""
        for path, name in self.aliases.items():
            line = line.replace(path, name)
        return line

    def note(self, line: str) -> None:
        """Keep a line, once."""
        line = self.named(line)
        if line not in self.notes:
            self.notes.append(line)

    def problem(self, line: str) -> None:
        """Count a row that cannot be read, and keep the first reasons."""
        self.counts["unreadable"] += 1
        if len(self.unreadable) < LISTED:
            self.unreadable.append(self.named(line))

    def lines(self) -> list[str]:
        """Return the lines for the user."""
        lines = self.notes + self.unreadable
        if (more := self.counts["unreadable"] - len(self.unreadable)) > 0:
            lines.append(f"... and {more} more rows cannot be read; the output's column {ERROR!r} lists every reason")
        if n := self.counts["surrogates"]:
            lines.append(f"{n} texts hold half a character (a lone surrogate); the output has '\ufffd' in its place")
        if n := self.counts["invisible"]:
            lines.append(
                f"{n} texts hold soft hyphens, zero-width characters or direction marks. The model does not read them; the output "
                "keeps them"
            )
        if n := self.counts["html"]:
            lines.append(f"{n} texts hold HTML tags, which the model reads as text. Remove them for better labels")
        if n := self.counts["entities"]:
            lines.append(
                f"{n} texts hold HTML entities such as &amp;, which the model reads as they are. Decode them first"
            )
        if n := self.counts["mojibake"]:
            lines.append(
                f"{n} texts look as if they had been read in a wrong encoding ('Ã©' for 'é'). Read the source again"
            )
        if n := self.counts["missing"]:
            lines.append(f"{n} texts say only that there is no value (such as NA, nan or NULL); they are read as empty")
        if n := self.counts["document"]:
            lines.append(f"{n} rows name no document; each of them counts as a document of its own")
        return lines
