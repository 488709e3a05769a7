"""The columns of the documents that can define groups, for forms that let the user choose some of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from sqlalchemy import select, text

from ..errors import DataError
from .indexing import DOCUMENTS
from .store import SOURCES, Store

#: Number of sentences in which columns and their values are counted.
_LOOKED_AT = 20_000

#: Columns with more values than this are not offered: groups with a few sentences each cannot be estimated.
MAX_VALUES = 200

#: Reads the columns in which cells of groups occur, and how many different values each has.
_QUERY = text(
    "SELECT key, COUNT(DISTINCT value) FROM (SELECT groups FROM sentence LIMIT :rows) AS part, json_each(part.groups) "
    "GROUP BY key ORDER BY key"
)


def group_columns(store: Store) -> dict[str, int]:
    """Return the columns that can define groups, with the number of their values.

    Names with a comma or with spaces at an end are left out, because the command line separates columns by commas.
    """
    with store.reading() as connection:
        version = connection.scalar(select(SOURCES.c.signature).where(SOURCES.c.name == DOCUMENTS))
    return dict(_columns(store, version))


@lru_cache(maxsize=8)
def _columns(store: Store, version: str | None) -> tuple[tuple[str, int], ...]:
    with store.reading() as connection:
        found = [(str(name), int(n)) for name, n in connection.execute(_QUERY, {"rows": _LOOKED_AT})]
        languages = connection.scalar(text("SELECT COUNT(DISTINCT language) FROM sentence")) or 0
    usable = [(name, n) for name, n in found if n <= MAX_VALUES and "," not in name and name and name == name.strip()]
    return (*usable, *([("language", int(languages))] if languages > 1 else []))


def checked_columns(store: Store, given: Sequence[str]) -> str:
    """Return chosen columns as the command line expects them.

    Raises:
        DataError: The documents have no such column.
    """
    known = group_columns(store)
    for name in given:
        if name not in known:
            raise DataError(
                f"The documents have no column {name!r} that can define groups. Columns: {', '.join(known) or 'none'}"
            )
    return ",".join(dict.fromkeys(given))
