"""`communique compare`: what changes in labels and proportions from one model to another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .common import (
    INPUT,
    OUTPUT,
    SPEED,
    DocumentColumn,
    EncodingOption,
    JsonReport,
    MarkdownReport,
    Overwrite,
    SheetOption,
    TextColumn,
    UsageError,
    cli_errors,
    note,
    show,
)
from .label_options import SplitOption

if TYPE_CHECKING:
    from ..data.codebook import Codebook
    from ..data.corpus import Corpus
    from ..evaluation.sides import Side


@cli_errors
def compare(
    model_a: Annotated[
        Path,
        typer.Argument(help="First model folder, communique-small for the shipped model, or a table of predictions."),
    ],
    model_b: Annotated[Path, typer.Argument(help="Second model folder, or a table of predictions.")],
    corpus: Annotated[
        list[str] | None,
        typer.Argument(help="Documents and tables that model folders label. Not needed for two tables of predictions."),
    ] = None,
    coded: Annotated[
        list[Path] | None,
        typer.Option(
            help="Coded rows of the same corpus, on which both are scored, such as the gold of `communique agree`. Can be repeated."
        ),
    ] = None,
    by: Annotated[str, typer.Option(help="Columns that define groups, separated by commas.", show_default=False)] = "",
    codebook: Annotated[
        Path | None,
        typer.Option(
            help="Codebook of the coded rows. Default: the codebook of the first model, or that of the second."
        ),
    ] = None,
    codebook_a: Annotated[
        Path | None, typer.Option(help="Codebook of the first table of predictions.", rich_help_panel=INPUT)
    ] = None,
    codebook_b: Annotated[
        Path | None, typer.Option(help="Codebook of the second table of predictions.", rich_help_panel=INPUT)
    ] = None,
    text_column: TextColumn = None,
    document_column: DocumentColumn = None,
    split: SplitOption = None,
    encoding: EncodingOption = None,
    sheet: SheetOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder in which to save the tables, a page, and lists of all changed sentences.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    json_out: JsonReport = None,
    markdown_out: MarkdownReport = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Number of CPU threads. Default: all cores.", rich_help_panel=SPEED)
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Compare the labels of two models, or of two tables of predictions, on the same sentences.

    For example:

        communique compare communique-small runs/my-model speeches.csv --by country -o comparison
        communique compare before.parquet after.parquet --coded gold.csv
    """
    from ..evaluation import compare_outputs as outputs
    from ..evaluation.compare import compare_models
    from ..evaluation.sides import CorpusOptions, is_model, open_side
    from ..io.atomic import replacing
    from ..io.output import check_files_in, check_outputs
    from ..io.paths import list_files
    from ..reporting.progress import ProgressReporter

    if corpus and not (is_model(model_a) or is_model(model_b)):
        raise UsageError(
            f"{corpus[0]}: two tables of predictions are compared, so there is nothing to label. Omit the corpus, or name a model "
            "folder"
        )
    coded_files = list_files(coded or [])
    inputs = (model_a, model_b, *(corpus or ()), *coded_files, codebook, codebook_a, codebook_b)
    check_outputs([json_out, markdown_out], inputs=inputs, overwrite=overwrite)
    if out is not None:
        check_files_in(out, outputs.FILES, inputs=inputs, overwrite=overwrite)
    texts = CorpusOptions(tuple(corpus or ()), text_column, document_column, split, encoding, sheet)
    first, second = (
        open_side(path, texts, _codebook(book), threads=threads, progress=lambda total: ProgressReporter(total, note))
        for path, book in ((model_a, codebook_a), (model_b, codebook_b))
    )
    rows = _coded(coded_files, first, second, _codebook(codebook)) if coded_files else None
    columns = [name.strip() for name in by.split(",") if name.strip()]
    comparison = compare_models(first, second, by=columns, coded=rows, seed=seed)
    for line in comparison.notes:
        note(line)
    markdown = outputs.to_markdown(comparison)
    show(markdown)
    if _has_design(coded_files):
        note(
            "the coded rows have inclusion probabilities. To correct the proportions for the errors of a model, run `communique "
            "estimate` on its labels"
        )
    if json_out is not None:
        with replacing(json_out) as handle:
            handle.write(outputs.to_json(comparison))
    if markdown_out is not None:
        with replacing(markdown_out) as handle:
            handle.write(markdown)
    for written in (json_out, markdown_out):
        if written is not None:
            note(f"report: {written}")
    if out is not None:
        note(f"{out}: {', '.join(path.name for path in outputs.write(out, comparison))}")
    elif comparison.n_changed:
        note("To list the changed sentences, save them with -o FOLDER")


def _codebook(path: Path | None) -> Codebook | None:
    from ..data.codebook import Codebook

    return None if path is None else Codebook.load(path)


def _coded(paths: list[Path], first: Side, second: Side, codebook: Codebook | None) -> Corpus:
    """Read the coded rows."""
    from ..data.standoff import read_corpora
    from ..evaluation.sides import coding_codebook

    found, messages = read_corpora(paths, codebook or coding_codebook(first, second), None)
    for line in (*messages, *found.notes):
        note(line)
    return found


def _has_design(paths: list[Path]) -> bool:
    """Return whether a file of coded rows has inclusion probabilities."""
    from ..io.read import open_table

    for path in paths:
        with open_table(path) as stream:
            if "inclusion_probability" in stream.columns:
                return True
    return False
