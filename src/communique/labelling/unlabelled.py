"""Read texts that are not labelled yet as the population of a sample.

The sentences and their ids are those that `communique label` writes for the same input and the same options. A sample can therefore
be drawn and coded before there is a model, and the predictions that are made later belong to it.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from ..data.codebook import Codebook
from ..data.predictions_schema import ERROR, NO_LETTERS, PAGE_LINE
from ..errors import DataError
from ..io.paths import find_files
from ..io.tables import Row
from ..models.classifier import Classifier
from ..reporting.format import counted
from ..reporting.progress import ProgressReporter
from ..sampling.population import Population
from ..sampling.texts import population_of_texts
from ..text.language import UNDETERMINED
from .label import LabelledShard, Positions, is_blank, label_shard
from .reader import ShardReader
from .reading import TextReading
from .units import count_fragments, fragments_line, rows_of_texts


@dataclass(frozen=True)
class Unlabelled:
    """Texts that are not labelled yet.

    Attributes:
        population: Their sentences.
        inputs: Name and SHA-256 of each file.
        notes: Lines for the user about the input and what was found in it.
    """

    population: Population
    inputs: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def read_texts(
    paths: Sequence[str | Path],
    codebook: Codebook,
    reading: TextReading,
    *,
    whole_texts: Callable[[str], None] | None = None,
    format_option: str = "--format",
    progress: Callable[[ShardReader], ProgressReporter] | None = None,
) -> Unlabelled:
    """Find files and read their texts as `read_unlabelled` does.

    Args:
        paths: Files and folders.
        codebook: The labels that coders will assign.
        reading: How the files are read. Extra columns are kept as columns.
        whole_texts: Called with a message before such rows are split. It may refuse them by raising an error.
        format_option: Name of the option of the format, for messages.
        progress: Returns what receives the progress. Default: none is reported.

    Raises:
        DataError: A path does not exist, or the reasons of `read_unlabelled`.
    """
    options = replace(reading.options(), as_json=False, labels=codebook.names)
    with tempfile.TemporaryDirectory(prefix="communique-") as spool:
        found = find_files(
            paths,
            file_format=reading.form,
            spool=Path(spool),
            encoding=options.encoding,
            language=options.language,
            format_option=format_option,
        )
        reader = ShardReader(found, options)
        if reading.split is None and (message := rows_of_texts(reader.files, options)):
            if whole_texts is not None:
                whole_texts(message)
            reader = ShardReader(found, replace(options, split=True))
        return read_unlabelled(reader, codebook, progress=None if progress is None else progress(reader))


def read_unlabelled(reader: ShardReader, codebook: Codebook, *, progress: ProgressReporter | None = None) -> Unlabelled:
    """Read texts, split them into sentences and identify their languages.

    Rows that `communique label` would not label are left out and counted: empty ones, those without letters, page headers and
    footers, and those that cannot be read.

    Args:
        reader: The input. Its options decide whether rows are split, and must keep extra columns as columns (`as_json=False`).
        codebook: The labels that coders will assign.
        progress: Receives the progress. Default: none is reported.

    Raises:
        DataError: No sentence can be read, two sentences have the same id, or a table cannot be read.
        ChangedError: A file changed while it was read.
    """
    counts = _Counts()
    name = _name(reader)
    inputs = tuple((file.display_name, file.sha256 or "") for file in reader.files)
    digest = hashlib.sha256("".join(f"{file}\n{sha256}\n" for file, sha256 in inputs).encode()).hexdigest()

    def batches(shown: ProgressReporter) -> Iterator[list[Row]]:
        yield from _batches(reader, codebook, counts, shown)
        if not counts.sentences:
            raise DataError(*(reader.notes.unreadable or [f"{name}: there is no sentence. Name other texts"]))

    with progress or ProgressReporter.silent() as shown:
        population = population_of_texts(name, digest, codebook, batches(shown))
    reader.check_unchanged()
    population = replace(population, unlabelled=sum(counts.left_out.values()))
    notes = (*population.notes, *reader.notes.lines(), *counts.lines(population))
    return Unlabelled(population, inputs, notes)


def _name(reader: ShardReader) -> str:
    first, *others = [file.display_name for file in reader.files]
    return f"{first} and {counted(len(others), 'more file')}" if others else first


class _Counts:
    """What was left out, and what the sentences look like."""

    def __init__(self) -> None:
        self.left_out: Counter[str] = Counter()
        self.records = self.sentences = self.lower = self.open_ended = self.repeated = 0
        self._texts: set[int] = set()

    def add(self, shard: LabelledShard, rows: list[Row]) -> None:
        self.records += shard.counts.records
        self.sentences += len(rows)
        lower, open_ended = count_fragments(shard)
        self.lower += lower
        self.open_ended += open_ended
        for row in rows:
            text = hash(row["text"])
            self.repeated += text in self._texts
            self._texts.add(text)

    def lines(self, population: Population) -> list[str]:
        """Return lines that report the counts."""
        documents = counted(len(population.document_names), "document")
        names, codes = population.language.levels, population.language.codes
        languages = Counter({names[code]: n for code, n in Counter(codes.tolist()).items()})
        parts = [
            f"{counted(len(population), 'sentence')} in {documents}",
            "languages: " + ", ".join(f"{language} {n}" for language, n in languages.most_common()),
        ]
        if self.left_out:
            parts.append("left out: " + ", ".join(f"{reason} {n}" for reason, n in self.left_out.most_common()))
        if languages[UNDETERMINED]:
            parts.append(f"language unknown {languages[UNDETERMINED]}")
        if self.repeated:
            parts.append(f"with the same text as an earlier sentence {self.repeated} (they stay in the population)")
        warning = fragments_line(len(population), self.lower, self.open_ended, self.left_out[_REASONS[NO_LETTERS]])
        read = counted(self.records, "row or document", "rows or documents")
        return [*([warning] if warning else []), f"Read {read}: " + "; ".join(parts)]


#: The reasons of the column `error` in messages. All other reasons mean that a row cannot be read.
_REASONS = {NO_LETTERS: "without letters", PAGE_LINE: "page headers, footers and numbers"}


@dataclass(frozen=True)
class _Nobody:
    """Stands in for the model of rows that are not labelled, of which only the names of the labels are needed."""

    codebook: Codebook


def _batches(
    reader: ShardReader, codebook: Codebook, counts: _Counts, progress: ProgressReporter
) -> Iterator[list[Row]]:
    """Yield the sentences of each shard as rows."""
    positions = Positions()
    nobody = cast("Classifier", _Nobody(codebook))
    for shard in reader.shards():
        progress.begin()
        found = positions.complete(label_shard(shard, nobody, blank=True))
        rows = []
        for row in found.table.to_pylist():
            reason = row.pop(ERROR)
            if reason is None and not is_blank(row["text"]):
                rows.append(row)
            else:
                counts.left_out["empty" if reason is None else _REASONS.get(reason, "unreadable")] += 1
        counts.add(found, rows)
        yield rows
        progress.done(shard.position, len(rows))
