"""Read label cells."""

from __future__ import annotations

import json
from typing import Any

from .codebook import Codebook

_TRUE = {"1", "1.0", "true", "yes", "y", "x"}
_FALSE = {"0", "0.0", "false", "no", "n", ""}


def split_labels(value: Any, codebook: Codebook) -> list[str]:
    """Read a cell of labels: a list, a JSON list, ``a|b``, ``a;b``, ``a,b``, one label, or `none`.

    Raises:
        ValueError: The value is none of these.
    """
    if isinstance(value, str):
        value = value.strip()
        if value.startswith("["):
            try:
                value = json.loads(value)
            except ValueError:
                raise ValueError(f"{value!r} is not a JSON list; write a|b") from None
        else:
            for separator in ";,":
                value = value.replace(separator, "|")
            value = value.split("|")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        # UMSAB and many tables number their classes; a codebook may name its labels "0", "1", "2".
        value = [str(int(value)) if float(value).is_integer() else str(value)]
    if not isinstance(value, (list, tuple)) or not all(isinstance(part, (str, int)) for part in value):
        raise ValueError(f"{value!r} is no list of labels; write a|b or a JSON list")
    parts = [stripped for part in value if (stripped := str(part).strip())]
    if parts == ["none"] and codebook.multilabel:
        return []
    return parts
