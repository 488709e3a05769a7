"""The corpus: statements with their provenance. It owns splitting by document and the leak check."""

from __future__ import annotations

import glob
import hashlib
import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .codebook import Codebook
from .errors import DataError, LeakError
from .statements import UNDETERMINED, Statement
from .tables import SUFFIXES, Row, Table, cell, read_table

#: Names under which a column is found when it is not told. The first is the field of `Statement`.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "text": ("text", "sentence", "statement", "content"),
    "id": ("id", "sentence_id", "statement_id", "uid"),
    "document": ("document", "doc_id", "document_id", "doc"),
    "index": ("index", "position", "sentence_index"),
    "language": ("language", "lang"),
    "labels": ("labels", "label"),
    "previous": ("previous",),
    "source": ("source",),
    "sampling": ("sampling",),
    "genre": ("genre",),
    "date": ("date", "year"),
    "weight": ("weight",),
}

_TRUE = {"1", "1.0", "true", "yes", "y", "x"}
_FALSE = {"0", "0.0", "false", "no", "n", ""}


def find_column(columns: Sequence[str], name: str) -> str | None:
    """Find the column of a field of `Statement` by the names of `COLUMNS`, in any case; of equal names the first."""
    lower = {column.lower(): column for column in reversed(columns)}
    return next((lower[alias] for alias in COLUMNS[name] if alias in lower), None)


@dataclass(frozen=True)
class Corpus:
    """Statements in the order of their files, and where they came from.

    `files` maps each file to the SHA-256 of its bytes. `notes` tells what was assumed while reading.
    """

    statements: tuple[Statement, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.statements)

    def __iter__(self) -> Iterator[Statement]:
        return iter(self.statements)

    def __add__(self, other: Corpus) -> Corpus:
        return Corpus(self.statements + other.statements, {**self.files, **other.files}, self.notes + other.notes)

    @classmethod
    def read(
        cls,
        paths: str | Path | Sequence[str | Path],
        codebook: Codebook | None = None,
        *,
        columns: Mapping[str, str] | None = None,
        labelled: bool = False,
    ) -> Corpus:
        """Read a corpus from tables.

        Args:
            paths: A file, a folder (its tables), a glob, or several of them.
            codebook: Needed to read labels; without it labels are not read.
            columns: Names of columns by field of `Statement`, where they differ from `COLUMNS`.
            labelled: Whether rows without labels are at fault.

        Raises:
            DataError: It holds every problem of every file, one line each.
        """
        corpus, problems = cls.scan(paths, codebook, columns=columns, labelled=labelled)
        if problems:
            raise DataError(*problems)
        return corpus

    @classmethod
    def scan(
        cls,
        paths: str | Path | Sequence[str | Path],
        codebook: Codebook | None = None,
        *,
        columns: Mapping[str, str] | None = None,
        labelled: bool = False,
    ) -> tuple[Corpus, list[str]]:
        """Read what is readable; return it with one line for every problem. Arguments as in `read`."""
        reader = CorpusReader(codebook, columns or {}, labelled)
        for path in table_paths(paths):
            reader.read(path)
        return reader.corpus, reader.problems

    def where(self, condition: Callable[[Statement], bool]) -> Corpus:
        """Keep the statements that fulfil a condition."""
        return Corpus(tuple(s for s in self.statements if condition(s)), self.files, self.notes)

    @property
    def documents(self) -> dict[tuple[str | None, str], list[Statement]]:
        """Statements by source and document, in order of appearance."""
        documents: dict[tuple[str | None, str], list[Statement]] = defaultdict(list)
        for statement in self.statements:
            documents[statement.source, statement.document].append(statement)
        return dict(documents)

    def split(self, share: float, *, seed: int) -> tuple[Corpus, Corpus]:
        """Split by document, so that the second part has about `share` of each source's and language's statements.

        Where statements say how they were sampled, only those with `sampling: random` count for the share, and only
        documents that have some are drawn.

        Args:
            share: Between 0 and 1.
            seed: Another seed draws other documents.

        Returns:
            Two corpora without a common document; the second is the drawn one.
        """
        counted = [s for s in self.statements if s.sampling == "random"] or list(self.statements)
        strata: dict[tuple[str, str], Counter[tuple[str | None, str]]] = defaultdict(Counter)
        stratum_of: dict[tuple[str | None, str], tuple[str, str]] = {}
        for s in counted:
            key = s.source, s.document
            stratum = stratum_of.setdefault(key, (s.source or "", s.language))
            strata[stratum][key] += 1
        drawn: set[tuple[str | None, str]] = set()
        for stratum, sizes in sorted(strata.items()):
            wanted, taken = share * sizes.total(), 0
            documents = sorted(sizes, key=lambda key: key[1])
            random.Random(f"{seed}/{stratum}").shuffle(documents)
            for document in documents:
                # A document that overshoots by more than it helps is left: one debate can be half of a language.
                if abs(taken + sizes[document] - wanted) < abs(taken - wanted):
                    drawn.add(document)
                    taken += sizes[document]
        return (
            self.where(lambda s: (s.source, s.document) not in drawn),
            self.where(lambda s: (s.source, s.document) in drawn),
        )

    def fingerprint(self) -> Fingerprint:
        """Hash documents and texts, so that a later corpus can be held against them."""
        return Fingerprint(
            documents=frozenset(_short(f"{s.source or ''}\x1f{s.document}") for s in self.statements),
            texts=frozenset(s.sha256[:SHORT] for s in self.statements),
        )


#: Hexadecimal digits kept of a hash in a fingerprint: 64 bits, enough for a billion texts with few collisions.
SHORT = 16


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:SHORT]


@dataclass(frozen=True)
class Fingerprint:
    """Hashes of the documents and texts of a corpus, without the texts."""

    documents: frozenset[str]
    texts: frozenset[str]

    def shares(self, statement: Statement) -> str | None:
        """Say what a statement shares with the corpus: `document`, `text` or nothing."""
        if _short(f"{statement.source or ''}\x1f{statement.document}") in self.documents:
            return "document"
        return "text" if statement.sha256[:SHORT] in self.texts else None

    def check(self, corpus: Corpus) -> None:
        """Refuse a corpus that shares documents or texts.

        Raises:
            LeakError: One line names the first shared statements and the count of all.
        """
        shared = [(s, kind) for s in corpus if (kind := self.shares(s))]
        if shared:
            first, kind = shared[0]
            documents = len({(s.source, s.document) for s, kind in shared if kind == "document"})
            raise LeakError(
                f"{next(iter(corpus.files), 'corpus')}: {len(shared)} of {len(corpus)} rows are shared with the training data "
                f"({documents} documents; first: id {first.id!r}, same {kind}); a score on them would not be one on new "
                "text; give other data, or leave those rows out with --drop-shared"
            )


def table_paths(paths: str | Path | Sequence[str | Path]) -> list[Path]:
    """List the tables that a file, a folder, a glob or several of them name, sorted within each.

    Raises:
        DataError: Nothing is there.
    """
    given = [paths] if isinstance(paths, (str, Path)) else list(paths)
    found: list[Path] = []
    for one in given:
        path = Path(one)
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
        elif path.exists():
            inside = [path]
        else:
            inside = sorted(map(Path, glob.glob(str(one), recursive=True)))
        if not inside:
            raise DataError(f"{one}: no such file, folder or pattern with a table ({', '.join(SUFFIXES)})")
        found += inside
    return found


class CorpusReader:
    """Turn rows of tables into statements and collect the problems of all of them."""

    def __init__(self, codebook: Codebook | None, columns: Mapping[str, str], labelled: bool) -> None:
        self.codebook, self.told, self.labelled = codebook, columns, labelled
        self.statements: list[Statement] = []
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.files: dict[str, str] = {}
        self._seen: dict[str, str] = {}

    @property
    def corpus(self) -> Corpus:
        """What was readable so far."""
        return Corpus(tuple(self.statements), self.files, tuple(self.notes))

    def read(self, path: Path) -> None:
        """Read a file; what is wrong with it as a whole is a problem too."""
        try:
            self.add(read_table(path))
        except DataError as error:
            self.problems += error.problems

    def add(self, table: Table) -> None:
        """Take the rows of a table that was read."""
        path = table.path
        self.files[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
        self.notes += table.notes
        self.problems += table.problems
        fields, label_columns = self._fields(table)
        if "document" not in fields:
            self.notes.append(
                f"{path}: no column for the document ({', '.join(COLUMNS['document'])}); each row counts as a document of its own"
            )
        positions: Counter[str] = Counter()
        blank = 0
        for number, row in table.rows:
            try:
                statement = self._statement(path, number, row, fields, label_columns, positions)
            except ValueError as error:
                self.problems.append(f"{path}, row {number}: {error}")
                continue
            if (other := self._seen.get(statement.id)) is not None:
                self.problems.append(
                    f"{path}, row {number}: id {statement.id!r} is also that of {other}; ids must differ, rename one"
                )
                continue
            self._seen[statement.id] = f"{path}, row {number}"
            self.statements.append(statement)
            blank += self.codebook is not None and row.get(fields.get("labels", "")) == ""
        if blank:
            self.notes.append(
                f"{path}: {blank} rows with an empty cell in {fields['labels']!r} count as labelled with none; delete rows that "
                "nobody labelled, or write 'none' where none applies"
            )

    def _fields(self, table: Table) -> tuple[dict[str, str], list[str]]:
        """Find the column of each field, and the columns of a table with one column a label."""
        fields: dict[str, str] = {}
        for name in COLUMNS:
            if name in self.told:
                if self.told[name] not in table.columns:
                    raise DataError(
                        f"{table.path}: no column {self.told[name]!r} for {name}; columns: {', '.join(table.columns)}"
                    )
                fields[name] = self.told[name]
            elif (found := find_column(table.columns, name)) is not None:
                fields[name] = found
        if "text" not in fields:
            raise DataError(
                f"{table.path}: no column for the text; allowed: {', '.join(COLUMNS['text'])}; columns: "
                f"{', '.join(table.columns)}; rename one or name it with --text-column"
            )
        if self.codebook is None or "labels" in fields:
            return fields, []
        lower = {column.lower(): column for column in reversed(table.columns)}
        label_columns = [lower[name.lower()] for name in self.codebook.names if name.lower() in lower]
        if len(label_columns) not in (0, len(self.codebook.names)):
            missing = [name for name in self.codebook.names if name.lower() not in lower]
            raise DataError(
                f"{table.path}: columns for some labels only; missing: {', '.join(missing)}; add them (0 or 1)"
            )
        if self.labelled and not label_columns:
            raise DataError(
                f"{table.path}: no labels; give a column 'labels' (a|b), or one column a label: {', '.join(self.codebook.names)}"
            )
        return fields, label_columns

    def _statement(
        self,
        path: Path,
        number: int,
        row: Row,
        fields: Mapping[str, str],
        label_columns: Sequence[str],
        positions: Counter[str],
    ) -> Statement:
        def get(name: str) -> str | None:
            return cell(row, fields.get(name))

        value = row.get(fields["text"])
        if value is not None and not isinstance(value, str):
            raise ValueError(f"column {fields['text']!r}: {value!r} is a {type(value).__name__}; a text is needed")
        if (text := get("text")) is None:
            raise ValueError(f"column {fields['text']!r}: empty text; write the sentence or delete the row")
        text.encode()  # A lone surrogate raises UnicodeEncodeError, a ValueError that names it.
        document = get("document") or f"{path.stem}:{number}"
        index = positions[document]
        if (given := get("index")) is not None:
            try:
                index = int(float(given))
                if index != float(given):
                    raise ValueError
            except (ValueError, OverflowError):
                raise ValueError(f"column {fields['index']!r}: {given!r}; allowed: whole numbers; correct it") from None
        positions[document] = index + 1
        return Statement(
            id=get("id") or f"{path.stem}:{number}",
            text=text,
            document=document,
            index=index,
            language=get("language") or UNDETERMINED,
            previous=get("previous"),
            labels=self._labels(row, fields.get("labels"), label_columns),
            source=get("source"),
            sampling=get("sampling"),
            genre=get("genre"),
            date=get("date"),
            weight=_weight(fields["weight"], given) if (given := get("weight")) is not None else None,
        )

    def _labels(self, row: Row, column: str | None, label_columns: Sequence[str]) -> tuple[str, ...] | None:
        if self.codebook is None:
            return None
        if column is not None:
            if row.get(column) is None:
                if self.labelled:
                    raise ValueError(f"column {column!r}: no labels; write them as a|b, or 'none' where none applies")
                return None
            try:
                return self.codebook.validate_labels(split_labels(row[column], self.codebook))
            except ValueError as error:
                raise ValueError(f"column {column!r}: {error}") from None
        if not label_columns:
            return None
        chosen = []
        for name, label_column in zip(self.codebook.names, label_columns, strict=True):
            value = str(row.get(label_column, "")).strip().lower()
            if value not in _TRUE and value not in _FALSE:
                raise ValueError(f"column {label_column!r}: {row[label_column]!r}; allowed: 1, 0, TRUE, FALSE, yes, no")
            if value in _TRUE:
                chosen.append(name)
        return self.codebook.validate_labels(chosen)


def _weight(column: str, given: str) -> float:
    try:
        weight = float(given)
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise ValueError(
            f"column {column!r}: {given!r}; allowed: numbers above 0; correct it, or rename a column that holds no design weights"
        )
    return weight


def split_labels(value: Any, codebook: Codebook) -> list[str]:
    """Read a cell of labels: a list, a JSON list, ``a|b``, ``a;b``, ``a,b``, one label, or `none`.

    Raises:
        ValueError: The value is none of these.
    """
    if isinstance(value, str):
        value = value.strip()
        if value.startswith("["):
            try:
                value = json.loads(value)
            except ValueError:
                raise ValueError(f"{value!r} is not a JSON list; write a|b") from None
        else:
            for separator in ";,":
                value = value.replace(separator, "|")
            value = value.split("|")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        # UMSAB and many tables number their classes; a codebook may name its labels "0", "1", "2".
        value = [str(int(value)) if float(value).is_integer() else str(value)]
    if not isinstance(value, (list, tuple)) or not all(isinstance(part, (str, int)) for part in value):
        raise ValueError(f"{value!r} is no list of labels; write a|b or a JSON list")
    parts = [stripped for part in value if (stripped := str(part).strip())]
    if parts == ["none"] and codebook.multiple:
        return []
    return parts


def conflicts(statements: Iterable[Statement]) -> list[str]:
    """Warn of equal texts with different labels, one line a text."""
    by_text: dict[str, list[Statement]] = defaultdict(list)
    for statement in statements:
        if statement.labels is not None:
            by_text[statement.sha256].append(statement)
    lines = []
    for same in by_text.values():
        if len({s.labels for s in same}) > 1:
            given = "; ".join(f"{s.id}: {'|'.join(s.labels or ()) or 'none'}" for s in same[:4])
            lines.append(f"{len(same)} rows have the text {same[0].text[:60]!r} with different labels ({given})")
    return lines
