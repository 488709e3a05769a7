"""Build the columns and cells of outputs that have no nested values: CSV and workbooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from ..data.predictions_schema import ERROR, PREFIX
from ..io.arrow import unify_schemas
from ..io.tables import Row
from .label import ShardCounts
from .shard import json_text


def output_schema(headers: Sequence[tuple[pa.Schema, ShardCounts]]) -> pa.Schema:
    """Return the columns of all shards. `error` is included only if at least one row has a value in it."""
    schema = unify_schemas(schema for schema, _ in headers)
    errors = any(counts.unreadable or counts.letterless or counts.page_lines or counts.failed for _, counts in headers)
    return pa.schema([column for column in schema if column.name != ERROR or errors])


def flat_names(schema: pa.Schema) -> list[str]:
    """Return the column names, with one column per probability."""
    return [
        name
        for field in schema
        for name in (
            [f"{PREFIX}{child.name}" for child in field.type] if field.name == "probabilities" else [field.name]
        )
    ]


def flat(row: Row) -> Row:
    """Return a row with one additional column per probability."""
    return row | {f"{PREFIX}{label}": p for label, p in (row.get("probabilities") or {}).items()}


def cell(value: Any) -> Any:
    """Convert a value to a flat cell. A list of plain values becomes ``a|b``, and other nested values become JSON."""
    if isinstance(value, list) and all(isinstance(v, (str, int, float)) for v in value):
        return "|".join(map(str, value))
    return json_text(value) if isinstance(value, (list, dict)) else value
