"""Check whether an existing output is what a run would write, without labelling everything again."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from ..data.predictions_schema import OPTIONAL, OUT_OF_DOMAIN, PREFIX
from ..errors import DataError
from ..io.output import is_stream
from ..io.read import open_table
from ..io.tables import Problem, Row
from ..models.classifier import Classifier
from ..reporting.format import escape_formula, unescape_formula, xml_text
from .cells import cell, flat
from .label import LabelledShard, Positions, label_shard
from .page import is_page_of
from .reader import ShardReader
from .shard import json_text
from .write import OutputForm

#: Columns that only the model can compute.
_COMPUTED = ("labels", "probabilities", "truncated", *OPTIONAL)

#: Largest differences between probabilities, and between out-of-domain scores, that count as equal. Their last digits depend on the
#: number of threads.
_TOLERANCE, _SCORE_TOLERANCE = 1e-4, 1e-3


def is_complete(reader: ShardReader, out: Path, form: OutputForm, model: Classifier) -> bool:
    """Check whether an output contains every row of an input, labelled by a model.

    Columns that come from the input are compared in all rows. Labels and probabilities are computed again only for the first
    shard that contains a text. This reveals whether another model or other options were used. For an HTML page, only the hashes
    in its last line are compared: they cover everything that the page depends on, and its content.

    Args:
        reader: A reader of the input. Use it only for this check, because it counts what it reads.
        out: The existing output.
        form: How the output would be written.
        model: The opened model.
    """
    if is_stream(out):
        return False
    if form.suffix == ".html":
        if not is_page_of(out, form.run):
            return False
        for _ in reader.shards():  # Reading collects the notes for the user.
            pass
        return True
    labelled, positions = False, Positions()
    agree = partial(_agree, form)
    try:
        written = _rows(out, form)
        for shard in reader.shards():
            expected = positions.complete(label_shard(shard, model, blank=True))
            found = [flat(row) for row in islice(written, len(expected.table))]
            if len(found) != len(expected.table) or not all(map(agree, _unlabelled(expected), found)):
                return False
            if not all(map(_have_same_options, expected.iter_rows(), found)):
                return False
            if not labelled and expected.counts.rows > expected.counts.unreadable:
                again = label_shard(shard, model)
                labelled = again.counts.labelled > 0
                if not all(map(agree, map(flat, _computed(again)), found)):
                    return False
        return next(written, None) is None
    except (DataError, ValueError):
        return False  # The output is not a readable table.


def _rows(out: Path, form: OutputForm) -> Iterator[Row]:
    with open_table(out) as stream:
        for chunk in stream.chunks:
            if isinstance(chunk, Problem):
                raise DataError(chunk.reason)
            for row in chunk.to_rows():
                yield {unescape_formula(name) if form.escape_formulas else name: value for name, value in row.items()}


def _unlabelled(shard: LabelledShard) -> Iterator[Row]:
    """Yield the rows without the columns that the model computes."""
    for row in shard.iter_rows():
        yield {name: value for name, value in row.items() if name not in _COMPUTED}


def _computed(shard: LabelledShard) -> Iterator[Row]:
    """Yield the rows with only the columns that the model computes."""
    for row in shard.iter_rows():
        yield {name: row[name] for name in _COMPUTED if name in row}


def _have_same_options(expected: Row, found: Row) -> bool:
    """Check that a row has the optional columns that it should have, and no others."""
    return all((name in expected) == (name in found) for name in OPTIONAL)


def _agree(form: OutputForm, expected: Row, found: Row) -> bool:
    return all(
        _equal(form, name, value, found.get(name)) for name, value in expected.items() if name != "probabilities"
    )


def _equal(form: OutputForm, name: str, value: Any, found: Any) -> bool:
    """Compare a value with the cell that was read back.

    The cell is text if the output is CSV, or if the values of a Parquet column had different types.
    """
    if name.startswith(PREFIX) and value is not None and found not in (None, ""):
        return abs(float(value) - float(found)) <= _TOLERANCE
    if name == OUT_OF_DOMAIN and isinstance(value, float) and found not in (None, ""):
        return abs(value - float(found)) <= _SCORE_TOLERANCE
    return (
        value == found
        or _written(form, value) == _shown(form, found)
        or (isinstance(value, (list, dict)) and json_text(value) == found)
    )


def _written(form: OutputForm, value: Any) -> str:
    """Return the text of a value in the output."""
    if form.suffix == ".xlsx":
        return xml_text(_shown(form, value))
    value = cell(value)
    return escape_formula(value) if form.escape_formulas and isinstance(value, str) else _shown(form, value)


def _shown(form: OutputForm, value: Any) -> str:
    text = "" if value is None else str(cell(value))
    # A workbook does not distinguish a date from midnight on that date.
    return text.removesuffix(" 00:00:00") if form.suffix == ".xlsx" else text
