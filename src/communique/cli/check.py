"""`communique check`: list the problems of labelled tables and of predictions."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import BundleError, MissingExtraError
from ..reporting.format import counted, one_line
from ..reporting.problems import summarize
from .common import (
    DocumentColumn,
    EncodingOption,
    LabelColumn,
    LabelMap,
    LanguageColumn,
    SheetOption,
    StandoffTexts,
    TextColumn,
    cli_errors,
    default_codebook,
    label_translation,
    named_columns,
    note,
    show,
)

if TYPE_CHECKING:
    from ..data.codebook import Codebook
    from ..data.corpus import Corpus


@cli_errors
def check(
    corpus: Annotated[list[str], typer.Argument(help="Labelled tables or predictions: files, folders or globs.")],
    codebook: Annotated[
        Path | None, typer.Option(help="Codebook of the labels. Default: that of the shipped model.")
    ] = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    document_column: DocumentColumn = None,
    language_column: LanguageColumn = None,
    label_map: LabelMap = None,
    texts: StandoffTexts = None,
    encoding: EncodingOption = None,
    sheet: SheetOption = None,
    predictions: Annotated[
        bool,
        typer.Option(
            "--predictions",
            help="Check predictions that `communique sample`, `agree --model` and `estimate` can read, whoever made them.",
        ),
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="List each problem on its own line. Default: group the problems by kind.")
    ] = False,
) -> None:
    """List the problems of labelled tables or of predictions, and count labels, languages and documents.

    For example:

        communique check coded.xlsx --codebook codebook.yaml
        communique check coded.csv --text-column statement --label-map pro=support
        communique check gpt.csv --predictions --codebook codebook.yaml
    """
    if predictions:
        for option, value in (
            ("--text-column", text_column),
            ("--label-column", label_column),
            ("--document-column", document_column),
            ("--language-column", language_column),
            ("--label-map", label_map),
            ("--texts", texts),
        ):
            if value is not None:
                raise typer.BadParameter(
                    "predictions have fixed column names (docs/guides/predictions.md). Rename the column of the table",
                    param_hint=option,
                )
        _check_predictions(corpus, codebook, encoding, sheet, every=every)
        return
    from ..data.codebook import Codebook
    from ..data.corpus import conflicts
    from ..data.standoff import scan_corpora
    from ..data.units import describe_units

    book = Codebook.load(codebook or default_codebook())
    columns = named_columns(text_column, label_column, document_column, language_column)
    labels = label_translation(label_map)
    found, messages, problems = scan_corpora(
        corpus, book, texts, columns=columns, labels=labels, encoding=encoding, sheet=sheet, labelled=False
    )
    _problems(problems, every=every)
    if codebook is None and any("unknown label" in line for line in problems):
        note("the labels were compared with the codebook of the shipped model. To use yours, name it with --codebook")
    if any("output of a model" in line for line in problems):
        note("to check predictions that people will sample, code and estimate from, add --predictions")
    for line in (*messages, *found.notes, *(f"warning: {line}" for line in conflicts(found))):
        note(line)
    unlabelled = sum(s.labels is None for s in found)
    if len(found) == unlabelled > 0:
        note(
            "no row has labels. If a column contains them under another name, name it with --label-column. If there is one column "
            f"per label, name the columns after the labels: {', '.join(book.names)}"
        )
    documents = counted(len(found.documents), "document")
    show(f"{counted(len(found), 'row')} in {documents} can be read, {len(problems):,} cannot")
    if len(found):
        counts = Counter(label for s in found for label in s.labels or ())
        _counts("label", Counter({name: counts[name] for name in book.names}))
        none = f"none {sum(s.labels == () for s in found)}, " if book.multilabel else ""
        show(f"  {none}unlabelled {unlabelled}")
        _counts("language", Counter(s.language for s in found))
    elif not problems:
        note("there are no rows. Write one sentence per row below the column names")
    for line in describe_units([s.text for s in found], book.unit):
        note(line)
    for line in _training(found.where(lambda s: s.labels is not None), book):
        note(f"if you train with these rows: {re.sub('^warning: ', '', line, flags=re.IGNORECASE)}")
    if any(s.sampling for s in found):
        _counts("sampling", Counter(s.sampling or "not stated" for s in found))
    sizes = sorted(len(members) for members in found.documents.values())
    if sizes:
        show(f"rows per document: {sizes[0]} to {sizes[-1]}, median {sizes[len(sizes) // 2]}")
    if problems:
        raise typer.Exit(1)


def _training(labelled: Corpus, book: Codebook) -> list[str]:
    """Return why `communique train` would refuse the labelled rows, or what it would warn about. Unlabelled rows are no problem."""
    from ..data.splits import FOLDS, NEVER_SCORED, scored_folds
    from ..data.training_checks import count_repeats, describe_repeats, refusal, training_warnings
    from ..data.units import describe_truncated
    from ..models.predictor import Predictor, default_model
    from ..selection.folds import describe_rare, tuning_rows
    from ..training.recipe import MAX_TOKENS, SEED

    if not len(labelled):
        return []
    if (refused := refusal(labelled)) is not None:
        return [f"error: {refused}"]
    lines = training_warnings(labelled, book)
    with suppress(BundleError):  # Without the shipped model, there is no tokenizer to count with.
        truncated = Predictor(default_model(), verify=False).count_longer([s.text for s in labelled], MAX_TOKENS)
        lines += describe_truncated(truncated, len(labelled), MAX_TOKENS)
    with suppress(MissingExtraError):  # Folds need scikit-learn, which a user who only labels does not install.
        folds = scored_folds(labelled.sentences, FOLDS, seed=SEED)
        repeated = count_repeats(labelled, folds)
        lines += [describe_repeats(repeated, len(labelled))] if repeated else []
        lines += describe_rare(labelled, book, tuning_rows(labelled, folds != NEVER_SCORED))
    return lines


def _check_predictions(
    paths: list[str], codebook: Path | None, encoding: str | None, sheet: str | None, *, every: bool
) -> None:
    """Check tables of predictions, and print what to do next."""
    from ..data.codebook import Codebook
    from ..data.predictions_check import check_predictions
    from ..io.paths import list_files

    book = None if codebook is None else Codebook.load(codebook)
    failed = False
    for path in list_files(paths):
        found = check_predictions(path, book, encoding=encoding, sheet=sheet)
        _problems(found.problems, every=every)
        for line in found.notes:
            note(line)
        for line in found.describe():
            show(line)
        show(f"Problems: {len(found.problems):,}")
        if not found.problems:
            note(f"next: {found.next_commands(str(codebook or 'CODEBOOK.yaml'))}")
        failed |= bool(found.problems)
    if failed:
        raise typer.Exit(1)


def _problems(problems: list[str], *, every: bool) -> None:
    for line in problems if every else summarize(problems):
        show(one_line(line))


def _counts(name: str, counts: Counter[str]) -> None:
    show(f"{name}: " + (", ".join(f"{value} {n}" for value, n in counts.most_common()) or "none"))
