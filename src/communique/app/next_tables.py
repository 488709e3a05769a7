"""Fill tables next to those of an index, and let them take their place at once."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, Connection, MetaData, Table, delete, inspect, literal_column, select
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.sql.elements import quoted_name

from .store import Store

#: Prefixes of the names of the tables before they take their place, and of those whose place they took.
_NEXT, _FORMER = "next_", "former_"

#: Number of rows that are removed together.
_BATCH = 5000

#: The number by which SQLite knows a row.
_ROW: ColumnElement[Any] = literal_column("rowid")


class NextTables:
    """Empty copies of tables of an index, to be filled.

    Filling takes minutes in large projects. In a single transaction, nobody else could record an answer meanwhile, so each batch of
    rows is a transaction of its own. Until `replace`, all others see the present tables. Only one process may fill tables at a
    time. What an interrupted one left behind is deleted.

    Args:
        store: The index.
        tables: The tables to build again.
    """

    def __init__(self, store: Store, tables: Sequence[Table]) -> None:
        self._store, self._tables = store, tables
        for prefix in (_NEXT, _FORMER):
            self._remove(prefix)
        metadata, token = MetaData(), secrets.token_hex(4)
        self._next = {table.name: table.to_metadata(metadata, name=_NEXT + table.name) for table in tables}
        for table in self._next.values():
            for index in table.indexes:
                # The indexes of the present tables keep their names until `replace`, and names must differ.
                index.name = quoted_name(f"{index.name}_{token}", quote=None)
        with store.writing() as connection:
            metadata.create_all(connection)

    def __getitem__(self, table: Table) -> Table:
        """Return the table that takes the place of another one."""
        return self._next[table.name]

    def add(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows, except those with a key that has been added before."""
        if rows:
            with self._store.writing() as connection:
                connection.execute(upsert(self[table]).on_conflict_do_nothing(), rows)

    @contextmanager
    def replace(self) -> Iterator[Connection]:
        """Open the transaction in which the tables take their place. The former ones are removed after it."""
        with self._store.writing() as connection:
            for name in self._next:
                connection.exec_driver_sql(f'ALTER TABLE "{name}" RENAME TO "{_FORMER}{name}"')
                connection.exec_driver_sql(f'ALTER TABLE "{_NEXT}{name}" RENAME TO "{name}"')
            yield connection
        self._remove(_FORMER)

    def _remove(self, prefix: str) -> None:
        """Remove the tables with a prefix, if there are any. Dropping a large table at once could take longer than others wait."""
        for name in [prefix + table.name for table in self._tables]:
            with self._store.reading() as connection:
                if not inspect(connection).has_table(name):
                    continue
                table = Table(name, MetaData(), autoload_with=connection)
            for index in table.indexes:
                with self._store.writing() as connection:
                    index.drop(connection)
            some = delete(table).where(_ROW.in_(select(_ROW).select_from(table).limit(_BATCH)))
            removed = 1
            while removed:
                with self._store.writing() as connection:
                    removed = connection.execute(some).rowcount
            with self._store.writing() as connection:
                table.drop(connection)
