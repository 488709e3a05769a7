"""The population of texts that are not labelled yet, and how they are distinguished from predictions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..data.codebook import Codebook
from ..data.codes import factorize
from ..data.predictions_schema import PREFIX
from ..io.read import cell, open_table
from ..io.recognise import Encoding
from ..io.suffixes import ROW_SUFFIXES, ending
from ..io.tables import Row
from ..text.cleaning import without_surrogates
from ..text.language import UNDETERMINED
from .population import NOT_GROUPS, OWN_INDEX, Population, check_ids, column_of, positions

#: Columns that every table of predictions without probabilities has.
PREDICTION_COLUMNS = frozenset(("id", "document", "text", "labels"))

#: What a file contains: predictions with probabilities, predictions without them, or texts that are not labelled yet.
Content = Literal["probabilities", "labels", "texts"]


def content_of(path: str | Path, *, encoding: str | None = None, sheet: str | None = None) -> Content:
    """Return whether a file contains predictions or texts.

    A table with labels and columns of probabilities contains predictions. So does a table that has all of the columns `id`,
    `document`, `text` and `labels`.

    Raises:
        DataError: The table cannot be read.
    """
    if not Path(path).is_file() or ending(path)[0] not in ROW_SUFFIXES:
        return "texts"
    with open_table(path, encoding=Encoding.chosen(encoding), sheet=sheet) as stream:
        columns = stream.columns
    if "labels" in columns and any(name == "probabilities" or name.startswith(PREFIX) for name in columns):
        return "probabilities"
    return "labels" if set(columns) >= PREDICTION_COLUMNS else "texts"


def population_of_texts(name: str, sha256: str, codebook: Codebook, batches: Iterable[Sequence[Row]]) -> Population:
    """Build the population of texts that are not labelled yet.

    Args:
        name: Name of the input in messages.
        sha256: Hash of the input.
        codebook: The labels that coders will assign.
        batches: Rows with the columns that `communique label` would write for the same input. Rows that it would not label must
            be left out. There is at least one row.

    Raises:
        DataError: Two rows have the same id.
    """
    import pyarrow as pa

    rows = _Rows()
    for batch in batches:
        rows.add(batch)
    n, k = len(rows.ids), len(codebook.names)
    path, numbers = Path(name), np.arange(1, n + 1)
    ids = pa.array(rows.ids, pa.large_string())
    check_ids(path, ids, numbers)
    documents, keys = factorize(rows.documents)
    index, has_index = positions(np.array(rows.index, np.int64), np.array(rows.own_index, np.int64), len(keys))
    return Population(
        path=path,
        sha256=sha256,
        names=codebook.names,
        numbers=numbers,
        ids=ids,
        texts=pa.array(rows.texts, pa.large_string()),
        previous=pa.array(rows.previous, pa.large_string()),
        documents=documents,
        document_names=tuple(document for _, document in keys),
        sources=tuple(source or None for source, _ in keys),
        index=index,
        language=column_of(rows.languages),
        decisions=np.zeros((n, k), np.bool_),
        probabilities=np.zeros((n, k)),
        columns={name: column_of(values) for name, values in rows.columns.items()},
        unlabelled=0,
        n_without_probabilities=0,
        has_index=has_index,
        notes=(),
        has_predictions=False,
    )


class _Rows:
    """The rows by column."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.texts: list[str] = []
        self.previous: list[str | None] = []
        self.documents: list[tuple[str, str]] = []
        self.languages: list[str] = []
        self.index: list[int] = []
        self.own_index: list[int] = []
        self.columns: dict[str, list[str | None]] = {}

    def add(self, rows: Sequence[Row]) -> None:
        """Add rows. A column that earlier rows do not have is empty there."""
        before = len(self.ids)
        for row in rows:
            identity = str(row["id"]).strip()
            self.ids.append(identity)
            self.texts.append(str(row["text"]).strip())
            self.previous.append(_text(row, "previous"))
            self.documents.append((_text(row, "source") or "", _text(row, "document") or identity))
            self.languages.append(_text(row, "language") or UNDETERMINED)
            self.index.append(int(row["index"] or 0))
            self.own_index.append(_whole(row.get(OWN_INDEX)))
        found = dict.fromkeys(chain.from_iterable(rows))
        for name in dict.fromkeys([*self.columns, *found]):
            if name not in NOT_GROUPS and not name.startswith(PREFIX):
                values = self.columns.setdefault(name, [None] * before)
                values += [_text(row, name) for row in rows]


def _text(row: Row, name: str) -> str | None:
    value = cell(row, name)
    return None if value is None else without_surrogates(value)


def _whole(value: Any) -> int:
    try:
        return -1 if value is None else int(float(value))
    except (ValueError, OverflowError):
        return -1
