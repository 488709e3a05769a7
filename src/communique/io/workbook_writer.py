"""Write XLSX workbooks with XlsxWriter: the layout of a sheet, and which values its cells can hold."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cache
from pathlib import Path
from typing import IO, Any

from xlsxwriter import Workbook
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.worksheet import Worksheet

from ..reporting.format import is_formula, xml_text
from ..text.scripts import IS_CJK, direction

#: Limits of Excel: rows with the header, columns, and UTF-16 units of a cell.
ROWS, COLUMNS, CELL_CHARACTERS = 1_048_576, 16_384, 32_767

#: The start of what a spreadsheet reads as an escaped character, such as `_x0041_` for A.
_ESCAPE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")


@dataclass(frozen=True)
class Column:
    """A column of a sheet.

    Attributes:
        name: Its header.
        width: Its width in characters.
        wrap: Whether long text is wrapped, and aligned by its direction.
        bar: Whether its numbers lie between 0 and 1, and are shown with three digits and a bar.
        bold_from: Numbers from here on are bold.
        validation: What may be entered in its cells, as the options of XlsxWriter's `data_validation`.
    """

    name: str
    width: int = 16
    wrap: bool = False
    bar: bool = False
    bold_from: float | None = None
    validation: Mapping[str, Any] | None = None


def cell_length(value: str) -> int:
    """Return the number of characters of a text as Excel counts them."""
    # Most texts are far below the limit, and are not encoded for it.
    text = xml_text(value)
    return len(text) if len(text) * 2 <= CELL_CHARACTERS else len(text.encode("utf-16-le", "surrogatepass")) // 2


def write_workbook(
    handle: IO[bytes], sheets: Mapping[str, tuple[Sequence[Column], Iterable[Sequence[Any]]]], *, folder: Path
) -> None:
    """Write a workbook: memory does not grow with the rows, and the same rows give the same bytes.

    Args:
        handle: An open binary file, or a stream.
        sheets: Columns and rows of each sheet by its name. Sheets have at most `ROWS` rows with the header, and texts at most
            `CELL_CHARACTERS` characters (see `cell_length`).
        folder: Holds the workbook and temporary files of about twice the size of its unpacked sheets. The caller deletes it.

    Raises:
        OSError: The disk is full, or the stream is closed.
    """
    path = folder / "workbook.xlsx"
    book = Workbook(path, {"constant_memory": True, "tmpdir": str(folder), "use_zip64": True})
    book.set_properties({"created": datetime(1980, 1, 1)})
    style = cache(lambda **properties: book.add_format({"valign": "top", **properties}))
    for name, (columns, rows) in sheets.items():
        _write_sheet(book.add_worksheet(name, _Worksheet), columns, rows, style)
    try:
        book.close()
    except FileCreateError as error:
        raise error.args[0] from None  # the OSError
    # The library leaves its ZIP open after an error, and on a closed pipe Python would print another error for that.
    with path.open("rb") as written:
        shutil.copyfileobj(written, handle)


class _Worksheet(Worksheet):  # type: ignore[misc]
    @staticmethod
    def _escape_control_characters(data: Any) -> Any:
        # The library overlooks the second of two escapes that share an underscore, such as `_x0041_x0042_`.
        return _ESCAPE.sub("_x005F_", data).replace("\r", "_x000D_") if isinstance(data, str) else data

    def _xml_rich_inline_string(self, string: str, attributes: Sequence[tuple[str, Any]] = ()) -> None:
        # The library takes a text such as `<r>...</r>` for XML of its own, and would copy it into the file as it is.
        self._xml_inline_string(string, True, attributes)

    def _write_single_row(self, current_row_num: int = 0) -> None:
        super()._write_single_row(current_row_num)
        # The library would keep the heights of all rows that it has written.
        self.row_info.clear()
        self.row_sizes.clear()


class _AllDigits(float):
    def __format__(self, _: str) -> str:
        # The library formats numbers with 16 digits, but some are only read back as the same number from 17.
        return repr(float(self))


def _write_sheet(
    target: Any, columns: Sequence[Column], rows: Iterable[Sequence[Any]], style: Callable[..., Any]
) -> None:
    target.freeze_panes(1, 0)
    target.set_landscape()
    target.set_paper(9)  # A4
    target.fit_to_pages(1, 0)
    target.set_margins(0.4, 0.4, 0.5, 0.5)
    for i, column in enumerate(columns):
        target.set_column(i, i, column.width)
        target.write_string(0, i, xml_text(column.name), style(bold=True, bg_color="#E7E9EC", text_wrap=True))
    n = 0
    for n, values in enumerate(rows, 1):
        for i, (value, column) in enumerate(zip(values, columns, strict=True)):
            if value is not None and value != "":
                _write_cell(target, n, i, value, column, style)
        if (lines := max(map(_lines, values, columns))) > 1:
            target.set_row(n, min(15 * lines, 409))  # points; Excel shows no higher row
    target.autofilter(0, 0, n, len(columns) - 1)
    for i, column in enumerate(columns):
        area = (1, i, max(n, 1), i)
        if column.validation:
            target.data_validation(*area, dict(column.validation))
        if column.bold_from is not None:
            bold = style(bold=True)
            target.conditional_format(
                *area, {"type": "cell", "criteria": ">=", "value": column.bold_from, "format": bold}
            )
        if column.bar:
            ends = {"min_type": "num", "min_value": 0, "max_type": "num", "max_value": 1}
            target.conditional_format(*area, {"type": "data_bar", "bar_color": "#9FC5E8", **ends})


def _write_cell(target: Any, row: int, i: int, value: Any, column: Column, style: Callable[..., Any]) -> None:
    """Write a cell; what no cell can hold is written as text."""
    if isinstance(value, bool):
        target.write_boolean(row, i, value, style())
    # A cell holds integers of 15 digits: longer ones, such as ids, are text, and so are NaN and infinite numbers.
    elif isinstance(value, (int, float)) and abs(value) <= 10**15:
        number = value if isinstance(value, int) else _AllDigits(value)
        target.write_number(row, i, number, style(num_format="0.000") if column.bar else style())
    elif isinstance(value, (date, time)) and _has_serial(value):
        shown = ["yyyy-mm-dd"] * isinstance(value, date) + ["hh:mm:ss"] * isinstance(value, (datetime, time))
        target.write_datetime(row, i, value, style(num_format=" ".join(shown)))
    else:
        text = str(value)
        wrap = {"text_wrap": True, "reading_order": 2 * (direction(text) == "rtl")} if column.wrap else {}
        # A quoted text stays text when somebody edits its cell.
        target.write_string(row, i, xml_text(text), style(quote_prefix=is_formula(text), **wrap))


def _has_serial(value: Any) -> bool:
    """Return whether a date or time is a number to Excel: to the second, without a time zone, and after its 29 February 1900."""
    if isinstance(value, (datetime, time)) and (value.tzinfo or value.microsecond or getattr(value, "nanosecond", 0)):
        return False
    return isinstance(value, time) or (value.year, value.month) >= (1900, 3)


def _lines(value: Any, column: Column) -> int:
    """Estimate the number of lines of a cell. LibreOffice does not compute the height of a row."""
    if not column.wrap or not isinstance(value, str):
        return 1
    # A Chinese character is as wide as two letters.
    widths = (len(part) + len(IS_CJK.findall(part)) for part in value.split("\n"))
    return sum(max(1, math.ceil(width / (0.9 * column.width))) for width in widths)
