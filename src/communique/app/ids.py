"""Ids of jobs and of pasted or dropped texts. They are names of folders, and sort by time."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime

#: What an id looks like: when it was made, and a random number.
ID_PATTERN = "^[0-9]{8}-[0-9]{6}-[0-9a-f]{6}$"

_TIME = "%Y%m%d-%H%M%S"
_ID = re.compile(ID_PATTERN)


def new_id(time: datetime) -> str:
    """Return a new id."""
    return f"{time.astimezone(UTC):{_TIME}}-{secrets.token_hex(3)}"


def time_of(id: str) -> datetime:
    """Return when an id was made."""
    return datetime.strptime(id.rpartition("-")[0], _TIME).replace(tzinfo=UTC)


def is_id(text: str) -> bool:
    """Return whether a text is an id."""
    return _ID.fullmatch(text) is not None
