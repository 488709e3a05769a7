"""Options for reading and labelling an input, and notes about the input."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ..data.predictions_schema import ERROR, OPTIONAL, OUT_OF_DOMAIN, TENTATIVE
from ..reporting.format import counted

#: Number of unreadable rows whose reasons are listed. Further rows are only counted.
LISTED = 20


@dataclass(frozen=True)
class Options:
    """Options for reading and labelling an input.

    Attributes:
        text_column: Column that contains the text. Default: found by its name.
        document_column: Column that contains the document. Default: found by its name.
        sheet: Sheet of a workbook, as a name or as a number from 1. Default: the first visible sheet.
        filename_columns: Pattern that reads columns from file names, see `FilenamePattern`.
        language: Language of all texts. Default: identified for each text.
        encoding: Encoding of all text files. Default: recognised for each file.
        split: Whether the rows of tables are split into sentences.
        as_json: Whether extra columns are kept unchanged as JSON. Otherwise, they become typed columns.
        shard_rows: Number of rows per shard.
        abstain: Probability of being right that the model's decisions must at least have. The labels of other rows are `unsure`.
            Default: every row gets labels.
        out_of_domain: Whether the output says how unusual each sentence is for the model.
        labels: The model's labels. The output has a probability column for each of them.
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
    abstain: float | None = None
    out_of_domain: bool = False

    @property
    def optional(self) -> tuple[str, ...]:
        """The optional columns of the output."""
        wanted = {TENTATIVE: self.abstain is not None, OUT_OF_DOMAIN: self.out_of_domain}
        return tuple(name for name in OPTIONAL if wanted[name])


@dataclass
class InputNotes:
    """Notes about an input, without duplicates, and counts of what was found in it.

    Attributes:
        notes: Lines for the user.
        counts: Numbers of `unreadable` rows, of texts with `surrogates`, `invisible` characters, `html`, `entities` or
            `mojibake`, of `missing` values, of rows without a `document`, and of `shards`.
        unreadable: Reasons why the first unreadable rows could not be read.
        aliases: Paths of temporary copies, with the names under which the user knows the originals.
    """

    notes: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)

    def named(self, line: str) -> str:
        """Replace the paths of temporary copies in a line by the names that the user knows."""
        for path, name in self.aliases.items():
            line = line.replace(path, name)
        return line

    def note(self, line: str) -> None:
        """Add a line, unless it was added before."""
        line = self.named(line)
        if line not in self.notes:
            self.notes.append(line)

    def problem(self, line: str) -> None:
        """Count an unreadable row, and keep the reasons of the first ones."""
        self.counts["unreadable"] += 1
        if len(self.unreadable) < LISTED:
            self.unreadable.append(self.named(line))

    def lines(self) -> list[str]:
        """Return all lines for the user."""
        lines = self.notes + self.unreadable
        if (more := self.counts["unreadable"] - len(self.unreadable)) > 0:
            lines.append(
                f"... and {counted(more, 'more row')} could not be read. The column {ERROR!r} of the output lists all reasons"
            )
        if n := self.counts["surrogates"]:
            lines.append(f"{_texts(n)} half a character (a lone surrogate). The output has '\ufffd' in its place")
        if n := self.counts["invisible"]:
            lines.append(
                f"{_texts(n)} soft hyphens, zero-width characters or direction marks. The model does not read these characters, "
                "but the output keeps them"
            )
        if n := self.counts["html"]:
            lines.append(f"{_texts(n)} HTML tags, which the model reads as text. Remove the tags for better labels")
        if n := self.counts["entities"]:
            lines.append(
                f"{_texts(n)} HTML entities such as &amp;, which the model reads as text. Decode the entities for better labels"
            )
        if n := self.counts["mojibake"]:
            lines.append(
                f"{counted(n, 'text seems', 'texts seem')} to have been decoded with a wrong encoding ('Ã©' instead of 'é'). "
                "Create the file again from its source, with the right encoding"
            )
        if n := self.counts["missing"]:
            lines.append(
                f"{_texts(n)} only a code for a missing value (such as NA, nan or NULL). Such texts are treated as empty"
            )
        if n := self.counts["document"]:
            lines.append(
                f"{counted(n, 'row has', 'rows have')} no document. Each such row is treated as a separate document"
            )
        return lines


def _texts(n: int) -> str:
    return counted(n, "text contains", "texts contain")
