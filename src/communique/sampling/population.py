"""The population of a sample and of estimates: the rows that `communique label` wrote.

`communique sample` and `communique estimate` both read it here, so that rows that cannot be drawn are not part of the estimate
either. Columns are kept as Arrow and NumPy arrays. With three labels, a row needs about a hundred bytes plus its text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.predictions import PredictionReader, has_probabilities, is_predicted
from ..data.predictions_schema import ERROR, OPTIONAL, OUTPUT, PREFIX
from ..data.sentence import Sentence, text_sha256
from ..errors import DataError
from ..io.read import cell, open_table
from ..io.recognise import Encoding
from ..io.tables import Problem, Row
from ..reporting.format import NOT_XML
from ..text.cleaning import without_surrogates
from ..text.language import UNDETERMINED

if TYPE_CHECKING:
    import pyarrow as pa


#: Column in which `communique label` keeps the column `index` of its input. Without `--split`, it writes an `index` of 0 in every
#: row.
OWN_INDEX = "input_index"

#: Columns that cannot define groups, and columns that are always read.
NOT_GROUPS = frozenset((*OUTPUT, *OPTIONAL, "previous")) - {"document", "language"}
_CORE = frozenset((*OUTPUT, *OPTIONAL, ERROR, "source", "previous", OWN_INDEX))
_BETWEEN = "\x1f"

#: Name of the group of rows whose cell in a column of groups is empty.
MISSING_GROUP = "(missing)"


@dataclass(frozen=True)
class Column:
    """A text column, stored as its distinct values and the number of the value in each row.

    `levels` are sorted numerically if all of them are numbers, and alphabetically otherwise. `codes` (N,) are positions in
    `levels`.
    """

    levels: tuple[str, ...]
    codes: NDArray[np.int64]

    def values(self) -> list[str]:
        """Return the value in each row."""
        return [self.levels[code] for code in self.codes.tolist()]

    def take(self, rows: NDArray[np.int64]) -> Column:
        """Return the column of some rows, without the levels that none of them has."""
        used, codes = np.unique(self.codes[rows], return_inverse=True)
        return Column(tuple(self.levels[i] for i in used), codes.reshape(-1).astype(np.int64))

    def missing(self) -> NDArray[np.bool_]:
        """Return which rows have an empty cell, (N,)."""
        if "" not in self.levels:
            return np.zeros(len(self.codes), np.bool_)
        return np.asarray(self.codes == self.levels.index(""))

    def named(self, missing: str) -> Column:
        """Return the column with a value in place of empty cells."""
        return self if "" not in self.levels else column_of([value or missing for value in self.values()])

    @cached_property
    def numbers(self) -> NDArray[np.float64] | None:
        """The levels as numbers, such as years, or None if some level is not a number."""
        return number(self.levels)


def number(values: Sequence[str]) -> NDArray[np.float64] | None:
    """Return the values as numbers, or None if some value is not a finite number."""
    try:
        numbers = np.array([float(value) for value in values])
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None


def column_of(values: Any) -> Column:
    """Build a column from an Arrow array of text or from a list. Nulls become empty strings."""
    import pyarrow as pa

    array = values if isinstance(values, (pa.Array, pa.ChunkedArray)) else pa.array(list(values), pa.string())
    coded, names = _encode(array.fill_null(""))
    numbers = number(names)
    order = np.argsort(names if numbers is None else numbers, kind="stable")
    place = np.empty(len(names), np.int64)
    place[order] = np.arange(len(names))
    return Column(tuple(names[i] for i in order), place[coded])


def _encode(array: Any) -> tuple[NDArray[np.int64], list[str]]:
    """Return the number of each value in an Arrow array of text, and the distinct values, in order of first appearance."""
    import pyarrow as pa

    chunked = array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array], pa.string())
    coded = chunked.dictionary_encode().combine_chunks()
    coded = coded.chunk(0) if isinstance(coded, pa.ChunkedArray) else coded
    return coded.indices.to_numpy(zero_copy_only=False).astype(np.int64), coded.dictionary.to_pylist()


@dataclass(frozen=True)
class Population:
    """N labelled sentences in the order of their file.

    Attributes:
        path: The file.
        sha256: The SHA-256 of its bytes.
        names: Names of the k labels.
        numbers: Row number in the file (N,).
        ids: Ids (N,).
        texts: Texts (N,), which are null if they were not kept.
        previous: Values (N,) of the column `previous`.
        documents: Number of the document of each row (N,), in order of first appearance. Documents with the same name but
            different sources are different documents, as in a corpus.
        document_names: Name of each document.
        sources: Source of each document.
        index: Position of each row in its document (N,).
        language: Languages.
        decisions: Predicted labels (N, k).
        probabilities: Probabilities (N, k), or the predicted labels as 0 and 1 if there are no probabilities.
        columns: Extra columns as text.
        unlabelled: Number of rows that have no text or were not labelled. They are not part of the population.
        n_without_probabilities: Number of rows of the population without probabilities.
        has_index: Whether `index` distinguishes the rows of a document.
        has_predictions: Whether a model labelled the rows. Otherwise, `decisions` and `probabilities` are all False and 0.
        notes: Assumptions that were made while reading.
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
    has_predictions: bool = True

    def __len__(self) -> int:
        return len(self.numbers)

    def require_probabilities(self, purpose: str) -> None:
        """Check that the rows have probabilities.

        Args:
            purpose: What needs them, as the subject of the error message, such as `--strata uncertainty`.

        Raises:
            DataError: The model only decided, as a chat model does.
        """
        if self.n_without_probabilities:
            raise DataError(
                f"{self.path}: {purpose} needs probabilities, but these labels have none, because a language model or another tool "
                "assigned them. Use another option, or the labels of a model that `communique train` trained"
            )

    def sentence(self, row: int) -> Sentence:
        """Return a row as a sentence. It includes the preceding sentence if the file shows which one that is."""
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
        """Return an extra column.

        Raises:
            DataError: There is no such column.
        """
        if name not in self.columns:
            raise _no_column(self.path, name, [*OUTPUT, *self.columns])
        return self.columns[name]

    def predicted(self, row: int) -> tuple[str, ...]:
        """Return the labels that the model predicts for a row."""
        return tuple(name for name, given in zip(self.names, self.decisions[row], strict=True) if given)

    def require_predictions(self, purpose: str) -> None:
        """Check that a model labelled the rows.

        Args:
            purpose: What needs the labels, as the subject of the error message, such as `--strata predicted`.

        Raises:
            DataError: The texts are not labelled yet.
        """
        if not self.has_predictions:
            raise DataError(
                f"{self.path}: {purpose} needs predictions, but these texts have none. Run `communique label` first, and name its "
                "output instead of the texts"
            )

    def take(self, rows: NDArray[np.int64]) -> Population:
        """Return the population of some rows, in ascending order. Documents are numbered again.

        A row whose preceding sentence is not among the rows still shows it.
        """
        import pyarrow as pa

        kept = np.zeros(len(self), np.bool_)
        kept[rows] = True
        before = self.previous.take(pa.array(rows)).to_pylist()
        for place, row in enumerate(rows.tolist()):
            if row > 0 and not kept[row - 1]:
                before[place] = self._before(row)
        used, documents = np.unique(self.documents[rows], return_inverse=True)
        return replace(
            self,
            numbers=self.numbers[rows],
            ids=self.ids.take(pa.array(rows)),
            texts=self.texts.take(pa.array(rows)),
            previous=pa.array(before, self.previous.type),
            documents=documents.reshape(-1).astype(np.int64),
            document_names=tuple(self.document_names[i] for i in used),
            sources=tuple(self.sources[i] for i in used),
            index=self.index[rows],
            language=self.language.take(rows),
            decisions=self.decisions[rows],
            probabilities=self.probabilities[rows],
            columns={name: column.take(rows) for name, column in self.columns.items()},
        )

    @property
    def ids_sha256(self) -> str:
        """Hash of all ids, in any order. Two populations with this hash have the same rows."""
        digest = hashlib.sha256()
        for identity in sorted(self.ids.to_pylist()):
            digest.update(f"{identity}\n".encode())
        return digest.hexdigest()


def read_population(
    path: str | Path,
    codebook: Codebook | None = None,
    *,
    columns: Sequence[str] | None = None,
    keep: Collection[str] | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
) -> Population:
    """Read a file that `communique label -o` wrote (JSON Lines, CSV or Parquet), in batches of rows.

    Args:
        path: The file.
        codebook: The labels. If it is set, the file may lack probability columns and texts. Default: the labels that have
            probability columns. If these columns are empty in all rows, predicted labels count as 0 or 1.
        columns: Extra columns to read. Default: all.
        keep: Ids of the rows whose texts are kept. Default: all.
        encoding: Encoding of a text file. Default: detected.
        sheet: Sheet of a workbook, by name or by number from 1. Default: the first visible one.

    Raises:
        DataError: Rows are invalid, a column is missing, or two rows have the same id.
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
    """The rows of a chunk, stored by column."""

    numbers: list[int] = field(default_factory=list)
    core: list[tuple[str, str | None, str | None, str, str]] = field(default_factory=list)
    index: list[tuple[int, int | None]] = field(default_factory=list)
    predicted_rows: list[list[bool]] = field(default_factory=list)
    probabilities: list[list[float] | None] = field(default_factory=list)
    own: list[dict[str, str | None]] = field(default_factory=list)


class _Reader:
    """Collect rows as arrays."""

    def __init__(
        self, path: Path, codebook: Codebook | None, columns: Sequence[str] | None, keep: Collection[str] | None
    ) -> None:
        self.path, self.codebook, self.columns, self.keep = path, codebook, columns, keep
        self.predictions = PredictionReader(codebook)
        self.seen: dict[str, None] = {}
        self.problems: list[str] = []
        self.unlabelled_problems: list[str] = []
        self.skipped = 0
        self.tables: list[pa.Table] = []
        self.own: list[pa.Table] = []
        self.arrays: list[tuple[Any, ...]] = []

    def wants(self, name: str) -> bool:
        """Return whether a column must be read."""
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
            given = has_probabilities(row)
            if not is_predicted(row):
                self.skipped += 1
                continue
            try:
                self._add(batch, number_, row, text)
            except ValueError as error:
                (self.problems if given else self.unlabelled_problems).append(f"{self.path}, row {number_}: {error}")
        if not batch.numbers:
            return
        names = ("id", "text", "previous", "document", "language")
        columns = zip(*batch.core, strict=True)
        self.tables.append(
            pa.table({name: _strings(values, pa.large_string()) for name, values in zip(names, columns, strict=True)})
        )
        # A table without columns would have no rows, so an unnamed column is added.
        own = dict.fromkeys(["", *(name for row in batch.own for name in row)])
        self.own.append(pa.table({name: _strings([row.get(name) for row in batch.own], pa.string()) for name in own}))
        without_probabilities = np.array([p is None for p in batch.probabilities])
        predicted_rows = np.array(batch.predicted_rows, np.bool_).reshape(len(without_probabilities), len(self.names))
        filled = [g if p is None else p for g, p in zip(batch.predicted_rows, batch.probabilities, strict=True)]
        own_index = [other for _, other in batch.index]
        self.arrays.append(
            (
                np.array(batch.numbers, np.int64),
                np.array([i for i, _ in batch.index], np.int64),
                np.array([-1 if other is None else other for other in own_index], np.int64),
                predicted_rows,
                np.array(filled, np.float64).reshape(predicted_rows.shape),
                without_probabilities,
            )
        )

    def _add(self, batch: _Batch, number_: int, row: Row, text: str | None) -> None:
        predicted, probabilities = self.predictions.read(row, number_)
        identity = str(row["id"]).strip() if row.get("id") is not None else ""
        if not identity:
            raise ValueError("the id is missing. Give each row a different id")
        try:
            index = int(float(given)) if (given := cell(row, "index")) else 0
            own_index = int(float(given)) if (given := cell(row, OWN_INDEX)) else None
        except (ValueError, OverflowError):
            raise ValueError(
                f"the index {row.get('index')!r} is not a whole number. Write the position of the sentence in its document"
            ) from None
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
            wanted = [name for name in row if name not in NOT_GROUPS and not name.startswith(PREFIX)]
        batch.own.append({name: cell(row, name) for name in wanted})

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the labels."""
        return self.predictions.names

    def population(self, seen: Iterable[str], notes: Sequence[str]) -> Population:
        """Build the population from all chunks."""
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
                *(self.problems or [f"{self.path}: no row has a text. Use a file that `communique label -o` wrote"])
            )
        numbers, index, own_index, decisions, probabilities, without_probabilities = (
            np.concatenate(parts) for parts in zip(*self.arrays, strict=True)
        )
        table, own = pa.concat_tables(self.tables), pa.concat_tables(self.own, promote_options="default")
        self.tables, self.own, self.arrays = [], [], []
        # If the file contains probabilities, the model did not label the rows without them. A chat model has no probabilities.
        if not without_probabilities.all():
            self.skipped += int(without_probabilities.sum()) + len(self.unlabelled_problems)
            if without_probabilities.any():
                kept = ~without_probabilities
                table, own = table.filter(pa.array(kept)), own.filter(pa.array(kept))
                numbers, index, own_index, decisions, probabilities = (
                    values[kept] for values in (numbers, index, own_index, decisions, probabilities)
                )
            without_probabilities = without_probabilities[:0]
        else:
            self.problems += self.unlabelled_problems
        if self.problems:
            raise DataError(*self.problems)
        if not len(numbers):
            raise DataError(f"{self.path}: no row has a text. Use a file that `communique label -o` wrote")
        check_ids(self.path, table["id"], numbers)
        all_notes = [*notes, *self.predictions.notes(self.path)]
        if "document" not in known:
            all_notes.append(f"{self.path}: there is no column 'document', so each row counts as a separate document")
        documents, keys = _encode(table["document"].cast(pa.string()))
        pairs = [key.split(_BETWEEN, 1) for key in keys]
        index, has_index = positions(index, own_index, len(pairs))
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
            len(without_probabilities),
            has_index,
            tuple(all_notes),
        )


def check_ids(path: Path, ids: Any, numbers: NDArray[np.int64]) -> None:
    """Check that no two rows have the same id.

    Raises:
        DataError: Some have. The message has the first rows.
    """
    import pyarrow.compute as pc

    if pc.count_distinct(ids).as_py() == len(ids):
        return
    first: dict[str, int] = {}
    repeated = []
    for number_, identity in zip(numbers.tolist(), ids.to_pylist(), strict=True):
        if (other := first.setdefault(identity, number_)) != number_:
            repeated.append(
                f"{path}, row {number_}: id {identity!r} is also the id of row {other}, but coded rows are matched by "
                "id. Give each row a different id and label the file again"
            )
    raise DataError(*repeated[:20])


def positions(
    index: NDArray[np.int64], own_index: NDArray[np.int64], n_documents: int
) -> tuple[NDArray[np.int64], bool]:
    """Return the position of each row in its document, and whether these positions distinguish the rows.

    Without `--split`, `communique label` writes an index of 0 in every row. The index of the original table is then used, if all
    rows have one.

    Args:
        index: The column `index`, (N,).
        own_index: The column `OWN_INDEX`, or -1 where it is empty, (N,).
        n_documents: Number of documents.
    """
    if index.any() or n_documents == len(index):
        return index, True
    return (own_index, True) if (own_index >= 0).all() else (index, False)


def _one(column: Any) -> Any:
    import pyarrow as pa

    array = column.combine_chunks()
    return pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array


def _no_column(path: Path, name: str, known: Sequence[str]) -> DataError:
    # The check knows which columns every table needs, but not which ones the user wants as groups.
    listed = name in (*OUTPUT, "probabilities")
    hint = f". To list all problems of the file, run communique check {path} --predictions" if listed else ""
    return DataError(
        f"{path}: there is no column {name!r}. Use a file that `communique label -o` wrote, or a table of predictions with the "
        "columns that docs/guides/predictions.md lists, and keep the columns of groups. Columns in this file: "
        f"{', '.join(dict.fromkeys(known))}{hint}"
    )


def _strings(values: Sequence[str | None], kind: Any) -> Any:
    """Return an Arrow array of texts. Lone surrogates are replaced, because Arrow cannot store them."""
    import pyarrow as pa

    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:
        return pa.array([None if value is None else without_surrogates(value) for value in values], kind)


def display_sha256(text: str) -> str:
    """Compute the hash of a text as coders see it, without the control characters that spreadsheets cannot contain."""
    return text_sha256(visible(text))


def visible(text: str) -> str:
    """Remove the characters that XML, and therefore an XLSX cell, cannot contain.

    Control characters that are white space are replaced by a space.
    """
    return NOT_XML.sub(lambda match: " " if match[0].isspace() else "", text)
