"""`communique check`: list all problems of labelled tables."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from ..reporting.format import counted, one_line
from .common import (
    INPUT,
    DocumentColumn,
    EncodingOption,
    LabelColumn,
    SheetOption,
    StandoffTexts,
    TextColumn,
    cli_errors,
    default_codebook,
    named_columns,
    note,
    show,
)


@cli_errors
def check(
    corpus: Annotated[list[str], typer.Argument(help="Labelled tables, folders or globs.")],
    codebook: Annotated[
        Path | None, typer.Option(help="Codebook of the labels. Default: that of the shipped model.")
    ] = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    document_column: DocumentColumn = None,
    label_map: Annotated[
        list[str] | None,
        typer.Option(
            help="Translate a word in the label column into a label: WORD=LABEL, such as pro=support. Can be repeated. "
            "In a recipe, the key `labels` does the same.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    texts: StandoffTexts = None,
    encoding: EncodingOption = None,
    sheet: SheetOption = None,
) -> None:
    """List all problems of labelled tables at once, and count labels, languages and documents.

    For example:

        communique check coded.xlsx --codebook codebook.yaml
        communique check coded.csv --text-column statement --label-map pro=support
    """
    from ..data.codebook import Codebook
    from ..data.corpus import conflicts
    from ..data.standoff import scan_corpora

    book = Codebook.load(codebook or default_codebook())
    columns = named_columns(text_column, label_column, document_column)
    labels = dict(_pair(text) for text in label_map or ())
    found, messages, problems = scan_corpora(
        corpus, book, texts, columns=columns, labels=labels, encoding=encoding, sheet=sheet, labelled=False
    )
    for line in problems:
        show(one_line(line))
    for line in (*messages, *found.notes, *(f"warning: {line}" for line in conflicts(found))):
        note(line)
    unlabelled = sum(s.labels is None for s in found)
    if len(found) == unlabelled > 0:
        note("no row has labels. If a column contains them under another name, name it with --label-column")
    documents = counted(len(found.documents), "document")
    show(f"{counted(len(found), 'row')} in {documents} can be read, {len(problems)} cannot")
    _counts("label", Counter(label for s in found for label in s.labels or ()))
    none = sum(s.labels == () for s in found)
    show(f"  none {none}, unlabelled {unlabelled}")
    _counts("language", Counter(s.language for s in found))
    if any(s.sampling for s in found):
        _counts("sampling", Counter(s.sampling or "not stated" for s in found))
    sizes = sorted(len(members) for members in found.documents.values())
    if sizes:
        show(f"rows per document: {sizes[0]} to {sizes[-1]}, median {sizes[len(sizes) // 2]}")
    if problems:
        raise typer.Exit(1)


def _pair(text: str) -> tuple[str, str]:
    cell, separator, label = text.partition("=")
    if not (separator and cell and label):
        raise typer.BadParameter(
            f"{text!r} does not name a cell and a label. Write CELL=LABEL", param_hint="--label-map"
        )
    return cell, label


def _counts(name: str, counts: Counter[str]) -> None:
    show(f"{name}: " + (", ".join(f"{value} {n}" for value, n in counts.most_common()) or "none"))
