"""Write XLSX workbooks with XlsxWriter: the layout of sheets and the values that cells can hold."""

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

#: Excel's limits: rows per sheet (including the header), columns per sheet, and UTF-16 code units per cell.
ROWS, COLUMNS, CELL_CHARACTERS = 1_048_576, 16_384, 32_767

#: The beginning of a text that spreadsheets read as an escaped character, such as `_x0041_` for A.
_ESCAPE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")


@dataclass(frozen=True)
class Column:
    """A column of a sheet.

    Attributes:
        name: Header of the column.
        width: Width in characters.
        wrap: Whether long text is wrapped and aligned according to its direction.
        bar: Whether the numbers are between 0 and 1 and are shown with three decimals and a bar.
        bold_from: Numbers of at least this value are bold. None if no number is.
        validation: Values that may be entered in the cells, as options of XlsxWriter's `data_validation`.
    """

    name: str
    width: int = 16
    wrap: bool = False
    bar: bool = False
    bold_from: float | None = None
    validation: Mapping[str, Any] | None = None


def cell_length(value: str) -> int:
    """Return the number of characters of a text as Excel counts them."""
    # Most texts are so short that they cannot exceed the limit and need not be encoded.
    text = xml_text(value)
    return len(text) if len(text) * 2 <= CELL_CHARACTERS else len(text.encode("utf-16-le", "surrogatepass")) // 2


def write_workbook(
    handle: IO[bytes], sheets: Mapping[str, tuple[Sequence[Column], Iterable[Sequence[Any]]]], *, folder: Path
) -> None:
    """Write a workbook. Memory use does not grow with the number of rows, and the same rows always give the same bytes.

    Args:
        handle: An open binary file, or a stream.
        sheets: Columns and rows of each sheet, by the sheet's name. A sheet may have at most `ROWS` rows, including the header, and
            a text at most `CELL_CHARACTERS` characters (see `cell_length`).
        folder: Folder for the workbook and for temporary files of about twice the size of its uncompressed sheets. The caller
            deletes it.

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
    # Do not let XlsxWriter write to `handle`: it leaves its ZIP file open after an error, and if `handle` is a closed pipe, Python
    # would print a second error because of that.
    with path.open("rb") as written:
        shutil.copyfileobj(written, handle)


class _Worksheet(Worksheet):  # type: ignore[misc]
    @staticmethod
    def _escape_control_characters(data: Any) -> Any:
        # XlsxWriter does not escape the second of two escapes that share an underscore, such as `_x0041_x0042_`.
        return _ESCAPE.sub("_x005F_", data).replace("\r", "_x000D_") if isinstance(data, str) else data

    def _xml_rich_inline_string(self, string: str, attributes: Sequence[tuple[str, Any]] = ()) -> None:
        # XlsxWriter treats a text such as `<r>...</r>` as its own XML and would copy it into the file unescaped.
        self._xml_inline_string(string, True, attributes)

    def _write_single_row(self, current_row_num: int = 0) -> None:
        super()._write_single_row(current_row_num)
        # XlsxWriter would keep the heights of all written rows in memory.
        self.row_info.clear()
        self.row_sizes.clear()


class _AllDigits(float):
    def __format__(self, _: str) -> str:
        # XlsxWriter formats numbers with 16 digits, but some numbers need 17 digits to be read back unchanged.
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
            target.set_row(n, min(15 * lines, 409))  # in points; 409 is Excel's maximum
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
    """Write a cell. A value that no typed cell can hold is written as text."""
    if isinstance(value, bool):
        target.write_boolean(row, i, value, style())
    # A cell can hold integers of up to 15 digits. Longer integers, such as ids, are written as text, and so are NaN and infinity.
    elif isinstance(value, (int, float)) and abs(value) <= 10**15:
        number = value if isinstance(value, int) else _AllDigits(value)
        target.write_number(row, i, number, style(num_format="0.000") if column.bar else style())
    elif isinstance(value, (date, time)) and _has_serial(value):
        shown = ["yyyy-mm-dd"] * isinstance(value, date) + ["hh:mm:ss"] * isinstance(value, (datetime, time))
        target.write_datetime(row, i, value, style(num_format=" ".join(shown)))
    else:
        text = str(value)
        wrap = {"text_wrap": True, "reading_order": 2 * (direction(text) == "rtl")} if column.wrap else {}
        # With a quote prefix, a text remains text when somebody edits its cell.
        target.write_string(row, i, xml_text(text), style(quote_prefix=is_formula(text), **wrap))


def _has_serial(value: Any) -> bool:
    """Return whether Excel can store a date or time as a number.

    It can if the value is accurate to the second and has no time zone, and a date is later than February 1900: Excel counts
    29 February 1900, which did not exist.
    """
    if isinstance(value, (datetime, time)) and (value.tzinfo or value.microsecond or getattr(value, "nanosecond", 0)):
        return False
    return isinstance(value, time) or (value.year, value.month) >= (1900, 3)


def _lines(value: Any, column: Column) -> int:
    """Estimate the number of lines that a cell needs. LibreOffice does not compute row heights itself."""
    if not column.wrap or not isinstance(value, str):
        return 1
    # A Chinese character is as wide as two letters.
    widths = (len(part) + len(IS_CJK.findall(part)) for part in value.split("\n"))
    return sum(max(1, math.ceil(width / (0.9 * column.width))) for width in widths)
