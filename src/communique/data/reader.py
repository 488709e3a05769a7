"""Read labelled tables into sentences."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, count, groupby, islice
from pathlib import Path

from ..errors import DataError
from ..io.atomic import file_sha256
from ..io.read import Table, as_number, cell, has_decimal_comma, read_table
from ..io.tables import NO_KEYS, Row, Unreadable, is_missing, is_unnamed
from ..reporting.format import counted
from ..text.cleaning import SURROGATE
from ..text.language import UNDETERMINED
from ..text.language_codes import normalize_language
from .acts import Act, Span, read_acts
from .codebook import Codebook
from .label_columns import describe_unknown, label_columns, note_unread, unknown_columns
from .labels import is_uncoded, read_answers, split_labels
from .predictions import DecimalCommas
from .predictions_schema import OUTPUT_LABELS, refuse_predictions
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


#: Column that contains holder, target and kind by label (see `read_acts`). Only JSON Lines and Parquet can contain it.
ACTS = "acts"

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


def describe_names_below(path: str, rows: Iterable[tuple[int, Row]], text: str | None = None) -> str | None:
    """Return a message if the names of the columns seem to be in a row below a title, or None.

    A title leaves most cells of the first row empty. Otherwise, a cell such as `text` or `speech` is an ordinary value.

    Args:
        path: The table, for the message.
        rows: The numbers and the cells of its first rows.
        text: Name of the text column. Default: any name in `COLUMNS`.
    """
    for number, row in islice(rows, 10):
        names = {column: name for column, value in row.items() if (name := str(value or "").strip())}
        if len(names) < 2 or 2 * sum(map(is_unnamed, names)) < len(names):
            continue
        if text in names.values() or (text is None and find_column([*names.values()], "text") is not None):
            return f"{path}: the column names are in row {number}, but they must be in the first row. Delete the rows above them"
    return None


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

    def __init__(
        self, codebook: Codebook | None, columns: Mapping[str, str], labelled: bool, *, refuse_model: bool = True
    ) -> None:
        """Start without sentences.

        Args:
            codebook: The labels. None: labels are not read.
            columns: Column for each field of `Sentence` whose column is not named as in `COLUMNS`.
            labelled: Whether rows without labels are left out.
            refuse_model: Whether labels that a model assigned are a problem. Otherwise, they are not read.
        """
        self.codebook, self.column_map, self.labelled = codebook, columns, labelled
        self.refuse_model = refuse_model
        self.sentences: list[Sentence] = []
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.files: dict[str, str] = {}
        self._seen: dict[str, str] = {}
        self._contents: dict[str, Path] = {}
        self._names: set[str] = set()

    def read(self, path: Path) -> None:
        """Read the rows of a file. If the file as a whole cannot be read, this is recorded as a problem too."""
        try:
            self.add(read_table(path))
        except DataError as error:
            self.problems += error.problems

    def add(self, table: Table) -> None:
        """Convert the rows of a table that has been read.

        Raises:
            DataError: A column is missing, or the table has the same rows as another one.
        """
        path = table.path
        self._refuse_twice(table)
        name = self._name(path)
        self.files[str(path)] = file_sha256(path)
        self.notes += table.notes
        self.problems += table.problems
        if not table.columns:
            if table.problems:
                return
            raise DataError(f"{path}: {NO_KEYS}")
        fields, answers = self._fields(table)
        if "document" not in fields:
            rows = [row for _, row in table.rows[:1000]]
            like = document_like(rows, known=set(fields.values()))
            hint = (
                f". The values of column {like!r} repeat in consecutive rows. If it identifies the document, rename it to "
                "'document', or name it with --document-column if the command has this option"
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
        coded = blank = 0
        commas = DecimalCommas()
        for number, row in table.rows:
            commas.see(row.get(fields.get("weight", "")), f"row {number}, {fields.get('weight')}")
            try:
                sentence = self._sentence(f"{name}:{number}", row, fields, answers, positions)
            except ValueError as error:
                self.problems.append(f"{path}, row {number}: {error}")
                continue
            if (other := self._seen.get(sentence.id)) is not None:
                self.problems.append(
                    f"{path}, row {number}: id {sentence.id!r} is also the id of {other}. Give each row a different id"
                )
                continue
            self._seen[sentence.id] = f"{path}, row {number}"
            coded += sentence.labels is not None
            blank += sentence.labels is None
            if sentence.labels is not None or not self.labelled:
                self.sentences.append(sentence)
        self.notes += commas.notes(path)
        if self.codebook is not None and (answers or "labels" in fields):
            self._report_blank(path, blank, coded, [*answers.values()] or [fields["labels"]])
        self._report_acts(table)

    def _refuse_twice(self, table: Table) -> None:
        """Refuse a table whose rows are those of another one, such as a copy of a file, because they would count twice."""
        if not table.rows:
            return
        content = hashlib.sha256(repr(table.rows).encode("utf-8", "surrogatepass")).hexdigest()
        other = self._contents.setdefault(content, table.path)
        if other is not table.path:
            what = "the table is named twice" if other == table.path else f"the table has the same rows as {other}"
            raise DataError(f"{table.path}: {what}, so each row would count twice. Name it only once")

    def _name(self, path: Path) -> str:
        """Return the beginning of ids of rows without an id: the name of the file, with folders if another file has this name."""
        parts = (*path.parts[:-1], path.stem)
        longer = ("/".join(parts[-n:]) for n in range(1, len(parts) + 1))
        again = (f"{path.stem}#{n}" for n in count(2))
        found = next(name for name in chain(longer, again) if name not in self._names)
        self._names.add(found)
        return found

    def _report_acts(self, table: Table) -> None:
        """Report values in the column of acts that are something else."""
        others = sum(not isinstance(row.get(ACTS) or None, Mapping | None) for _, row in table.rows)
        if others and self.codebook is not None:
            self.notes.append(
                f"{table.path}: {counted(others, 'row')} with a value in column {ACTS!r} that is not a mapping from labels to "
                "holder, target and kind. These values were not read"
            )

    def _report_blank(self, path: Path, blank: int, coded: int, columns: Sequence[str]) -> None:
        """Report the rows that nobody coded."""
        if not blank:
            return
        where = f"column {columns[0]!r} is empty" if len(columns) == 1 else "the cells of all labels are empty"
        none = "'none' where no label applies" if len(columns) == 1 else "'no' in each cell if no label applies"
        if self.labelled and not coded:
            self.problems.append(f"{path}: no row is coded: {where}. Write the labels, and write {none}")
        else:
            left_out = "left out " if self.labelled else ""
            self.notes.append(f"{path}: {left_out}{counted(blank, 'row')} that nobody coded: {where}. Write {none}")

    def _fields(self, table: Table) -> tuple[dict[str, str], dict[str, str]]:
        """Return the column of each field and, if the table has one column per label, the column of each label."""
        fields: dict[str, str] = {}
        # A column that the user named has no second meaning: `position` may contain the labels.
        others = [column for column in table.columns if column not in self.column_map.values()]
        for name in COLUMNS:
            if name in self.column_map:
                if self.column_map[name] not in table.columns:
                    raise DataError(
                        self._names_below(table)
                        or f"{table.path}: there is no column {self.column_map[name]!r} for the field {name!r}. Name one of the "
                        f"columns: {', '.join(table.columns)}"
                    )
                fields[name] = self.column_map[name]
            elif (found := find_column(others, name)) is not None:
                fields[name] = found
        if "text" not in fields:
            raise DataError(
                self._names_below(table)
                or f"{table.path}: there is no text column ({', '.join(COLUMNS['text'])}). Rename one of the columns, or name it "
                f"with --text-column if the command has this option: {', '.join(table.columns)}"
            )
        if self.codebook is None:
            return fields, {}
        answers = label_columns(table.columns, self.codebook)
        if "labels" in fields and (reason := self._of_model(table, fields["labels"])) is not None:
            if self.refuse_model:
                raise DataError(reason)
            self.notes.append(f"{reason}. These labels are not read")
            del fields["labels"]
        if "labels" in fields:
            if answers:
                shown = ", ".join(map(repr, answers.values()))
                self.notes.append(
                    f"{table.path}: the labels are read from column {fields['labels']!r}, not from the columns {shown}"
                )
            return fields, {}
        unknown = unknown_columns(table.columns, self.codebook, fields.values())
        if len(answers) not in (0, len(self.codebook.names)):
            missing = [name for name in self.codebook.names if name not in answers]
            raise DataError(
                f"{table.path}: some labels have a column and others do not. Add a column with yes or no for: "
                f"{', '.join(missing)}{describe_unknown(unknown, missing)}"
            )
        if self.labelled and not answers:
            hint = describe_unknown(unknown, ("labels", *self.codebook.names))
            raise DataError(
                f"{table.path}: there are no labels. Add a column 'labels' (a|b), or one column per label: "
                f"{', '.join(self.codebook.names)}{hint}"
                + (", or name it with --label-column (in a recipe, with `columns`)" if hint else "")
            )
        if answers:
            self.notes += note_unread(table.path, (row for _, row in table.rows), unknown, self.codebook)
        return fields, answers

    def _names_below(self, table: Table) -> str | None:
        return describe_names_below(str(table.path), table.rows, self.column_map.get("text"))

    def _of_model(self, table: Table, column: str) -> str | None:
        """Return why the labels are those of a model, or None. A column that the user named is the work of people."""
        if column != OUTPUT_LABELS and "labels" in self.column_map:
            return None
        return refuse_predictions(str(table.path), table.columns, column)

    def _sentence(
        self,
        identity: str,
        row: Row,
        fields: Mapping[str, str],
        label_columns: Mapping[str, str],
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
        if SURROGATE.search(text):
            raise ValueError(
                f"column {fields['text']!r}: the text contains half of a character (a lone surrogate), which cannot be saved as "
                "UTF-8. Correct or delete it"
            )
        language = get("language")
        if language is not None:
            try:
                language = normalize_language(language)
            except ValueError as error:
                raise ValueError(f"column {fields['language']!r}: {error}") from None
        document = get("document") or identity
        index = positions[document]
        if (given := get("index")) is not None:
            try:
                index = int(float(given))
                if index != float(given):
                    raise ValueError
            except (ValueError, OverflowError):
                raise ValueError(
                    f"column {fields['index']!r}: {given!r} is not a whole number. Write the position of the sentence in its "
                    "document, or rename the column if it contains something else. If it contains the labels, name it with "
                    "--label-column"
                ) from None
        positions[document] = index + 1
        labels = self._labels(row, fields.get("labels"), label_columns)
        return Sentence(
            id=get("id") or identity,
            text=text,
            document=document,
            index=index,
            language=language or UNDETERMINED,
            previous=get("previous"),
            labels=labels,
            source=get("source"),
            sampling=get("sampling"),
            genre=get("genre"),
            date=get("date"),
            weight=_weight(fields["weight"], given) if (given := get("weight")) is not None else None,
            parallel=get("parallel"),
            acts=self._acts(row, value or "", text, labels),
        )

    def _acts(self, row: Row, given: str, text: str, labels: tuple[str, ...] | None) -> dict[str, Act] | None:
        """Return the acts of a row as offsets into its text, which has no white space at the ends, unlike the given text."""
        value = row.get(ACTS)
        # A table can have a column of this name with another meaning. `add` reports that it is not read.
        if self.codebook is None or not isinstance(value, Mapping) or (labels is None and not value):
            return None
        skipped = len(given) - len(given.lstrip())

        def move(span: Span) -> Span:
            return max(span[0] - skipped, 0), min(span[1] - skipped, len(text))

        return {name: act.moved(move) for name, act in read_acts(value, given, labels, self.codebook).items()}

    def _labels(self, row: Row, column: str | None, label_columns: Mapping[str, str]) -> tuple[str, ...] | None:
        """Return the labels of a row, or None if nobody coded it."""
        columns = [*label_columns.values()] if column is None else [column]
        if self.codebook is None or not columns:
            return None
        for name in columns:
            if isinstance(given := row.get(name), Unreadable):
                raise ValueError(f"column {name!r} contains {given.reason}")
        if is_uncoded(row, columns):
            return None
        if column is not None:
            try:
                return self.codebook.validate_labels(split_labels(row[column], self.codebook))
            except ValueError as error:
                raise ValueError(f"column {column!r}: {error}") from None
        answers = read_answers(row, label_columns)
        return self.codebook.validate_labels(name for name, answer in answers.items() if answer)


def _weight(column: str, given: str) -> float:
    try:
        weight = as_number(given)
    except ValueError as error:
        if has_decimal_comma(given):
            raise ValueError(f"column {column!r}: {error}") from None
        weight = math.nan
    if not 0 < weight < math.inf:
        raise ValueError(
            f"column {column!r}: {given!r} is not a number above 0. Correct it, or rename the column if it does not contain design "
            "weights"
        )
    return weight
