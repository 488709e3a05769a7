"""Inspect a sheet of an XLSX workbook before it is read: its size, and cells with an error or without a saved value.

calamine turns a sheet into a dense table, so a single cell at XFD1048576 exhausts the memory, and it returns an empty cell for a
formula without a saved value. One pass over the sheet's XML finds both.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

from ..errors import DataError
from .bounds import is_decompression_bomb

#: Maximum number of unpacked bytes of all parts of a workbook.
MAX_UNPACKED = 1 << 30

#: Number of unpacked bytes above which the compression ratio is checked.
SUSPICIOUS = 100_000_000

#: Maximum number of cells up to the last filled row and column, if most of them are empty.
MAX_SPARSE = 5_000_000

_RELATIONS = "xl/_rels/workbook.xml.rels"
_REFERENCE = re.compile(r"([A-Z]{1,3})(\d{1,7})")

#: Values of a cell's `t` attribute that mean text.
_TEXTS = ("s", "str", "inlineStr")

FORMULA = "a formula without a saved value. Open the workbook in Excel or LibreOffice and save it"


@dataclass
class SheetFacts:
    """The contents of a sheet. Rows and columns are numbered from 1.

    Attributes:
        height: Last row with a filled cell.
        width: Last column with a filled cell.
        filled: Number of filled cells.
        faults: What is wrong with each unreadable cell, by row and column.
        top: First row with a filled cell.
        texts: Columns with texts below that row.
        numbers: Columns with numbers, dates or truth values below that row.
    """

    height: int = 0
    width: int = 0
    filled: int = 0
    faults: dict[tuple[int, int], str] = field(default_factory=dict)
    top: int = 0
    texts: set[int] = field(default_factory=set)
    numbers: set[int] = field(default_factory=set)


def inspect_sheet(path: Path, sheet: str) -> SheetFacts:
    """Inspect a sheet of a workbook.

    Raises:
        DataError: The workbook is too large or its cells are too far apart, or its XML is invalid.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            unpacked, packed = sum(p.file_size for p in parts), sum(p.compress_size for p in parts)
            if unpacked > MAX_UNPACKED or is_decompression_bomb(unpacked, packed, above=SUSPICIOUS):
                raise DataError(
                    f"{path}: too large ({unpacked // 1_000_000:,} MB when unpacked). Save the sheet as CSV"
                )
            facts = _scan(archive, _part_of(archive, sheet))
    except (zipfile.BadZipFile, KeyError, expat.ExpatError, NotImplementedError, RuntimeError, OSError) as error:
        raise DataError(f"{path}: not a readable XLSX file ({error}). Save it again, or save it as CSV") from error
    area = facts.height * facts.width
    if area > MAX_SPARSE and area > 20 * facts.filled:
        raise DataError(
            f"{path}: sheet {sheet!r} has {facts.filled:,} filled cells in {facts.height:,} rows and {facts.width:,} columns. "
            "Delete the cells far from the table, or save it as CSV"
        )
    return facts


def _parse(archive: zipfile.ZipFile, part: str, start: Callable[[str, dict[str, str]], None], **handlers: Any) -> None:
    parser = expat.ParserCreate(namespace_separator=" ")

    def refuse(*_: Any) -> None:
        raise expat.ExpatError("a document type declaration, which workbooks do not have")

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = start
    for name, handler in handlers.items():
        setattr(parser, name, handler)
    with archive.open(part) as handle:
        parser.ParseFile(handle)


def _part_of(archive: zipfile.ZipFile, sheet: str) -> str:
    """Return the path of a sheet inside the workbook's archive."""
    ids: dict[str, str] = {}
    targets: dict[str, str] = {}

    def workbook(name: str, attributes: dict[str, str]) -> None:
        if name.endswith(" sheet"):
            ids[attributes.get("name", "")] = next((v for k, v in attributes.items() if k.endswith(" id")), "")

    def relation(name: str, attributes: dict[str, str]) -> None:
        if name.endswith(" Relationship"):
            targets[attributes.get("Id", "")] = attributes.get("Target", "")

    _parse(archive, "xl/workbook.xml", workbook)
    _parse(archive, _RELATIONS, relation)
    target = targets[ids[sheet]]
    return target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"xl/{target}")


def _scan(archive: zipfile.ZipFile, part: str) -> SheetFacts:
    facts = SheetFacts()
    row = column = 0
    kind, formula, value, content = "", False, False, False

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal row, column, kind, formula, value, content
        tag = name.rpartition(" ")[2]
        if tag == "c":
            found = _REFERENCE.fullmatch(attributes.get("r", ""))
            column = _number(found[1]) if found else column + 1
            row = int(found[2]) if found else row
            kind, formula, value, content = attributes.get("t", ""), False, False, False
        elif tag == "row":
            row, column = int(attributes.get("r") or row + 1), 0
        elif tag == "f":
            formula = True
        elif tag in ("v", "is"):
            value = True

    def end(name: str) -> None:
        nonlocal value
        tag = name.rpartition(" ")[2]
        if tag == "v":
            value = False
        elif tag == "c" and (formula or content or value):
            facts.filled += 1
            facts.top = facts.top or row
            if content and row > facts.top and kind != "e":
                (facts.texts if kind in _TEXTS else facts.numbers).add(column)
            facts.height, facts.width = max(facts.height, row), max(facts.width, column)
            if kind == "e":
                facts.faults[row, column] = "an error value. Correct its formula"
            elif formula and not content:
                facts.faults[row, column] = FORMULA

    def text(_: str) -> None:
        nonlocal content
        content = content or value

    _parse(archive, part, start, EndElementHandler=end, CharacterDataHandler=text)
    return facts


def _number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number
