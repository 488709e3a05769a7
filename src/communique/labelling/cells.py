"""The columns and cells of an output that has no nested values: CSV and workbooks."""

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
    """Return the columns of all shards; `error` is among them only if some row has one."""
    schema = unify_schemas(schema for schema, _ in headers)
    errors = any(counts.unreadable or counts.letterless or counts.page_lines for _, counts in headers)
    return pa.schema([column for column in schema if column.name != ERROR or errors])


def flat_names(schema: pa.Schema) -> list[str]:
    """Return the names of columns with one column per probability."""
    return [
        name
        for field in schema
        for name in (
            [f"{PREFIX}{child.name}" for child in field.type] if field.name == "probabilities" else [field.name]
        )
    ]


def flat(row: Row) -> Row:
    """Return a row with one column per probability."""
    return row | {f"{PREFIX}{label}": p for label, p in (row.get("probabilities") or {}).items()}


def cell(value: Any) -> Any:
    """Write lists of names as ``a|b``, and what is nested as JSON."""
    if isinstance(value, list) and all(isinstance(v, (str, int, float)) for v in value):
        return "|".join(map(str, value))
    return json_text(value) if isinstance(value, (list, dict)) else value
