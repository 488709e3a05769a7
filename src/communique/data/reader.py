"""Read labelled tables into sentences."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from ..errors import DataError
from ..io.atomic import file_sha256
from ..io.read import Table, as_number, cell, read_table
from ..io.tables import Row, Unreadable, is_missing
from ..text.language import UNDETERMINED
from ..text.language_codes import normalize_language
from .codebook import Codebook
from .labels import read_answers, split_labels
from .sentence import Sentence

#: Names under which a column is found when it is not told. The first is the field of `Sentence`.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "text": ("text", "sentence", "statement", "content"),
    "id": ("id", "sentence_id", "statement_id", "uid"),
    "document": (
        "document",
        "doc_id",
        "document_id",
        "doc",
        "docid",
        "doc_name",
        "speech_id",
        "speechid",
        "article_id",
        "filename",
        "file_name",
    ),
    "index": ("index", "position", "sentence_index", "sentence_nr", "sentence_number"),
    "language": ("language", "lang"),
    "labels": ("labels", "label"),
    "previous": ("previous",),
    "source": ("source",),
    "sampling": ("sampling",),
    "genre": ("genre",),
    "date": ("date", "year"),
    "weight": ("weight",),
    "parallel": ("parallel",),
}


#: Names of columns that may name documents.
_DOCUMENT_LIKE = re.compile(
    r"doc|speech|rede|discours|discurs|article|artikel|debat|press|statement|text|file|datei|url|link|titl|tit[re]|manifest"
    r"|transcript|interview|report|source|anförande|выступ|документ"
    r"|(?:^|[_. -])(?:id|nr|no|num|number|key|code)$",
    re.IGNORECASE,
)


def find_column(columns: Sequence[str], name: str) -> str | None:
    """Find the column of a field of `Sentence` by the names of `COLUMNS`, in any case; of equal names the first."""
    lower = {column.lower(): column for column in reversed(columns)}
    return next((lower[alias] for alias in COLUMNS[name] if alias in lower), None)


def document_like(rows: Sequence[Row], known: set[str]) -> str | None:
    """Return a column whose name and values look like those of documents: each value stands in neighbouring rows.

    Args:
        rows: The first rows of a table.
        known: Columns with another meaning.
    """
    best, most = None, 1
    for name in dict.fromkeys(name for row in rows[:1] for name in row):
        if name in known or not _DOCUMENT_LIKE.search(name):
            continue
        values = [row.get(name) for row in rows]
        if any(isinstance(value, (list, dict, float)) for value in values):
            continue
        runs = [value for value, _ in groupby(values)]
        distinct = len(set(runs))
        if distinct == len(runs) and most < distinct <= len(rows) / 2:
            best, most = name, distinct
    return best


class CorpusReader:
    """Turns rows of tables into sentences and collects the problems of all of them."""

    def __init__(self, codebook: Codebook | None, columns: Mapping[str, str], labelled: bool) -> None:
        self.codebook, self.column_map, self.labelled = codebook, columns, labelled
        self.sentences: list[Sentence] = []
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.files: dict[str, str] = {}
        self._seen: dict[str, str] = {}

    def read(self, path: Path) -> None:
        """Read a file; what is wrong with it as a whole is a problem too."""
        try:
            self.add(read_table(path))
        except DataError as error:
            self.problems += error.problems

    def add(self, table: Table) -> None:
        """Take the rows of a table that was read."""
        path = table.path
        self.files[str(path)] = file_sha256(path)
        self.notes += table.notes
        self.problems += table.problems
        fields, label_columns = self._fields(table)
        if "document" not in fields:
            rows = [row for _, row in table.rows[:1000]]
            like = document_like(rows, known=set(fields.values()))
            hint = f". Column {like!r} repeats over neighbouring rows: name it with --document-column" if like else ""
            self.notes.append(
                f"{path}: no column for the document ({', '.join(COLUMNS['document'])}); each row counts as a document of its "
                f"own{hint}"
            )
        elif lacking := sum(not cell(row, fields["document"]) for _, row in table.rows):
            self.notes.append(f"{path}: {lacking} rows name no document; each of them counts as a document of its own")
        positions: Counter[str] = Counter()
        blank = 0
        for number, row in table.rows:
            try:
                sentence = self._statement(path, number, row, fields, label_columns, positions)
            except ValueError as error:
                self.problems.append(f"{path}, row {number}: {error}")
                continue
            if (other := self._seen.get(sentence.id)) is not None:
                self.problems.append(
                    f"{path}, row {number}: id {sentence.id!r} is also that of {other}; ids must differ, rename one"
                )
                continue
            self._seen[sentence.id] = f"{path}, row {number}"
            self.sentences.append(sentence)
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
            if name in self.column_map:
                if self.column_map[name] not in table.columns:
                    raise DataError(
                        f"{table.path}: no column {self.column_map[name]!r} for {name}; columns: {', '.join(table.columns)}"
                    )
                fields[name] = self.column_map[name]
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
    ) -> Sentence:
        def get(name: str) -> str | None:
            value = row.get(fields.get(name, ""))
            if isinstance(value, Unreadable):
                raise ValueError(f"column {fields[name]!r} holds {value.reason}")
            found = cell(row, fields.get(name))
            return None if found is None or is_missing(found) else found

        value = row.get(fields["text"])
        if value is not None and not isinstance(value, str):
            raise ValueError(f"column {fields['text']!r}: {value!r} is a {type(value).__name__}; a text is needed")
        if (text := get("text")) is None:
            raise ValueError(f"column {fields['text']!r}: empty text; write the sentence or delete the row")
        text.encode()  # A lone surrogate raises UnicodeEncodeError, a ValueError that names it.
        language = get("language")
        if language is not None:
            try:
                language = normalize_language(language)
            except ValueError as error:
                raise ValueError(f"column {fields['language']!r}: {error}") from None
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
        return Sentence(
            id=get("id") or f"{path.stem}:{number}",
            text=text,
            document=document,
            index=index,
            language=language or UNDETERMINED,
            previous=get("previous"),
            labels=self._labels(row, fields.get("labels"), label_columns),
            source=get("source"),
            sampling=get("sampling"),
            genre=get("genre"),
            date=get("date"),
            weight=_weight(fields["weight"], given) if (given := get("weight")) is not None else None,
            parallel=get("parallel"),
        )

    def _labels(self, row: Row, column: str | None, label_columns: Sequence[str]) -> tuple[str, ...] | None:
        if self.codebook is None:
            return None
        if column is not None:
            if isinstance(given := row.get(column), Unreadable):
                raise ValueError(f"column {column!r} holds {given.reason}")
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
        # An empty cell means no, because many tables mark only the labels that apply. A null was never answered.
        if (null := next((c for c in label_columns if row.get(c, "") is None), None)) is not None:
            raise ValueError(f"column {null!r}: no value. Write yes or no")
        answers = read_answers(row, dict(zip(self.codebook.names, label_columns, strict=True)))
        return self.codebook.validate_labels(name for name, answer in answers.items() if answer)


def _weight(column: str, given: str) -> float:
    try:
        weight = as_number(given)
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise ValueError(
            f"column {column!r}: {given!r}; allowed: numbers above 0; correct it, or rename a column that holds no design weights"
        )
    return weight
