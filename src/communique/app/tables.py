"""Read labelled tables for pages: as columns in memory, which are kept until the file changes.

`communique label` writes Parquet in a project. Tables in other formats are converted once; the copy is in the folder of the app.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.predictions_schema import ERROR, TENTATIVE, UNSURE
from ..errors import CommuniqueError, DataError
from ..io.atomic import replacing
from ..io.file_state import file_state, kept_while_unchanged
from ..labelling.paragraphs import read_paragraphs
from ..metrics.calibration import decide
from ..project import Project
from ..sampling.population import NOT_GROUPS, OWN_INDEX, Column, Population, column_of, positions, read_population
from ..sampling.texts import Content, content_of
from ..text.language import UNDETERMINED
from .store import APP_FOLDER

#: Folder of the copies of tables in other formats, inside the folder of the app.
TABLES = "tables"

#: Number of tables that stay in memory.
_KEPT = 3

#: Characters between the source and the name of a document. Two sources can have documents of the same name.
_BETWEEN = "\x1f"


@dataclass(frozen=True)
class LabelledTable:
    """The n rows of a labelled table, in the order of the file.

    Attributes:
        names: The k labels.
        ids: Ids.
        texts: Texts.
        reasons: Why a row was not labelled, or null.
        languages: Languages.
        documents: Number of the document of each row (n,), in order of first appearance.
        document_names: Name of each document.
        sources: Source of each document, or None.
        index: Position of each row in its document (n,).
        has_index: Whether `index` distinguishes the rows of a document.
        labelled: Rows that the model labelled (n,).
        decisions: Labels (n, k) in the file, or the tentative labels of rows that are `unsure`.
        probabilities: Probabilities (n, k), NaN in rows that were not labelled. None if the table has none.
        extra: The extra columns.
        unsure: Number of rows that are `unsure`, because the model was allowed to abstain.
        begins: Rows that are known to start a paragraph (n,), or None if nothing is known.
    """

    names: tuple[str, ...]
    ids: pa.ChunkedArray
    texts: pa.ChunkedArray
    reasons: pa.ChunkedArray
    languages: pa.ChunkedArray
    documents: NDArray[np.int64]
    document_names: tuple[str, ...]
    sources: tuple[str | None, ...]
    index: NDArray[np.int64]
    has_index: bool
    labelled: NDArray[np.bool_]
    decisions: NDArray[np.bool_]
    probabilities: NDArray[np.float32] | None
    extra: pa.Table
    unsure: int = 0
    begins: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.documents)

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """The rows in reading order: document by document, and by their position in the document."""
        place = self.index if self.has_index else np.zeros(len(self), np.int64)
        return np.asarray(np.lexsort((np.arange(len(self)), place, self.documents)), np.int64)

    @cached_property
    def bounds(self) -> NDArray[np.int64]:
        """Where each document begins in `order`, and the end (number of documents + 1,)."""
        counts = np.bincount(self.documents, minlength=len(self.document_names))
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])

    def rows_of(self, document: int) -> NDArray[np.int64]:
        """Return the rows of a document in reading order."""
        return self.order[self.bounds[document] : self.bounds[document + 1]]

    def decide(self, thresholds: Sequence[float] | None) -> NDArray[np.bool_]:
        """Return the labels (n, k) at other thresholds. Default: those in the file."""
        if thresholds is None or self.probabilities is None:
            return self.decisions
        # A comparison with NaN is false, so rows that were not labelled stay without labels.
        return decide(self.probabilities, np.array(thresholds))

    def contains(self, words: str) -> NDArray[np.bool_]:
        """Return which texts contain some words, without regard to case (n,)."""
        found = pc.match_substring(self.texts, words, ignore_case=True)
        return np.asarray(found.fill_null(False).to_numpy(zero_copy_only=False), np.bool_)

    @cached_property
    def columns(self) -> Mapping[str, Column]:
        """The columns that can define groups, as text. Columns with nested values are left out."""
        found = {"language": column_of(self.languages)}
        for name in self.extra.column_names:
            values = self.extra[name]
            if pa.types.is_nested(values.type):
                continue
            with suppress(pa.ArrowException):
                found[name] = column_of(values.cast(pa.string()))
        return found


class Tables:
    """The labelled tables of a project.

    Args:
        project: The project.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._copies = project.folder / APP_FOLDER / TABLES
        self._lock = threading.Lock()
        self._kept: OrderedDict[Path, tuple[object, LabelledTable]] = OrderedDict()

    def paths(self) -> dict[str, Path]:
        """Return the labelled tables by name, from the oldest to the newest.

        A document that already has labels, such as the output of another tool, is a labelled table as well.
        """
        documents = [path for path in self._project.documents() if path.is_file() and _content(path) != "texts"]
        found: dict[str, Path] = {}
        for path in (*documents, *self._project.labelled()):
            name, number = path.name, 2
            while name in found:
                name, number = f"{path.name} ({number})", number + 1
            found[name] = path
        return found

    def prepare(self) -> None:
        """Convert the tables that are not Parquet, so that pages need not wait for it."""
        for path in self.paths().values():
            if path.suffix.lower() != ".parquet":
                with suppress(CommuniqueError):  # the page that shows the table reports the error
                    self.open(path, self._project.codebook)

    def open(self, path: Path, codebook: Codebook | None = None) -> LabelledTable:
        """Read a table, or return it from memory if neither the file nor the labels have changed.

        Args:
            path: The file.
            codebook: The labels, for a table that is not Parquet and has no probabilities.

        Raises:
            DataError: The table cannot be read.
        """
        # A table without probabilities does not name its labels, so it is read with those of the codebook.
        book = codebook if _content(path) == "labels" else None
        state = file_state(path), None if book is None else book.sha256
        with self._lock:
            kept = self._kept.get(path)
            if kept is None or kept[0] != state:
                kept = state, self._read(path, state, book)
            self._kept[path] = kept
            self._kept.move_to_end(path)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return kept[1]

    def _read(self, path: Path, state: object, codebook: Codebook | None) -> LabelledTable:
        if path.suffix.lower() == ".parquet":
            with suppress(_ForeignTable):
                return read_labelled(path)
        whole = hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
        copy = self._copies / f"{whole}-{hashlib.sha256(repr(state).encode()).hexdigest()[:16]}.parquet"
        if not copy.exists():
            table = _as_table(read_population(path, codebook))
            self._copies.mkdir(parents=True, exist_ok=True)
            for old in self._copies.glob(f"{whole}-*.parquet"):
                old.unlink(missing_ok=True)
            with replacing(copy, "wb") as handle:
                pq.write_table(table, handle, compression="zstd")
        return read_labelled(copy)


class _ForeignTable(DataError):
    """A Parquet table that `communique label` did not write."""


def read_labelled(path: Path) -> LabelledTable:
    """Read a Parquet table with the columns that `communique label` writes.

    Raises:
        DataError: The table cannot be read, or lacks one of these columns.
    """
    try:
        table, metadata = pq.read_table(path), pq.read_metadata(path).metadata
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: {error}. Label the texts again") from error
    names, unsure = _labels_of(path, table)
    probabilities = _probabilities(table["probabilities"], names)
    known = bool(np.isfinite(probabilities).any())
    reasons = table[ERROR] if ERROR in table.column_names else pa.chunked_array([pa.nulls(len(table), pa.string())])
    texts = table["text"].fill_null("")
    labelled = pc.and_(pc.is_null(reasons), pc.not_equal(pc.utf8_trim_whitespace(texts), ""))
    labelled = np.asarray(labelled.to_numpy(zero_copy_only=False), np.bool_)
    if known:
        labelled &= np.isfinite(probabilities).all(axis=1)
    documents, pairs = _documents(table)
    index, has_index = positions(_integers(table, "index", 0), _integers(table, OWN_INDEX, -1), len(pairs))
    extra = [name for name in table.column_names if name not in NOT_GROUPS | {"language", ERROR, OWN_INDEX}]
    return LabelledTable(
        names=names,
        ids=table["id"].cast(pa.string()),
        texts=texts,
        reasons=reasons,
        languages=table["language"].fill_null(UNDETERMINED),
        documents=documents,
        document_names=tuple(name for _, name in pairs),
        sources=tuple(source or None for source, _ in pairs),
        index=index,
        has_index=has_index,
        labelled=labelled,
        decisions=_decisions(table[TENTATIVE if unsure else "labels"], names),
        probabilities=probabilities if known else None,
        extra=table.select([name for name in extra if name != "document"]),
        unsure=unsure,
        begins=read_paragraphs(metadata, len(table)),
    )


def _labels_of(path: Path, table: pa.Table) -> tuple[tuple[str, ...], int]:
    """Return the labels of a table, and the number of its rows that are `unsure`.

    Raises:
        DataError: The table lacks a column that `communique label` writes.
    """
    needed = ("id", "document", "index", "language", "text", "labels", "probabilities")
    if missing := [name for name in needed if name not in table.column_names]:
        raise _ForeignTable(f"{path}: there is no column {missing[0]!r}. Use a file that `communique label` wrote")
    kind = table.schema.field("probabilities").type
    if not pa.types.is_struct(kind):
        raise _ForeignTable(
            f"{path}: the column 'probabilities' has no fields. Use a file that `communique label` wrote"
        )
    names = tuple(field.name for field in kind)
    marked = pc.sum(pc.equal(pc.list_flatten(table["labels"]), UNSURE)).as_py() or 0
    unsure = 0 if UNSURE in names else int(marked)
    if unsure and TENTATIVE not in table.column_names:
        raise _ForeignTable(f"{path}: there is no column {TENTATIVE!r}. Use a file that `communique label` wrote")
    return names, unsure


def _probabilities(column: pa.ChunkedArray, names: Sequence[str]) -> NDArray[np.float32]:
    """Return the probabilities (n, k), NaN where there are none."""
    nested = column.combine_chunks()
    nested = pa.concat_arrays(nested.chunks) if isinstance(nested, pa.ChunkedArray) else nested
    found = np.full((len(nested), len(names)), np.nan, np.float32)
    for j, values in enumerate(nested.flatten()):
        found[:, j] = values.cast(pa.float32()).fill_null(float("nan")).to_numpy(zero_copy_only=False)
    return found


def _documents(table: pa.Table) -> tuple[NDArray[np.int64], list[tuple[str, str]]]:
    """Return the number of the document of each row (n,), and source and name of each document."""
    keys = table["document"].cast(pa.string()).fill_null("")
    if "source" in table.column_names:
        sources = table["source"].cast(pa.string()).fill_null("")
        keys = pc.binary_join_element_wise(sources, keys, _BETWEEN)
    coded = pa.chunked_array([keys]) if isinstance(keys, pa.Array) else keys
    encoded = coded.dictionary_encode().unify_dictionaries().combine_chunks()
    encoded = encoded.chunk(0) if isinstance(encoded, pa.ChunkedArray) else encoded
    documents = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    pairs = [key.rpartition(_BETWEEN) for key in encoded.dictionary.to_pylist()]
    return documents, [(source, name) for source, _, name in pairs]


def _integers(table: pa.Table, name: str, missing: int) -> NDArray[np.int64]:
    if name not in table.column_names:
        return np.full(len(table), missing, np.int64)
    try:
        values = table[name].cast(pa.int64()).fill_null(missing)
    except pa.ArrowException:
        return np.full(len(table), missing, np.int64)
    return np.asarray(values.to_numpy(), np.int64)


def _decisions(labels: pa.ChunkedArray, names: Sequence[str]) -> NDArray[np.bool_]:
    found = np.zeros((len(labels), len(names)), np.bool_)
    start = 0
    for chunk in labels.chunks:
        rows = pc.list_parent_indices(chunk).to_numpy() + start
        columns = pc.index_in(pc.list_flatten(chunk), pa.array(names, pa.string()))
        known = pc.is_valid(columns).to_numpy(zero_copy_only=False)
        found[rows[known], columns.fill_null(0).to_numpy(zero_copy_only=False)[known]] = True
        start += len(chunk)
    return found


@kept_while_unchanged(256)
def _content(path: Path) -> Content:
    """Return what a file contains. A file that cannot be read has no labels; whoever reads its rows reports the reason."""
    try:
        return content_of(path)
    except DataError:
        return "texts"


def _as_table(population: Population) -> pa.Table:
    """Return a population with the columns that `communique label` writes."""
    documents = population.documents.tolist()
    labels = [list(population.predicted(row)) for row in range(len(population))]
    unknown = np.full(len(population), population.n_without_probabilities > 0)
    columns = {
        "id": population.ids.cast(pa.string()),
        "document": pa.array([population.document_names[i] for i in documents], pa.string()),
        "index": pa.array(population.index),
        "language": pa.array(population.language.values(), pa.string()),
        "text": population.texts.cast(pa.string()).fill_null(""),
        "labels": pa.array(labels, pa.list_(pa.string())),
        "probabilities": pa.StructArray.from_arrays(
            [
                pa.array(population.probabilities[:, j], pa.float64(), mask=unknown)
                for j in range(len(population.names))
            ],
            list(population.names),
        ),
        "truncated": pa.array(np.zeros(len(population), np.bool_)),
        "source": pa.array([population.sources[i] for i in documents], pa.string()),
    }
    columns |= {
        name: pa.array(c.values(), pa.string()) for name, c in population.columns.items() if name not in columns
    }
    return pa.table(columns)
