"""Say what is wrong with the index of a project, and what to do, from the error code of SQLite."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DatabaseError

_PERMISSIONS = "Check the permissions of the project's folder .app and of the files in it"
_IN_USE = "Another process has been using it for too long. Try again, or close other apps that have this project open"

#: What to do, by the beginning of SQLite's name for the error. Longer names come first.
_ADVICE = {
    "SQLITE_READONLY_DBMOVED": "Its file was moved or deleted while it was open. Start the app again",
    "SQLITE_READONLY": _PERMISSIONS,
    "SQLITE_PERM": _PERMISSIONS,
    "SQLITE_CANTOPEN": "Check that the project's folder .app exists, and that you may read and write it",
    "SQLITE_BUSY": _IN_USE,
    "SQLITE_LOCKED": _IN_USE,
    "SQLITE_PROTOCOL": _IN_USE,
    "SQLITE_FULL": "Free some disk space",
    "SQLITE_IOERR": "Check the disk. If the project is on a network drive, copy it to a disk of this computer",
    "SQLITE_NOMEM": "Close other programs to free memory",
}

#: Beginnings of the names of errors that mean that the file is not an index, or is damaged.
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")

#: What to do in all other cases. The files of the project contain everything that is in the index.
_REBUILD = "Stop the app, delete the file index.sqlite in the project's folder .app, and start the app again, which builds it again"


def error_name(error: DatabaseError) -> str:
    """Return SQLite's name for an error, such as `SQLITE_BUSY`, or an empty string if it has none."""
    name = getattr(error.orig, "sqlite_errorname", None)
    return name if isinstance(name, str) else ""


def is_damaged(error: DatabaseError) -> bool:
    """Return whether an error means that the file of the index is damaged, and not only that it cannot be used now."""
    return error_name(error).startswith(_DAMAGED)


def is_of_index(error: DatabaseError) -> bool:
    """Return whether the file or its disk caused an error. Otherwise, the program passed a wrong statement or value."""
    return is_damaged(error) or isinstance(error.orig, sqlite3.OperationalError)


def describe_index_error(error: DatabaseError) -> str:
    """Return what is wrong with the index, and what to do."""
    name = error_name(error)
    advice = next((text for beginning, text in _ADVICE.items() if name.startswith(beginning)), _REBUILD)
    return f"The index of the project cannot be used: {error.orig}. {advice}"
