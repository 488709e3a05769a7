"""Write numbers and table cells. Every number that a reader sees is formatted here, in Python and in the templates alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

#: Shown where a number is not defined.
UNDEFINED = "–"

#: The largest rate or duration that is written out.
MAX_QUANTITY = 100_000


def number(value: float | None, digits: int = 3) -> str:
    """Write a score such as 0.123, or a dash where it is None or NaN."""
    return _fixed(value, f".{digits}f")


def signed(value: float | None, digits: int = 3) -> str:
    """Write a difference with its sign, such as +0.123."""
    return _fixed(value, f"+.{digits}f")


def score(value: float | None, low: float | None, high: float | None) -> str:
    """Write a score with its interval, such as "0.123 [0.100, 0.150]", or "0.123 [–]" where no interval is defined."""
    return _with_interval(number, value, low, high)


def signed_score(value: float | None, low: float | None, high: float | None) -> str:
    """Write a difference with its interval, such as "+0.123 [-0.100, +0.150]"."""
    return _with_interval(signed, value, low, high)


def p_value(value: float | None) -> str:
    """Write a p-value with three digits, or "< 0.001"."""
    return "< 0.001" if value is not None and value < 0.001 else number(value)


def percent(value: float | None, digits: int = 0) -> str:
    """Write a proportion as a percentage, such as 97%."""
    return _fixed(value, f".{digits}%")


def quantity(value: float | None) -> str:
    """Write a rate or a duration: one decimal below 10, else a whole number with separators, up to "> 100,000"."""
    if value is not None and value > MAX_QUANTITY:
        return f"> {MAX_QUANTITY:,}"
    return _fixed(value, ".1f" if value is not None and value < 10 else ",.0f")


def mebibytes(size: float) -> str:
    """Write a number of bytes in units of 2**20."""
    return f"{size / 2**20:,.0f} MiB"


def megabytes(size: float) -> str:
    """Write a number of bytes in units of 10**6."""
    return f"{size / 1e6:,.0f} MB"


def rounded(value: float, digits: int) -> float | None:
    """Return a number as a result file stores it: rounded, and None where it is NaN."""
    return None if math.isnan(value) else round(float(value), digits)


def cell(value: object) -> str:
    """Write a value as one cell of a Markdown table, whatever bars and line breaks the data contain."""
    return " ".join(str(value).splitlines()).replace("|", "\\|")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a Markdown table."""
    lines = (head, ["---"] * len(head), *rows)
    return "\n".join("| " + " | ".join(map(cell, cells)) + " |" for cells in lines)


def without_nan(value: Any) -> Any:
    """Return plain values for JSON, which has neither NaN nor infinity: each of them, at any depth, becomes None."""
    if isinstance(value, dict):
        return {key: without_nan(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _undefined(value: float | None) -> bool:
    return value is None or math.isnan(value)


def _fixed(value: float | None, specification: str) -> str:
    return UNDEFINED if value is None or math.isnan(value) else format(value, specification)


def _with_interval(
    write: Callable[[float | None], str], value: float | None, low: float | None, high: float | None
) -> str:
    if _undefined(value):
        return UNDEFINED
    return f"{write(value)} [{UNDEFINED}]" if _undefined(low) else f"{write(value)} [{write(low)}, {write(high)}]"
