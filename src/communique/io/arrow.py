"""Arrow tables of rows whose types differ: between rows, files and shards. What has no common type becomes text."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..text.cleaning import without_surrogates
from .tables import MAX_CELL, Row, Unreadable


def as_text(value: Any) -> str | None:
    """Return a cell as text; None if it is empty or not text: a list, an object, bytes that are not UTF-8."""
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


def readable(table: pa.Table) -> pa.Table | list[Row]:
    """Make every cell of a table convertible to Python and to any output.

    A column of a type that Python cannot hold, such as a date beyond the year 9999, becomes text. Texts that are not UTF-8
    or longer than `MAX_CELL` become `Unreadable` cells, for which the table becomes a list of rows.

    Args:
        table: Rows of a file.
    """
    damaged: dict[str, list[Any]] = {}
    columns: list[pa.ChunkedArray] = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        if pa.types.is_string_view(kind):
            column = column.cast(pa.string())
        texts = column.cast(kind.value_type) if pa.types.is_dictionary(kind) else column
        if _is_text(texts.type):
            try:
                texts.validate(full=True)
                long = (pc.max(pc.binary_length(texts)).as_py() or 0) > MAX_CELL
            except pa.ArrowInvalid:
                long = True
            if long:
                damaged[name] = _decoded(texts)
        elif not _is_simple(texts.type):
            column = _convertible(column)
        columns.append(column)
    if not damaged:
        return pa.table(columns, names=table.column_names)
    values = {
        name: damaged.get(name) or column.to_pylist() for name, column in zip(table.column_names, columns, strict=True)
    }
    return [dict(zip(values, cells, strict=True)) for cells in zip(*values.values(), strict=True)]


def _decoded(column: pa.ChunkedArray) -> list[str | None]:
    binary = pa.large_binary() if pa.types.is_large_string(column.type) else pa.binary()
    # A cast would validate; the buffers are the same.
    chunks = [pa.Array.from_buffers(binary, len(c), c.buffers(), offset=c.offset) for c in column.chunks]
    return [_decoded_cell(scalar) for chunk in chunks for scalar in chunk]


def _decoded_cell(scalar: Any) -> str | None:
    if not scalar.is_valid:
        return None
    try:
        # No character has more than four bytes, so that a longer cell need not be copied to be refused.
        too_long = scalar.as_buffer().size > 4 * MAX_CELL
        text = "" if too_long else scalar.as_py().decode()
    except UnicodeDecodeError:
        return Unreadable("bytes that are not UTF-8. Write the file again")
    if too_long or len(text) > MAX_CELL:
        return Unreadable(f"more than {MAX_CELL:,} characters. Split the text into rows")
    return str(text)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_simple(kind: pa.DataType) -> bool:
    """Return whether Python and every output can hold all values of a type."""
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_null(kind)
        or pa.types.is_binary(kind)
    )


def _convertible(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column if Python can hold its values, otherwise its values as text."""
    values = []
    failed = "view" in str(column.type)
    for scalar in column:
        try:
            values.append(scalar.as_py())
        except (ValueError, OverflowError, TypeError, UnicodeDecodeError, NotImplementedError, pa.ArrowException):
            failed = True
            values.append(_scalar_text(scalar))
    if not failed:
        return column
    if any(isinstance(value, bytes) for value in values):
        return pa.chunked_array([pa.array(values, pa.binary())])
    return pa.chunked_array([_texts(values)])


def _scalar_text(scalar: Any) -> str | None:
    """Return what a value that Python cannot hold looks like: a timestamp as its number and unit."""
    try:
        return str(scalar.cast(pa.string()).as_py())
    except (ValueError, OverflowError, TypeError, NotImplementedError, pa.ArrowException):
        number = getattr(scalar, "value", None)
        return None if number is None else f"{number} ({scalar.type})"


def table_from_rows(rows: Sequence[Row]) -> pa.Table | int:
    """Make a table of rows with inferred types; return the number of rows if they have no columns."""
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
    return without_surrogates(text)


def _storable(kind: pa.DataType) -> bool:
    """Return whether Parquet can hold a type; it cannot hold an object without any key."""
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
    """Convert a table to a schema that `unify_schemas` found; missing columns become null."""
    kinds = {field.name: field.type for field in schema}
    columns, changed = [], False
    for field, column in zip(table.schema, table.columns, strict=True):
        wanted = kinds[field.name]
        if wanted != field.type and pa.types.is_string(wanted) and not pa.types.is_null(field.type):
            column, changed = _texts(column.to_pylist()), True
        columns.append(column)
    if changed:
        table = pa.table(columns, names=table.column_names)
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
