"""Stand-off labels: labels of public texts, kept without the texts and joined with them by hash.

A stand-off file is a table with a column `sha256` in place of `text` (see `communique.data.sentence.text_sha256`). The texts
come from tables with a column of texts, or from plain text with one sentence a line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import DataError
from ..io.encoding import read_text
from ..io.paths import list_files
from ..io.read import Table, read_table
from ..io.suffixes import TABLE_SUFFIXES, ending
from ..io.tables import Row
from ..io.write import write_jsonl
from ..text.language import UNDETERMINED
from .codebook import Codebook
from .corpus import Corpus
from .labels import split_labels
from .reader import CorpusReader, find_column
from .sentence import Sentence, text_sha256
from .sources import CorpusFields

#: Column of the hash.
HASH = "sha256"


@dataclass(frozen=True)
class Join:
    """How many stand-off labels found their texts, and which did not.

    `missing` counts the labels without a text by source; `missing_ids` names them.
    """

    found: int
    missing: Mapping[str, int]
    missing_ids: tuple[str, ...]

    def describe(self) -> str:
        """Say in one line how many labels found their texts and which sources lack theirs."""
        line = f"{self.found} of {self.found + len(self.missing_ids)} stand-off labels found their texts"
        if not self.missing_ids:
            return line
        by_source = ", ".join(f"{source} {n}" for source, n in self.missing.items())
        return f"{line}; missing by source: {by_source} (first: {self.missing_ids[0]}); sources.yaml says where they are found"


def is_standoff(table: Table) -> bool:
    """Say whether a table has hashes in place of texts."""
    return HASH in table.columns and find_column(table.columns, "text") is None


def texts_by_hash(path: str | Path) -> dict[str, str]:
    """Read texts and key them by their hash.

    Args:
        path: A file or a folder; of each table the column of texts is read, of `.txt` files each line.

    Raises:
        DataError: Nothing is there, or a file cannot be read.
    """
    texts: list[str] = []
    for file in list_files(path, (".txt", *TABLE_SUFFIXES)):
        if ending(file)[0] == ".txt":
            texts += read_text(file)[0].splitlines()
        else:
            table = read_table(file)
            column = find_column(table.columns, "text")
            if column is not None:
                texts += (row[column] for _, row in table.rows if isinstance(row.get(column), str))
    return {text_sha256(text): text for text in texts}


def join(table: Table, texts: Mapping[str, str]) -> Join:
    """Give a stand-off table its texts, in a column `text`; rows whose text is missing leave the table.

    Args:
        table: A stand-off table; it is changed.
        texts: Texts by hash.
    """
    found: list[tuple[int, Row]] = []
    missing: Counter[str] = Counter()
    missing_ids = []
    for number, row in table.rows:
        text = texts.get(str(row.get(HASH)))
        if text is None:
            missing[str(row.get("source") or "unknown")] += 1
            missing_ids.append(str(row.get("id", number)))
        else:
            found.append((number, {**row, "text": text}))
    table.rows = found
    table.columns.append("text")
    return Join(len(found), missing, tuple(missing_ids))


def write_standoff(path: str | Path, rows: Iterable[Row]) -> None:
    """Write labelled rows as a stand-off file: every field but the texts, and the hash of the text.

    Args:
        path: Where to write JSON Lines.
        rows: Labelled rows with `text`; `previous` and `annotators` are left out too.
    """
    write_jsonl(
        path,
        (
            {k: v for k, v in row.items() if k not in ("text", "previous", "annotators")}
            | {HASH: text_sha256(row["text"])}
            for row in rows
        ),
    )


def scan_corpora(
    paths: Iterable[str | Path],
    codebook: Codebook,
    texts: str | Path | None,
    *,
    columns: Mapping[str, str] | None = None,
    labelled: bool = True,
) -> tuple[Corpus, list[str], list[str]]:
    """Read corpora, reference files among them; each file is read once.

    Args:
        paths: Tables, folders or globs. Reference files need `texts`, and are left out and told without.
        codebook: The labels' codebook.
        texts: A file or folder of texts.
        columns: Names of columns by field of `Sentence`, where they differ from `corpus.COLUMNS`.
        labelled: Whether rows without labels are at fault.

    Returns:
        The sentences that are readable, lines that say what was joined, missing or left out, and one line for every
        problem.
    """
    sources = [CorpusFields(path=str(path), columns=dict(columns or {})) for path in paths]
    return scan_sources(sources, codebook, texts, labelled=labelled)


def scan_sources(
    sources: Iterable[CorpusFields], codebook: Codebook, texts: str | Path | None, *, labelled: bool = True
) -> tuple[Corpus, list[str], list[str]]:
    """Read the corpora of a recipe; what rows say of themselves goes before what the recipe says of all.

    Arguments and results as in `scan_corpora`.
    """
    reader = CorpusReader(codebook, {}, labelled)
    messages: list[str] = []
    known: dict[str, str] | None = None
    for source, path in ((origin, path) for origin in sources for path in list_files(origin.path)):
        reader.column_map = source.columns
        try:
            table = read_table(path)
            if is_standoff(table):
                if texts is None:
                    messages.append(
                        f"{path}: left out, its texts are not part of the project; give their folder (TEXTS=DIR, --texts DIR)"
                    )
                    continue
                known = texts_by_hash(texts) if known is None else known
                messages.append(f"{path}: {join(table, known).describe()}")
            _translate_labels(table, source, codebook)
            start = len(reader.sentences)
            reader.add(table)
            reader.sentences[start:] = [_completed(s, source) for s in reader.sentences[start:]]
        except DataError as error:
            reader.problems += error.problems
    return Corpus(tuple(reader.sentences), reader.files, tuple(reader.notes)), messages, reader.problems


def _translate_labels(table: Table, source: CorpusFields, codebook: Codebook) -> None:
    column = source.columns.get("labels") or find_column(table.columns, "labels")
    if not source.labels or column is None:
        return
    for _, row in table.rows:
        # A cell that cannot be read stays as it is: the reader tells its row.
        with suppress(ValueError):
            if row.get(column) is not None:
                row[column] = [source.labels.get(part, part) for part in split_labels(row[column], codebook)]


def _completed(sentence: Sentence, source: CorpusFields) -> Sentence:
    language = source.language if sentence.language == UNDETERMINED else None
    return replace(sentence, language=language or sentence.language, source=sentence.source or source.source)


def read_sources(
    sources: Iterable[CorpusFields], codebook: Codebook, texts: str | Path | None
) -> tuple[Corpus, list[str]]:
    """Read the corpora of a recipe; results and errors as in `read_corpora`."""
    corpus, messages, problems = scan_sources(sources, codebook, texts)
    if problems:
        raise DataError(*problems)
    return corpus, messages


def read_corpora(paths: Iterable[str | Path], codebook: Codebook, texts: str | Path | None) -> tuple[Corpus, list[str]]:
    """Read labelled corpora, reference files among them; arguments as in `scan_corpora`.

    Returns:
        The sentences, and lines that say what was joined, missing or left out.

    Raises:
        DataError: It holds every problem of every file, one line each.
    """
    return read_sources([CorpusFields(path=str(path)) for path in paths], codebook, texts)
