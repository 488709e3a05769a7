"""Format numbers and table cells. Python code and templates format every number that a reader sees with these functions."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

#: Shown in place of a number that is not defined.
UNDEFINED = "–"

#: Characters that change what a terminal or a page shows: the control characters of ASCII (such as ESC) and of Latin-1 (C1),
#: overrides and isolates of text direction, and Unicode's line ends. Lone surrogates are included because no output stream can
#: encode them. Tabs and line ends are not included.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")

#: Characters that XML 1.0, and therefore a workbook, cannot contain: control characters except tabs and line ends, lone
#: surrogates, and two noncharacters.
NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

#: Cells that a spreadsheet runs as a formula. A formula can send the content of the sheet to a server or start a program.
#: Full-width signs also start one. An apostrophe in front of the cell turns it into text.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")

#: Numbers with a sign. They are not formulas.
_SIGNED = re.compile(r"'*[+-]?\d+(?:[.,]\d+)*%?")

#: Starts of HTML tags, and the `](` in the middle of Markdown links and images.
_MARKUP = re.compile(r"(?<!\\)(?:<(?=[A-Za-z/!?])|\](?=\())")

#: The largest rate or duration that is written in full.
MAX_QUANTITY = 100_000


def printable(text: str) -> str:
    r"""Escape the control characters of a text, for example ESC as `\x1b`. Tabs and line ends are kept.

    All output of the command line and all values in reports pass through this function, because texts and names of documents, files
    and labels can contain any character.
    """
    return _CONTROLS.sub(lambda match: _escape(match[0]), text)


def one_line(text: str) -> str:
    """Escape control characters as `printable` does, and also tabs and line ends, so that the text fits on one line."""
    return re.sub(r"[\t\n]", lambda match: _escape(match[0]), printable(text))


def xml_text(text: str) -> str:
    r"""Escape the characters that XML cannot contain, for example ESC as `\x1b`."""
    return NOT_XML.sub(lambda match: _escape(match[0]), text)


def is_formula(value: str) -> bool:
    """Check whether a spreadsheet would run this cell of a CSV file as a formula."""
    return _FORMULA.match(value) is not None and _SIGNED.fullmatch(value) is None


def escape_formula(value: str) -> str:
    """Put an apostrophe in front of a cell that a spreadsheet would run as a formula. `unescape_formula` removes it."""
    return f"'{value}" if is_formula(value) else value


def unescape_formula(value: Any) -> Any:
    """Undo `escape_formula`. Values other than text are returned unchanged."""
    escaped = isinstance(value, str) and value.startswith("'") and is_formula(value[1:])
    return value[1:] if escaped else value


def counted(n: int, noun: str, plural: str | None = None) -> str:
    """Format a number with its noun, such as "1 row" or "2,000 rows". The plural ends in -s by default."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def number(value: float | None, digits: int = 3) -> str:
    """Format a score such as 0.123. None and NaN become a dash, and -0.000 becomes 0.000."""
    return _fixed(value, f"z.{digits}f")


def signed(value: float | None, digits: int = 3) -> str:
    """Format a difference with its sign, such as +0.123."""
    return _fixed(value, f"+.{digits}f")


def score(value: float | None, low: float | None, high: float | None) -> str:
    """Format a score with its interval, such as "0.123 [0.100, 0.150]", or "0.123 [–]" if the interval is not defined."""
    return _with_interval(number, value, low, high)


def signed_score(value: float | None, low: float | None, high: float | None) -> str:
    """Format a difference with its interval, such as "+0.123 [-0.100, +0.150]"."""
    return _with_interval(signed, value, low, high)


def p_value(value: float | None) -> str:
    """Format a p-value with three decimals, or as "< 0.001"."""
    return "< 0.001" if value is not None and value < 0.001 else number(value)


def percent(value: float | None, digits: int = 0) -> str:
    """Format a proportion as a percentage, such as 97%."""
    return _fixed(value, f"z.{digits}%")


def quantity(value: float | None) -> str:
    """Format a rate or a duration: with one decimal below 10, otherwise as a whole number, and as "> 100,000" above that."""
    if value is not None and value > MAX_QUANTITY:
        return f"> {MAX_QUANTITY:,}"
    return _fixed(value, ".1f" if value is not None and value < 10 else ",.0f")


def mebibytes(size: float) -> str:
    """Format a number of bytes in mebibytes (2**20 bytes)."""
    return f"{size / 2**20:,.0f} MiB"


def megabytes(size: float) -> str:
    """Format a number of bytes in megabytes (10**6 bytes)."""
    return f"{size / 1e6:,.0f} MB"


def rounded(value: float, digits: int) -> float | None:
    """Round a number for a result file. NaN becomes None."""
    return None if math.isnan(value) else round(float(value), digits)


def cell(value: object) -> str:
    """Format a value as one cell of a Markdown table. Bars, line breaks, tags and links in the value cannot break the table."""
    return plain_markdown(" ".join(str(value).splitlines()).replace("|", "\\|"))


def plain_markdown(text: str) -> str:
    """Escape the control characters, HTML tags and links of a text. A second call changes nothing."""
    return _MARKUP.sub(lambda match: f"\\{match[0]}", printable(text))


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Format a Markdown table."""
    lines = (head, ["---"] * len(head), *rows)
    return "\n".join("| " + " | ".join(map(cell, cells)) + " |" for cells in lines)


def without_nan(value: Any) -> Any:
    """Replace NaN and infinity by None at any depth, because JSON has neither."""
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
