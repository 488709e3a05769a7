"""Arrow tables of rows whose types differ: between rows, files and shards. What has no common type becomes text."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from .tables import Row

#: Halves of characters: JSON can hold them, UTF-8, Arrow and a tokenizer cannot.
SURROGATE = re.compile("[\ud800-\udfff]")


def as_text(value: Any) -> str | None:
    """Give a cell as text; None where it holds nothing, or what is no text: a list, an object, bytes that are not UTF-8."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, (list, tuple, dict)) or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    return str(value)


def table_from_rows(rows: Sequence[Row]) -> pa.Table | int:
    """Make a table of rows, types inferred; the number of rows where they have no columns."""
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: _array([row.get(name) for row in rows]) for name in names}) if names else len(rows)


def _array(values: Sequence[Any]) -> pa.Array:
    try:
        array = pa.array(values)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        return _texts(values)
    return array if _storable(array.type) else _texts(values)


def _texts(values: Iterable[Any]) -> pa.Array:
    return pa.array([None if value is None else _written(value) for value in values], pa.string())


def _written(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, (list, dict)) else str(value)
    return SURROGATE.sub("\ufffd", text)


def _storable(kind: pa.DataType) -> bool:
    """Tell whether Parquet can hold a type: an object without a single key it cannot."""
    if pa.types.is_struct(kind):
        return kind.num_fields > 0 and all(_storable(field.type) for field in kind)
    return not pa.types.is_list(kind) or _storable(kind.value_type)


def unify_schemas(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """Find the schema that holds tables of several: their columns in order of appearance, types widened, else text."""
    fields: dict[str, pa.Field] = {}
    for field in (field for schema in schemas for field in schema):
        known = fields.get(field.name)
        if known is None or known.equals(field):
            fields[field.name] = field
            continue
        try:
            merged = pa.unify_schemas([pa.schema([known]), pa.schema([field])], promote_options="permissive")
            fields[field.name] = merged.field(0)
        except (pa.ArrowTypeError, pa.ArrowInvalid):
            fields[field.name] = pa.field(field.name, pa.string())
    return pa.schema(list(fields.values()))


def cast_to(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Bring a table into a schema that `unify_schemas` found; columns that it lacks are null."""
    for i, field in enumerate(table.schema):
        wanted = schema.field(field.name).type
        if wanted != field.type and pa.types.is_string(wanted) and not pa.types.is_null(field.type):
            table = table.set_column(i, field.name, _texts(table.column(i).to_pylist()))
    # Concatenation widens nested types too, which a cast does not.
    whole = pa.concat_tables([schema.empty_table(), table.replace_schema_metadata()], promote_options="permissive")
    return whole.select(schema.names).combine_chunks()


def concat(tables: Sequence[pa.Table | int]) -> pa.Table | None:
    """Put tables one below the other; a number stands for so many rows without columns. None where no table has any."""
    schema = unify_schemas(table.schema for table in tables if isinstance(table, pa.Table))
    if not schema.names:
        return None
    return pa.concat_tables(
        [
            cast_to(table, schema)
            if isinstance(table, pa.Table)
            else pa.table([pa.nulls(table, field.type) for field in schema], schema)
            for table in tables
        ]
    ).combine_chunks()
