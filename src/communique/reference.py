"""Reference labels: labels of public texts, kept without the texts and joined with them by hash.

A reference file is a table with a column `sha256` in place of `text` (see `communique.statements.text_sha256`). The texts
come from tables with a column of texts, or from plain text with one sentence a line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .codebook import Codebook
from .corpus import Corpus, CorpusReader, find_column, table_paths
from .errors import DataError
from .statements import Statement, text_sha256
from .tables import SUFFIXES, Row, read_table, read_text, write_jsonl

#: Column of the hash.
HASH = "sha256"


@dataclass(frozen=True)
class Join:
    """Labels that found their texts, and those that did not.

    `missing` counts the labels without a text by source; `missing_ids` names them.
    """

    corpus: Corpus
    missing: Mapping[str, int]
    missing_ids: tuple[str, ...]

    def describe(self) -> str:
        """Say in one line how many labels found their texts and which sources lack theirs."""
        line = f"{len(self.corpus)} of {len(self.corpus) + len(self.missing_ids)} reference labels found their texts"
        if not self.missing_ids:
            return line
        by_source = ", ".join(f"{source} {n}" for source, n in self.missing.items())
        return f"{line}; missing by source: {by_source} (first: {self.missing_ids[0]}); sources.yaml says where they are found"


def is_reference(path: str | Path) -> bool:
    """Say whether a table has hashes in place of texts."""
    columns = read_table(path).columns
    return HASH in columns and find_column(columns, "text") is None


def join(labels: str | Path, texts: str | Path, codebook: Codebook) -> Join:
    """Join reference labels with texts.

    Args:
        labels: The reference file.
        texts: A file or a folder; of each table the column of texts is read, of `.txt` files each line.
        codebook: The labels' codebook.

    Raises:
        DataError: The reference file is at fault, or no text is there.
    """
    by_hash = {text_sha256(text): text for text in _texts(Path(texts))}
    table = read_table(labels)
    if HASH not in table.columns:
        raise DataError(f"{labels}: no column {HASH!r}; a reference file has hashes in place of texts")
    found: list[tuple[int, Row]] = []
    missing: Counter[str] = Counter()
    missing_ids = []
    for number, row in table.rows:
        text = by_hash.get(str(row.get(HASH)))
        if text is None:
            missing[str(row.get("source") or "unknown")] += 1
            missing_ids.append(str(row.get("id", number)))
        else:
            found.append((number, {**row, "text": text}))
    table.rows = found
    table.columns.append("text")
    reader = CorpusReader(codebook, {}, labelled=True)
    reader.add(table)
    if reader.problems:
        raise DataError(*reader.problems)
    return Join(reader.corpus, missing, tuple(missing_ids))


def _texts(path: Path) -> Iterable[str]:
    if not path.exists():
        raise DataError(f"{path}: no such file or folder of texts")
    inside = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    for file in inside:
        if file.suffix.lower() == ".txt":
            yield from read_text(file)[0].splitlines()
        elif file.suffix.lower() in SUFFIXES:
            table = read_table(file)
            column = find_column(table.columns, "text")
            if column is not None:
                yield from (row[column] for _, row in table.rows if isinstance(row.get(column), str))


def write_reference(path: str | Path, rows: Iterable[Row]) -> None:
    """Write labelled rows as a reference file: every field but the texts, and the hash of the text.

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


def read_corpora(paths: Iterable[Path], codebook: Codebook, texts: Path | None) -> tuple[Corpus, list[str]]:
    """Read labelled corpora, reference files among them.

    Args:
        paths: Tables, folders or globs. Reference files need `texts`, and are left out and told without.
        codebook: The labels' codebook.
        texts: A file or folder of texts.

    Returns:
        The statements, and lines that say what was joined, missing or left out.

    Raises:
        DataError: Rows are at fault; two files hold the same id.
    """
    corpus, told = Corpus(()), []
    for path in table_paths(list(paths)):
        if not is_reference(path):
            corpus += Corpus.read(path, codebook, labelled=True)
        elif texts is None:
            told.append(
                f"{path}: left out, its texts are not part of the project; give their folder (TEXTS=DIR, --texts DIR)"
            )
        else:
            joined = join(path, texts, codebook)
            told.append(f"{path}: {joined.describe()}")
            corpus += joined.corpus
    repeated = _repeated(corpus.statements)
    if repeated:
        raise DataError(f"{', '.join(corpus.files)}: the id {repeated!r} appears twice; ids must differ, rename one")
    return corpus, told


def _repeated(statements: Iterable[Statement]) -> str | None:
    counts = Counter(s.id for s in statements)
    return next((id for id, n in counts.items() if n > 1), None)
