"""Build Arrow tables from rows, files and shards whose data types differ. Values without a common type become text."""

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
    """Return a cell as text, or None if it is empty, a list, an object, or bytes that are not UTF-8."""
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
    """Return a table whose cells can all be converted to Python values and written to any output.

    A column with values that Python cannot represent, such as dates after the year 9999, becomes text. A text that is not UTF-8 or
    is longer than `MAX_CELL` becomes an `Unreadable` cell; in this case, a list of rows is returned instead of a table.

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
    # A cast would validate the texts. Binary arrays use the same buffers, so reinterpret them.
    chunks = [pa.Array.from_buffers(binary, len(c), c.buffers(), offset=c.offset) for c in column.chunks]
    return [_decoded_cell(scalar) for chunk in chunks for scalar in chunk]


def _decoded_cell(scalar: Any) -> str | None:
    if not scalar.is_valid:
        return None
    try:
        # A character has at most four bytes, so a cell with more bytes than this is too long, and it need not be copied.
        too_long = scalar.as_buffer().size > 4 * MAX_CELL
        text = "" if too_long else scalar.as_py().decode()
    except UnicodeDecodeError:
        return Unreadable("bytes that are not UTF-8. Write the file again")
    if too_long or len(text) > MAX_CELL:
        return Unreadable(f"more than {MAX_CELL:,} characters. Split the text into several rows")
    return str(text)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_simple(kind: pa.DataType) -> bool:
    """Return whether Python and every output can represent all values of a type."""
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_null(kind)
        or pa.types.is_binary(kind)
    )


def _convertible(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column unchanged if Python can represent its values, or else return its values as text."""
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
    """Return the text form of a value that Python cannot represent, such as a timestamp as its number and unit."""
    try:
        return str(scalar.cast(pa.string()).as_py())
    except (ValueError, OverflowError, TypeError, NotImplementedError, pa.ArrowException):
        number = getattr(scalar, "value", None)
        return None if number is None else f"{number} ({scalar.type})"


def table_from_rows(rows: Sequence[Row]) -> pa.Table | int:
    """Return a table of the rows, with inferred data types. If the rows have no columns, return the number of rows."""
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
    """Return whether Parquet can store a type. It cannot store an object without keys."""
    if pa.types.is_struct(kind):
        return kind.num_fields > 0 and all(_storable(field.type) for field in kind)
    return not pa.types.is_list(kind) or _storable(kind.value_type)


def unify_schemas(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """Return a schema that can hold tables of all these schemas.

    It has all columns, in order of first appearance. A column has the widest of its types, or is text if they have no common type.
    """
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
    """Convert a table to a schema that `unify_schemas` returned. Missing columns are filled with nulls."""
    kinds = {field.name: field.type for field in schema}
    columns, changed = [], False
    for field, column in zip(table.schema, table.columns, strict=True):
        wanted = kinds[field.name]
        if wanted != field.type and pa.types.is_string(wanted) and not pa.types.is_null(field.type):
            column, changed = _texts(column.to_pylist()), True
        columns.append(column)
    if changed:
        table = pa.table(columns, names=table.column_names)
    # Use concatenation, because it also widens nested types, which a cast does not.
    whole = pa.concat_tables([schema.empty_table(), table.replace_schema_metadata()], promote_options="permissive")
    return whole.select(schema.names).combine_chunks()


def concat(tables: Sequence[pa.Table | int]) -> pa.Table | None:
    """Concatenate tables, or return None if no table has columns. A number means that many rows without columns."""
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
