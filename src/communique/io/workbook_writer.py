"""Write an XLSX workbook row by row: constant memory, no temporary file, and the same rows are the same bytes.

A workbook is a ZIP of XML parts. The parts here are those that Excel and LibreOffice need. They hold no time and no name of an
author, so that a run that resumes writes the same bytes.
"""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import IO, Any
from xml.sax.saxutils import escape, quoteattr

from ..reporting.format import is_formula, xml_text
from ..text.scripts import IS_CJK, direction

#: Limits of Excel: rows with the header, columns, and UTF-16 units of a cell.
ROWS, COLUMNS, CELL_CHARACTERS = 1_048_576, 16_384, 32_767

#: Largest number that a cell holds to the last digit: a longer one, such as an id, is written as text.
_EXACT = 10**15

#: Heights of a line and of the highest row, in points.
_LINE, _HIGHEST = 15, 409

#: First day from which Excel counts as everybody else does; in its calendar 1900 is a leap year.
_EPOCH, _FIRST = datetime(1899, 12, 30), date(1900, 3, 1)

#: What a spreadsheet reads as an escaped character, such as `_x0041_` for A.
_ESCAPED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")

#: A part that unpacks to more needs other headers in the ZIP.
_ZIP32 = 1 << 31

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'

#: Formats of cells, by their position in `cellXfs`. A quoted text stays text when somebody edits its cell.
_HEAD, _PLAIN, _WRAPPED, _RTL, _QUOTED, _QUOTED_WRAPPED, _QUOTED_RTL, _FRACTION, _DATE, _DATETIME, _TIME = range(11)


@dataclass(frozen=True)
class Column:
    """A column of a sheet.

    Attributes:
        name: Its header.
        width: Its width in characters.
        wrap: Whether long text is wrapped, and aligned by its direction.
        bar: Whether its numbers lie between 0 and 1, and are shown with three digits and a bar.
        bold_from: Numbers from here on are bold.
    """

    name: str
    width: int = 16
    wrap: bool = False
    bar: bool = False
    bold_from: float | None = None


@dataclass(frozen=True)
class Sheet:
    """A sheet of a workbook.

    Attributes:
        name: Its name.
        columns: Its columns; the header is frozen and filters the rows below.
        n: Number of rows without the header.
        rows: Its rows, which are read once.
    """

    name: str
    columns: Sequence[Column]
    n: int
    rows: Iterable[Sequence[Any]]


def cell_length(value: str) -> int:
    """Return the number of characters of a text as Excel counts them."""
    # Most texts are far below the limit, and are not encoded for it.
    text = xml_text(value)
    return len(text) if len(text) * 2 <= CELL_CHARACTERS else len(text.encode("utf-16-le", "surrogatepass")) // 2


def write_workbook(handle: IO[bytes], sheets: Sequence[Sheet], *, size: int = 0) -> None:
    """Write a workbook.

    Args:
        handle: An open binary file, or a stream.
        sheets: The sheets. Texts have at most `CELL_CHARACTERS` characters (see `cell_length`), sheets `ROWS` rows.
        size: Bytes of the rows, about.
    """
    with zipfile.ZipFile(handle, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in _parts(sheets).items():
            with archive.open(_member(name), "w") as part:
                part.write((_XML + content).encode())
        for number, sheet in enumerate(sheets, 1):
            large = 2 * size + 60 * sheet.n * len(sheet.columns) > _ZIP32
            with archive.open(_member(f"xl/worksheets/sheet{number}.xml"), "w", force_zip64=large) as part:
                for piece in _sheet(sheet, first=number == 1):
                    part.write(piece.encode())


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    member.compress_type = zipfile.ZIP_DEFLATED
    return member


def _parts(sheets: Sequence[Sheet]) -> dict[str, str]:
    """Return the parts of a workbook apart from its sheets."""
    numbers = range(1, len(sheets) + 1)
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    types = "".join(
        f'<Override PartName="/xl/worksheets/sheet{i}.xml" ContentType="{kind}.worksheet+xml"/>' for i in numbers
    )
    listed = "".join(f'<sheet name={quoteattr(s.name)} sheetId="{i}" r:id="rId{i}"/>' for i, s in enumerate(sheets, 1))
    filters = "".join(
        f'<definedName name="_xlnm._FilterDatabase" localSheetId="{i}" hidden="1">{escape(_quoted(s.name))}!{_area(s, "$")}'
        "</definedName>"
        for i, s in enumerate(sheets)
    )
    relations = "".join(
        f'<Relationship Id="rId{i}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{i}.xml"/>' for i in numbers
    )
    return {
        "[Content_Types].xml": (
            f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="xml" ContentType="application/xml"/>'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{kind}.styles+xml"/>{types}</Types>'
        ),
        "_rels/.rels": (
            f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" Type="{_OFFICE}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>'
        ),
        "xl/workbook.xml": (
            f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets><definedNames>{filters}</definedNames>'
            "</workbook>"
        ),
        "xl/_rels/workbook.xml.rels": (
            f'<Relationships xmlns="{_PACKAGE}/relationships">{relations}<Relationship Id="rId{len(sheets) + 1}" '
            f'Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>'
        ),
        "xl/styles.xml": _STYLES,
    }


def _xf(*, number: int = 0, font: int = 0, wrap: bool = False, rtl: bool = False, quoted: bool = False) -> str:
    aligned = ' vertical="top"' + ' wrapText="1"' * wrap + ' readingOrder="2"' * rtl
    prefix = ' quotePrefix="1"' if quoted else ""
    return (
        f'<xf numFmtId="{number}" fontId="{font}" fillId="{2 if font else 0}" borderId="0" xfId="0" applyNumberFormat="1" '
        f'applyFont="1" applyFill="1" applyAlignment="1"{prefix}><alignment{aligned}/></xf>'
    )


#: In the order of the constants above. Numbers of formats below 164 are built in; 0.000 is not.
_XFS = (
    _xf(font=1, wrap=True),
    _xf(),
    _xf(wrap=True),
    _xf(wrap=True, rtl=True),
    _xf(quoted=True),
    _xf(wrap=True, quoted=True),
    _xf(wrap=True, rtl=True, quoted=True),
    _xf(number=164),
    _xf(number=165),
    _xf(number=166),
    _xf(number=167),
)

#: A printed page shows all columns.
_PAGE = '<pageMargins left="0.4" right="0.4" top="0.5" bottom="0.5" header="0.3" footer="0.3"/>' + (
    '<pageSetup paperSize="9" orientation="landscape" fitToWidth="1" fitToHeight="0"/>'
)

_STYLES = (
    f'<styleSheet xmlns="{_MAIN}"><numFmts count="4"><numFmt numFmtId="164" formatCode="0.000"/>'
    '<numFmt numFmtId="165" formatCode="yyyy\\-mm\\-dd"/><numFmt numFmtId="166" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss"/>'
    '<numFmt numFmtId="167" formatCode="hh:mm:ss"/></numFmts>'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="3"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>'
    '<fill><patternFill patternType="solid"><fgColor rgb="FFE7E9EC"/><bgColor indexed="64"/></patternFill></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    f'<cellXfs count="{len(_XFS)}">{"".join(_XFS)}</cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    '<dxfs count="1"><dxf><font><b/></font></dxf></dxfs></styleSheet>'
)


def _sheet(sheet: Sheet, *, first: bool) -> Iterator[str]:
    area = _area(sheet)
    widths = "".join(
        f'<col min="{i}" max="{i}" width="{c.width}" customWidth="1"/>' for i, c in enumerate(sheet.columns, 1)
    )
    selected = ' tabSelected="1"' * first
    yield (
        f'{_XML}<worksheet xmlns="{_MAIN}"><sheetPr><pageSetUpPr fitToPage="1"/></sheetPr>'
        f'<dimension ref="{area}"/><sheetViews><sheetView workbookViewId="0"'
        f'{selected}><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
        f'</sheetView></sheetViews><sheetFormatPr defaultRowHeight="15"/><cols>{widths}</cols><sheetData>'
    )
    yield _row(1, [_text(column.name, _HEAD) for column in sheet.columns])
    for number, values in enumerate(sheet.rows, 2):
        lines = max(_lines(v, c) for v, c in zip(values, sheet.columns, strict=True))
        yield _row(number, [_cell(v, c) for v, c in zip(values, sheet.columns, strict=True)], lines)
    yield f'</sheetData><autoFilter ref="{area}"/>{"".join(_formats(sheet))}{_PAGE}</worksheet>'


def _lines(value: Any, column: Column) -> int:
    """Return the number of lines of a cell, about. LibreOffice does not find the height of a row by itself."""
    if not column.wrap or not isinstance(value, str):
        return 1
    parts = value.split("\n") if "\n" in value else [value]
    # A Chinese character is as wide as two letters.
    return sum(max(1, math.ceil((len(part) + len(IS_CJK.findall(part))) / (0.9 * column.width))) for part in parts)


def _row(number: int, cells: Sequence[tuple[str, str]], lines: int = 1) -> str:
    filled = "".join(
        f'<c r="{_letters(i)}{number}"{attributes}>{content}</c>'
        for i, (attributes, content) in enumerate(cells)
        if content
    )
    height = f' ht="{min(lines * _LINE, _HIGHEST)}"' if lines > 1 else ""
    return f'<row r="{number}"{height}>{filled}</row>'


def _cell(value: Any, column: Column) -> tuple[str, str]:
    """Return the attributes and the content of a cell; nothing for None and for an empty text."""
    if value is None:
        return "", ""
    if isinstance(value, bool):
        return f' s="{_PLAIN}" t="b"', f"<v>{int(value)}</v>"
    if isinstance(value, (int, float)):
        # NaN, infinite and very long numbers are no numbers of a spreadsheet.
        if abs(value) <= _EXACT:
            return f' s="{_FRACTION if column.bar else _PLAIN}"', f"<v>{value!r}</v>"
    elif isinstance(value, (date, time)) and (serial := _serial(value)) is not None:
        style = _DATETIME if isinstance(value, datetime) else _DATE if isinstance(value, date) else _TIME
        return f' s="{style}"', f"<v>{serial!r}</v>"
    text = str(value)
    quoted = is_formula(text)
    if not column.wrap:
        return _text(text, _QUOTED if quoted else _PLAIN)
    if direction(text) == "rtl":
        return _text(text, _QUOTED_RTL if quoted else _RTL)
    return _text(text, _QUOTED_WRAPPED if quoted else _WRAPPED)


def _text(text: str, style: int) -> tuple[str, str]:
    if not text:
        return "", ""
    # A parser would read a carriage return as a line feed.
    content = escape(_ESCAPED.sub("_x005F_", xml_text(text)), {"\r": "&#13;"})
    return f' s="{style}" t="inlineStr"', f'<is><t xml:space="preserve">{content}</t></is>'


def _serial(value: date | time) -> float | int | None:
    """Return a date or time as a number of days; None if Excel cannot hold it: before 1900, with a time zone, below a second."""
    clock: Any = value
    if isinstance(value, (datetime, time)) and (clock.tzinfo or clock.microsecond or getattr(clock, "nanosecond", 0)):
        return None
    if isinstance(value, time):
        return (value.hour * 3600 + value.minute * 60 + value.second) / 86_400
    day = value.date() if isinstance(value, datetime) else value
    if day < _FIRST:
        return None
    if not isinstance(value, datetime):
        return (day - _EPOCH.date()).days
    since = value - _EPOCH
    return since.days + since.seconds / 86_400


def _formats(sheet: Sheet) -> Iterator[str]:
    """Yield the conditional formats of columns of probabilities."""
    if not sheet.n:
        return
    priority = 0
    for i, column in enumerate(sheet.columns):
        if not column.bar:
            continue
        rules = ""
        if column.bold_from is not None:
            priority += 1
            rules += (
                f'<cfRule type="cellIs" dxfId="0" priority="{priority}" operator="greaterThanOrEqual">'
                f"<formula>{column.bold_from!r}</formula></cfRule>"
            )
        priority += 1
        rules += (
            f'<cfRule type="dataBar" priority="{priority}"><dataBar><cfvo type="num" val="0"/><cfvo type="num" val="1"/>'
            '<color rgb="FF9FC5E8"/></dataBar></cfRule>'
        )
        letters = _letters(i)
        yield f'<conditionalFormatting sqref="{letters}2:{letters}{sheet.n + 1}">{rules}</conditionalFormatting>'


def _area(sheet: Sheet, fixed: str = "") -> str:
    last = _letters(len(sheet.columns) - 1)
    return f"{fixed}A{fixed}1:{fixed}{last}{fixed}{sheet.n + 1}"


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _letters(index: int) -> str:
    """Return the letters of a column from its index, from 0: A, Z, AA."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
