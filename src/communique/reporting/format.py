"""Write numbers and table cells. Every number that a reader sees is formatted here, in Python and in the templates alike."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

#: Shown where a number is not defined.
UNDEFINED = "–"

#: Characters that change what a terminal or a page shows instead of showing themselves: the control characters of ASCII (such as
#: ESC) and of Latin-1 (C1), the overrides and isolates of text direction, Unicode's line ends, and lone surrogates, which no
#: output stream can encode. Tabs and line ends are left to the caller.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")

#: Characters that XML 1.0, and so a workbook, cannot hold: control characters except tab and line ends, lone surrogates, and two
#: noncharacters.
NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

#: Cells that a spreadsheet runs as a formula, which can send the sheet's content to a server or start a program; full-width signs
#: count too. An apostrophe in front makes such a cell text.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")

#: Numbers with a sign, which are not formulas.
_SIGNED = re.compile(r"'*[+-]?\d+(?:[.,]\d+)*%?")

#: Beginnings of HTML tags, and the middle of Markdown links and images.
_MARKUP = re.compile(r"(?<!\\)(?:<(?=[A-Za-z/!?])|\](?=\())")

#: The largest rate or duration that is written out.
MAX_QUANTITY = 100_000


def printable(text: str) -> str:
    r"""Return a text in which control characters are escaped, such as ESC as `\x1b`; tabs and line ends stay.

    Everything that the command line prints and every value in a report passes through this function: a text, a document, a file or
    a label may carry any character.
    """
    return _CONTROLS.sub(lambda match: _escape(match[0]), text)


def one_line(text: str) -> str:
    """Return a text as `printable` does, on one line: tabs and line ends are escaped too."""
    return re.sub(r"[\t\n]", lambda match: _escape(match[0]), printable(text))


def xml_text(text: str) -> str:
    r"""Escape the characters that XML cannot hold as `printable` does, such as ESC as `\x1b`."""
    return NOT_XML.sub(lambda match: _escape(match[0]), text)


def is_formula(value: str) -> bool:
    """Return whether a spreadsheet would run this cell of a CSV file as a formula."""
    return _FORMULA.match(value) is not None and _SIGNED.fullmatch(value) is None


def escape_formula(value: str) -> str:
    """Put an apostrophe in front of a cell that a spreadsheet would run as a formula; `unescape_formula` removes it."""
    return f"'{value}" if is_formula(value) else value


def unescape_formula(value: Any) -> Any:
    """Undo `escape_formula`. Values other than text are returned unchanged."""
    escaped = isinstance(value, str) and value.startswith("'") and is_formula(value[1:])
    return value[1:] if escaped else value


def counted(n: int, noun: str, plural: str | None = None) -> str:
    """Format a number with its noun, such as "1 row" or "2 rows". The plural ends in -s by default."""
    return f"{n} {noun if n == 1 else plural or noun + 's'}"


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
    """Write a value as one cell of a Markdown table, whatever bars, line breaks, tags and links the data contain."""
    return plain_markdown(" ".join(str(value).splitlines()).replace("|", "\\|"))


def plain_markdown(text: str) -> str:
    """Return a text in which control characters, HTML tags and links are escaped; applied twice it changes nothing more."""
    return _MARKUP.sub(lambda match: f"\\{match[0]}", printable(text))


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


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


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
