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

#: Column names that are recognised for each field of `Sentence` if the user names no column.
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


#: Names of columns that may contain document identifiers.
_DOCUMENT_LIKE = re.compile(
    r"doc|speech|rede|discours|discurs|article|artikel|debat|press|statement|text|file|datei|url|link|titl|tit[re]|manifest"
    r"|transcript|interview|report|source|anförande|выступ|документ"
    r"|(?:^|[_. -])(?:id|nr|no|num|number|key|code)$",
    re.IGNORECASE,
)


def find_column(columns: Sequence[str], name: str) -> str | None:
    """Return the column of a field of `Sentence`, or None if no column has one of its names in `COLUMNS`.

    Upper and lower case are not distinguished. If columns differ only in case, the first one is returned.
    """
    lower = {column.lower(): column for column in reversed(columns)}
    return next((lower[alias] for alias in COLUMNS[name] if alias in lower), None)


def document_like(rows: Sequence[Row], known: set[str]) -> str | None:
    """Return the column that probably identifies documents, or None if there is none.

    Its name suggests documents, and the rows of each of its values are consecutive.

    Args:
        rows: The first rows of a table.
        known: Columns that have another meaning.
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
    """Convert rows of tables to sentences, and collect the problems of all tables."""

    def __init__(self, codebook: Codebook | None, columns: Mapping[str, str], labelled: bool) -> None:
        self.codebook, self.column_map, self.labelled = codebook, columns, labelled
        self.sentences: list[Sentence] = []
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.files: dict[str, str] = {}
        self._seen: dict[str, str] = {}

    def read(self, path: Path) -> None:
        """Read the rows of a file. If the file as a whole cannot be read, this is recorded as a problem too."""
        try:
            self.add(read_table(path))
        except DataError as error:
            self.problems += error.problems

    def add(self, table: Table) -> None:
        """Convert the rows of a table that has been read."""
        path = table.path
        self.files[str(path)] = file_sha256(path)
        self.notes += table.notes
        self.problems += table.problems
        fields, label_columns = self._fields(table)
        if "document" not in fields:
            rows = [row for _, row in table.rows[:1000]]
            like = document_like(rows, known=set(fields.values()))
            hint = (
                f". The values of column {like!r} repeat in consecutive rows. If it identifies the document, name it with "
                "--document-column"
                if like
                else ""
            )
            self.notes.append(
                f"{path}: there is no document column ({', '.join(COLUMNS['document'])}), so each row counts as a separate "
                f"document{hint}"
            )
        elif lacking := sum(not cell(row, fields["document"]) for _, row in table.rows):
            self.notes.append(
                f"{path}: {lacking} {'row has' if lacking == 1 else 'rows have'} no document in column {fields['document']!r}. "
                "Each such row counts as a separate document"
            )
        positions: Counter[str] = Counter()
        blank = 0
        for number, row in table.rows:
            try:
                sentence = self._sentence(path, number, row, fields, label_columns, positions)
            except ValueError as error:
                self.problems.append(f"{path}, row {number}: {error}")
                continue
            if (other := self._seen.get(sentence.id)) is not None:
                self.problems.append(
                    f"{path}, row {number}: id {sentence.id!r} is also the id of {other}. Give each row a different id"
                )
                continue
            self._seen[sentence.id] = f"{path}, row {number}"
            self.sentences.append(sentence)
            blank += self.codebook is not None and row.get(fields.get("labels", "")) == ""
        if blank:
            self.notes.append(
                f"{path}: {blank} {'row' if blank == 1 else 'rows'} with an empty cell in column {fields['labels']!r} "
                f"{'counts' if blank == 1 else 'count'} as labelled with no label. Delete rows that nobody labelled, and write "
                "'none' where no label applies"
            )

    def _fields(self, table: Table) -> tuple[dict[str, str], list[str]]:
        """Return the column of each field, and the label columns of a table that has one column per label."""
        fields: dict[str, str] = {}
        for name in COLUMNS:
            if name in self.column_map:
                if self.column_map[name] not in table.columns:
                    raise DataError(
                        f"{table.path}: there is no column {self.column_map[name]!r} for the field {name!r}. Name one of the "
                        f"columns: {', '.join(table.columns)}"
                    )
                fields[name] = self.column_map[name]
            elif (found := find_column(table.columns, name)) is not None:
                fields[name] = found
        if "text" not in fields:
            raise DataError(
                f"{table.path}: there is no text column ({', '.join(COLUMNS['text'])}). Rename one of the columns, or name it with "
                f"--text-column if the command has this option: {', '.join(table.columns)}"
            )
        if self.codebook is None or "labels" in fields:
            return fields, []
        lower = {column.lower(): column for column in reversed(table.columns)}
        label_columns = [lower[name.lower()] for name in self.codebook.names if name.lower() in lower]
        if len(label_columns) not in (0, len(self.codebook.names)):
            missing = [name for name in self.codebook.names if name.lower() not in lower]
            raise DataError(
                f"{table.path}: some labels have a column and others do not. Add a column with 0 or 1 for: {', '.join(missing)}"
            )
        if self.labelled and not label_columns:
            raise DataError(
                f"{table.path}: there are no labels. Add a column 'labels' (a|b), or one column per label: "
                f"{', '.join(self.codebook.names)}"
            )
        return fields, label_columns

    def _sentence(
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
                raise ValueError(f"column {fields[name]!r} contains {value.reason}")
            found = cell(row, fields.get(name))
            return None if found is None or is_missing(found) else found

        value = row.get(fields["text"])
        if value is not None and not isinstance(value, str):
            raise ValueError(
                f"column {fields['text']!r}: {value!r} has the type {type(value).__name__}. Write text, or delete the row"
            )
        if (text := get("text")) is None:
            raise ValueError(f"column {fields['text']!r}: the text is empty. Write the sentence, or delete the row")
        text.encode()  # Raises UnicodeEncodeError, which is a ValueError, if the text contains a lone surrogate.
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
                raise ValueError(
                    f"column {fields['index']!r}: {given!r} is not a whole number. Write the position of the sentence in its "
                    "document"
                ) from None
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
                raise ValueError(f"column {column!r} contains {given.reason}")
            if row.get(column) is None:
                if self.labelled:
                    raise ValueError(
                        f"column {column!r}: there are no labels. Write them as a|b, or write 'none' if no label applies"
                    )
                return None
            try:
                return self.codebook.validate_labels(split_labels(row[column], self.codebook))
            except ValueError as error:
                raise ValueError(f"column {column!r}: {error}") from None
        if not label_columns:
            return None
        # An empty cell means no, because many tables mark only the labels that apply. A null means that nobody answered.
        if (null := next((c for c in label_columns if row.get(c, "") is None), None)) is not None:
            raise ValueError(f"column {null!r}: the value is missing. Write yes or no")
        answers = read_answers(row, dict(zip(self.codebook.names, label_columns, strict=True)))
        return self.codebook.validate_labels(name for name, answer in answers.items() if answer)


def _weight(column: str, given: str) -> float:
    try:
        weight = as_number(given)
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise ValueError(
            f"column {column!r}: {given!r} is not a number above 0. Correct it, or rename the column if it does not contain design "
            "weights"
        )
    return weight
