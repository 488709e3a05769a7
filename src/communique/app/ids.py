"""Ids of jobs and of pasted or dropped texts. They are names of folders, and sort by time."""

from __future__ import annotations

import re
import secrets
from datetime import datetime

#: What an id looks like: when it was made, and a random number.
ID_PATTERN = "^[0-9]{8}-[0-9]{6}-[0-9a-f]{6}$"

_ID = re.compile(ID_PATTERN)


def new_id(time: datetime) -> str:
    """Return a new id."""
    return f"{time:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def is_id(text: str) -> bool:
    """Return whether a text is an id."""
    return _ID.fullmatch(text) is not None
