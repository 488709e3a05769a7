"""The population that a sample is drawn from and that shares are estimated of: the rows that `communique label` wrote.

Both commands read it here, so that what cannot be drawn is no part of what is estimated. Columns are kept as Arrow and numpy
arrays: a million rows of three labels take some hundred bytes each, texts aside.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.labels import split_labels
from ..data.predictions_schema import OUTPUT, PREFIX
from ..data.sentence import Sentence, text_sha256
from ..errors import DataError
from ..io.read import as_number, cell, open_table
from ..io.recognise import Encoding
from ..io.tables import Problem, Row
from ..reporting.format import NOT_XML
from ..text.cleaning import without_surrogates
from ..text.language import UNDETERMINED

if TYPE_CHECKING:
    import pyarrow as pa


#: Where `communique label` keeps a table's own numbering of sentences: without `--split` its `index` is 0 in every row.
OWN_INDEX = "input_index"

#: Columns that are no groups, and those that are read whatever groups there are.
_OURS = frozenset((*OUTPUT, "previous")) - {"document", "language"}
_CORE = frozenset((*OUTPUT, "source", "previous", OWN_INDEX)) - {"truncated"}
_BETWEEN = "\x1f"


@dataclass(frozen=True)
class Column:
    """A column of text: its different values by size where all are numbers, else by name, and the number of each row's."""

    levels: tuple[str, ...]
    codes: NDArray[np.int64]

    def values(self) -> list[str]:
        """Give the value of each row."""
        return [self.levels[code] for code in self.codes.tolist()]

    @cached_property
    def numbers(self) -> NDArray[np.float64] | None:
        """The levels as numbers, such as years; None where one is none."""
        return number(self.levels)


def number(values: Sequence[str]) -> NDArray[np.float64] | None:
    """Give values as numbers; None where one is none."""
    try:
        numbers = np.array([float(value) for value in values])
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None


def column_of(values: Any) -> Column:
    """Make a column of an Arrow array of text or of a list; what is empty is the empty string."""
    import pyarrow as pa

    array = values if isinstance(values, (pa.Array, pa.ChunkedArray)) else pa.array(list(values), pa.string())
    coded, names = _encode(array.fill_null(""))
    numbers = number(names)
    order = np.argsort(names if numbers is None else numbers, kind="stable")
    place = np.empty(len(names), np.int64)
    place[order] = np.arange(len(names))
    return Column(tuple(names[i] for i in order), place[coded])


def _encode(array: Any) -> tuple[NDArray[np.int64], list[str]]:
    """Number the values of an Arrow array of text in order of appearance."""
    import pyarrow as pa

    chunked = array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array], pa.string())
    coded = chunked.dictionary_encode().combine_chunks()
    coded = coded.chunk(0) if isinstance(coded, pa.ChunkedArray) else coded
    return coded.indices.to_numpy(zero_copy_only=False).astype(np.int64), coded.dictionary.to_pylist()


@dataclass(frozen=True)
class Population:
    """N labelled sentences in the order of their file.

    Attributes:
        path, sha256: The file, and the hash of its bytes.
        names: The k labels.
        numbers: Each row's number in the file.
        ids, texts, befores: Arrow arrays of text; the texts are null where they were not kept, `previous` holds the rows' own
            column `previous`.
        documents: Number of each row's document, in order of appearance; documents of two sources are two, as in a corpus.
        document_names, sources: Name and source of each document.
        index: Each row's place in its document.
        language: Their languages.
        decisions, probabilities: (N, k). Without probabilities both are the decisions.
        columns: Further columns as text.
        unlabelled: Rows without a text, or that were not labelled: no part of the population.
        unsure: Rows without probabilities.
        placed: Whether `index` tells rows of a document apart.
        notes: What was assumed.
    """

    path: Path
    sha256: str
    names: tuple[str, ...]
    numbers: NDArray[np.int64]
    ids: pa.StringArray
    texts: pa.StringArray
    previous: pa.StringArray
    documents: NDArray[np.int64]
    document_names: tuple[str, ...]
    sources: tuple[str | None, ...]
    index: NDArray[np.int64]
    language: Column
    decisions: NDArray[np.bool_]
    probabilities: NDArray[np.float64]
    columns: Mapping[str, Column]
    unlabelled: int
    n_without_probabilities: int
    has_index: bool
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.numbers)

    def sentence(self, row: int) -> Sentence:
        """Give a row as a sentence, with the sentence before it where the file says which that is."""
        document = self.documents[row]
        return Sentence(
            self.ids[row].as_py(),
            self.texts[row].as_py() or "",
            self.document_names[document],
            int(self.index[row]),
            self.language.levels[self.language.codes[row]],
            self._before(row),
            source=self.sources[document],
        )

    def _before(self, row: int) -> str | None:
        own: str | None = self.previous[row].as_py()
        follows = (
            row > 0 and self.documents[row - 1] == self.documents[row] and self.index[row - 1] == self.index[row] - 1
        )
        text: str | None = self.texts[row - 1].as_py() if own is None and follows else own
        return text

    def column(self, name: str) -> Column:
        """Give a column.

        Raises:
            DataError: There is no such column.
        """
        if name not in self.columns:
            raise _no_column(self.path, name, [*OUTPUT, *self.columns])
        return self.columns[name]

    def predicted(self, row: int) -> tuple[str, ...]:
        """Give the model's labels of a row."""
        return tuple(name for name, given in zip(self.names, self.decisions[row], strict=True) if given)


def read_population(
    path: str | Path,
    codebook: Codebook | None = None,
    *,
    columns: Sequence[str] | None = None,
    keep: Collection[str] | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
) -> Population:
    """Read what `communique label -o` wrote (JSON Lines, CSV or Parquet), in batches of rows.

    Args:
        path: The file.
        codebook: The labels. Where None they are those that have probabilities; with a codebook a file without probabilities
            or texts is read too, and its labels count as 0 or 1.
        columns: Further columns that are needed; all there are where None.
        keep: Ids whose texts are kept; all where None.
        encoding: Encoding of a text file. Default: recognised.
        sheet: Sheet of a workbook, by name or by number from 1. Default: the first visible one.

    Raises:
        DataError: Rows are invalid; a column is missing; two rows share an id.
    """
    reader = _Reader(Path(path), codebook, columns, keep)
    with open_table(path, encoding=Encoding.chosen(encoding), sheet=sheet) as stream:
        for chunk in stream.chunks:
            if isinstance(chunk, Problem):
                reader.problems.append(chunk.reason)
                continue
            rows = chunk.rows
            if not isinstance(rows, list):
                reader.seen.update(dict.fromkeys(rows.column_names))
                rows = rows.select([name for name in rows.column_names if reader.wants(name)]).to_pylist()
            reader.add(chunk.numbers, rows)
    return reader.population([*stream.columns, *reader.seen], stream.notes)


@dataclass
class _Batch:
    """Rows of a chunk, column by column."""

    numbers: list[int] = field(default_factory=list)
    core: list[tuple[str, str | None, str | None, str, str]] = field(default_factory=list)
    index: list[tuple[int, int | None]] = field(default_factory=list)
    predicted_rows: list[list[bool]] = field(default_factory=list)
    probabilities: list[list[float] | None] = field(default_factory=list)
    own: list[dict[str, str | None]] = field(default_factory=list)


class _Reader:
    """Gathers rows in arrays."""

    def __init__(
        self, path: Path, codebook: Codebook | None, columns: Sequence[str] | None, keep: Collection[str] | None
    ) -> None:
        self.path, self.codebook, self.columns, self.keep = path, codebook, columns, keep
        self.names: tuple[str, ...] = codebook.names if codebook else ()
        self.seen: dict[str, None] = {}
        self.problems: list[str] = []
        self.of_unsure: list[str] = []
        self.skipped = 0
        self.tables: list[pa.Table] = []
        self.own: list[pa.Table] = []
        self.arrays: list[tuple[Any, ...]] = []

    def wants(self, name: str) -> bool:
        """Tell whether a column is needed."""
        return name in _CORE or name.startswith(PREFIX) or self.columns is None or name in self.columns

    def add(self, numbers: Iterable[int], rows: Sequence[Row]) -> None:
        """Read the rows of a chunk."""
        import pyarrow as pa

        batch = _Batch()
        for number_, row in zip(numbers, rows, strict=True):
            self.seen.update(dict.fromkeys(row))
            text = cell(row, "text")
            if text is None and ("text" in row or self.codebook is None):
                self.skipped += 1
                continue
            given = labelled(row)
            try:
                self._add(batch, number_, row, text)
            except ValueError as error:
                (self.problems if given else self.of_unsure).append(f"{self.path}, row {number_}: {error}")
        if not batch.numbers:
            return
        names = ("id", "text", "previous", "document", "language")
        columns = zip(*batch.core, strict=True)
        self.tables.append(
            pa.table({name: _strings(values, pa.large_string()) for name, values in zip(names, columns, strict=True)})
        )
        # A table without a column would have no rows: the one without a name stands for them.
        own = dict.fromkeys(["", *(name for row in batch.own for name in row)])
        self.own.append(pa.table({name: _strings([row.get(name) for row in batch.own], pa.string()) for name in own}))
        n_without_probabilities = np.array([p is None for p in batch.probabilities])
        predicted_rows = np.array(batch.predicted_rows, np.bool_).reshape(len(n_without_probabilities), len(self.names))
        filled = [g if p is None else p for g, p in zip(batch.predicted_rows, batch.probabilities, strict=True)]
        own_index = [other for _, other in batch.index]
        self.arrays.append(
            (
                np.array(batch.numbers, np.int64),
                np.array([i for i, _ in batch.index], np.int64),
                np.array([-1 if other is None else other for other in own_index], np.int64),
                predicted_rows,
                np.array(filled, np.float64).reshape(predicted_rows.shape),
                n_without_probabilities,
            )
        )

    def _add(self, batch: _Batch, number_: int, row: Row, text: str | None) -> None:
        if not self.names:
            self.names = tuple(_names(row))
        probabilities = _probabilities(row, self.names)
        predicted = self._labels(row.get("labels"))
        identity = str(row["id"]).strip() if row.get("id") is not None else ""
        if not identity:
            raise ValueError("no id; give each row an id of its own")
        try:
            index = int(row.get("index") or 0)
            own_index = int(float(given)) if (given := cell(row, OWN_INDEX)) else None
        except (ValueError, OverflowError):
            raise ValueError(f"index {row.get('index')!r}; allowed: a whole number") from None
        kept = self.keep is None or identity in self.keep
        document = f"{cell(row, 'source') or ''}{_BETWEEN}{cell(row, 'document') or identity}"
        before = cell(row, "previous") if self.keep is None else None
        batch.core.append((identity, text if kept else None, before, document, cell(row, "language") or UNDETERMINED))
        batch.numbers.append(number_)
        batch.index.append((index, own_index))
        batch.predicted_rows.append(predicted)
        batch.probabilities.append(probabilities)
        wanted = self.columns
        if wanted is None:
            wanted = [name for name in row if name not in _OURS and not name.startswith(PREFIX)]
        batch.own.append({name: cell(row, name) for name in wanted})

    def _labels(self, value: Any) -> list[bool]:
        if self.codebook is not None:
            labels = self.codebook.validate_labels(split_labels(value or [], self.codebook))
        else:
            given = value.split("|") if isinstance(value, str) else list(value or ())
            labels = tuple(name for name in given if name)
            if unknown := [name for name in labels if name not in self.names]:
                raise ValueError(
                    f"label {unknown[0]!r} has no probability; the labels with one are {', '.join(self.names)}"
                )
        return [name in labels for name in self.names]

    def population(self, seen: Iterable[str], notes: Sequence[str]) -> Population:
        """Put the chunks together."""
        import pyarrow as pa

        known = list(dict.fromkeys(seen))
        needed = ["id", "labels", *(self.columns or ())]
        if self.codebook is None:
            needed += ["document", "text"]
        if missing := [name for name in needed if name not in known]:
            raise _no_column(self.path, missing[0], known)
        if self.codebook is None and not self.names:
            raise _no_column(self.path, "probabilities", known)
        if not self.arrays:
            raise DataError(
                *(self.problems or [f"{self.path}: no row with a text; give a file that `communique label -o` wrote"])
            )
        numbers, index, own_index, decisions, probabilities, n_without_probabilities = (
            np.concatenate(parts) for parts in zip(*self.arrays, strict=True)
        )
        table, own = pa.concat_tables(self.tables), pa.concat_tables(self.own, promote_options="default")
        self.tables, self.own, self.arrays = [], [], []
        # Where the model gave probabilities, a row without any was not read by it.
        if self.codebook is None or not n_without_probabilities.all():
            self.skipped += int(n_without_probabilities.sum()) + len(self.of_unsure)
            if n_without_probabilities.any():
                kept = ~n_without_probabilities
                table, own = table.filter(pa.array(kept)), own.filter(pa.array(kept))
                numbers, index, own_index, decisions, probabilities = (
                    values[kept] for values in (numbers, index, own_index, decisions, probabilities)
                )
            n_without_probabilities = n_without_probabilities[:0]
        else:
            self.problems += self.of_unsure
        if self.problems:
            raise DataError(*self.problems)
        if not len(numbers):
            raise DataError(f"{self.path}: no row with a text; give a file that `communique label -o` wrote")
        self._check_ids(table["id"], numbers)
        told = list(notes)
        if "document" not in known:
            told.append(f"{self.path}: no column 'document'; each row counts as a document of its own")
        documents, keys = _encode(table["document"].cast(pa.string()))
        pairs = [key.split(_BETWEEN, 1) for key in keys]
        # The table's own numbering, where all rows have one: without `--split` every row's own index is 0.
        has_index = bool(index.any()) or len(pairs) == len(numbers)
        if not has_index and (own_index >= 0).all():
            index, has_index = own_index, True
        with self.path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
        return Population(
            self.path,
            digest,
            self.names,
            numbers,
            _one(table["id"]),
            _one(table["text"]),
            _one(table["previous"]),
            documents,
            tuple(name for _, name in pairs),
            tuple(source or None for source, _ in pairs),
            index,
            column_of(table["language"].cast(pa.string())),
            decisions,
            probabilities,
            {name: column_of(own[name]) for name in own.column_names if name},
            self.skipped,
            len(n_without_probabilities),
            has_index,
            tuple(told),
        )

    def _check_ids(self, ids: Any, numbers: NDArray[np.int64]) -> None:
        import pyarrow.compute as pc

        if pc.count_distinct(ids).as_py() == len(ids):
            return
        first: dict[str, int] = {}
        repeated = []
        for number_, identity in zip(numbers.tolist(), ids.to_pylist(), strict=True):
            if (other := first.setdefault(identity, number_)) != number_:
                repeated.append(
                    f"{self.path}, row {number_}: id {identity!r} is also that of row {other}; coded rows are matched by id, "
                    "so ids must differ: rename one and label again"
                )
        raise DataError(*repeated[:20])


def _one(column: Any) -> Any:
    import pyarrow as pa

    array = column.combine_chunks()
    return pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array


def _no_column(path: Path, name: str, known: Sequence[str]) -> DataError:
    return DataError(
        f"{path}: no column {name!r}; give a file that `communique label -o` wrote, with the columns that define groups; "
        f"columns: {', '.join(dict.fromkeys(known))}"
    )


def labelled(row: Row) -> bool:
    """Tell rows that were labelled from those whose probabilities are empty: no text, or one that could not be read."""
    nested = row.get("probabilities")
    values = nested.values() if isinstance(nested, dict) else (v for k, v in row.items() if k.startswith(PREFIX))
    return any(value not in (None, "") for value in values)


def _names(row: Row) -> list[str]:
    nested = row.get("probabilities")
    return list(nested) if isinstance(nested, dict) else [k.removeprefix(PREFIX) for k in row if k.startswith(PREFIX)]


def _probabilities(row: Row, names: Sequence[str]) -> list[float] | None:
    """Give a row's probabilities; None where it has none."""
    nested = row.get("probabilities")
    values: Row = nested if isinstance(nested, dict) else {name: row.get(PREFIX + name) for name in names}
    if all(value is None or value == "" for value in values.values()):
        return None
    try:
        p = [as_number(values[name]) for name in names]
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ValueError(
            f"probabilities {str(values)[:300]}; a number is needed for each of {', '.join(names)}"
        ) from None
    if not all(0 <= value <= 1 for value in p):
        raise ValueError(f"probabilities {values!r}; allowed: 0 to 1 for each of {', '.join(names)}")
    return p


def _strings(values: Sequence[str | None], kind: Any) -> Any:
    """Return an Arrow array of texts, in which lone surrogates are replaced."""
    import pyarrow as pa

    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:
        return pa.array([None if value is None else without_surrogates(value) for value in values], kind)


def display_sha256(text: str) -> str:
    """Hash a text as coders see it: without the control characters that spreadsheets cannot hold."""
    return text_sha256(visible(text))


def visible(text: str) -> str:
    """Drop the characters that XML, and so an XLSX cell, cannot hold; control characters that are white space become a space."""
    return NOT_XML.sub(lambda match: " " if match[0].isspace() else "", text)
