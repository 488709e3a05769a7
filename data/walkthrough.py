"""Simulate the texts and the coders of docs/walkthrough.md with the sentences of this folder.

    python data/walkthrough.py texts statements.csv    # a table of authored sentences without their labels
    python data/walkthrough.py code SHEET...           # fill in workbooks that `communique sample` or `agree` wrote

The labels of data/authored are the answers. The coder `ben` errs in about one row of twelve, in sheets whose names contain `ben`.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

import openpyxl

from communique.data.codebook import Codebook
from communique.data.corpus import Corpus
from communique.io.write import write_csv

DATA = Path(__file__).resolve().parent

#: Languages of the table. With more of them, training takes longer.
LANGUAGES = ("de", "en", "fr")

#: The coder who errs, and in one of how many rows.
CARELESS, ONE_IN = "ben", 12


def answers(codebook: Codebook) -> dict[str, set[str]]:
    """Return the labels of the sentences of the table by id."""
    corpora = [Corpus.read(DATA / "authored" / f"{one}.jsonl", codebook, labelled=True) for one in LANGUAGES]
    return {sentence.id: set(sentence.labels or ()) for corpus in corpora for sentence in corpus}


def write_texts(path: Path) -> int:
    """Write the sentences without their labels as CSV. Return their number."""
    sentences = [s for one in LANGUAGES for s in Corpus.read(DATA / "authored" / f"{one}.jsonl")]
    columns = ("id", "document", "index", "language", "text")
    write_csv(path, columns, ({name: getattr(s, name) for name in columns} for s in sentences))
    return len(sentences)


def fill_in(sheet: Path, codebook: Codebook) -> int:
    """Answer yes or no for each label in a sheet. Return the number of rows."""
    given = answers(codebook)
    book = openpyxl.load_workbook(sheet)
    rows = book["coding"]
    columns = {cell.value: cell.column for cell in rows[1]}
    for number in range(2, rows.max_row + 1):
        id = str(rows.cell(number, columns["id"]).value)
        labels = set(given[id])
        if CARELESS in sheet.stem.split("-") and _errs(id):
            labels ^= {codebook.names[0]}
        for name in codebook.names:
            rows.cell(number, columns[name]).value = "yes" if name in labels else "no"
    book.save(sheet)
    return int(rows.max_row) - 1


def _errs(id: str) -> bool:
    return hashlib.sha256(id.encode()).digest()[0] % ONE_IN == 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the table, or fill in sheets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("texts", "code"))
    parser.add_argument("paths", nargs="+", type=Path, help="table to write, or workbooks to fill in")
    parsed = parser.parse_args(arguments)
    for path in parsed.paths:
        if parsed.action == "texts":
            print(f"{path}: {write_texts(path)} sentences")
        else:
            print(f"{path}: {fill_in(path, Codebook.load(DATA / 'codebook.yaml'))} rows filled in")


if __name__ == "__main__":
    main()
