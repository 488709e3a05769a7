"""`communique evaluate`: measure a model on labelled text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..errors import require_extra
from ..reporting.format import counted
from .common import (
    OUTPUT,
    DocumentColumn,
    EncodingOption,
    ExcludeOption,
    JsonReport,
    LabelColumn,
    LabelMap,
    LanguageColumn,
    MarkdownReport,
    ModelArgument,
    Overwrite,
    SheetOption,
    StandoffTexts,
    TextColumn,
    cli_errors,
    condition,
    label_translation,
    named_columns,
    note,
    show,
)


@cli_errors
def evaluate(
    model: ModelArgument,
    corpus: Annotated[
        list[str],
        typer.Argument(help="Labelled tables, folders or globs. Tables of stand-off labels also need --texts."),
    ],
    texts: StandoffTexts = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    document_column: DocumentColumn = None,
    language_column: LanguageColumn = None,
    label_map: LabelMap = None,
    encoding: EncodingOption = None,
    sheet: SheetOption = None,
    exclude: ExcludeOption = None,
    drop_shared: Annotated[
        bool,
        typer.Option(
            "--drop-shared",
            help="Leave out rows that share a document or a text with the training data. The report counts them. "
            "Default: stop if there are such rows.",
        ),
    ] = False,
    allow_leak: Annotated[
        bool,
        typer.Option(
            "--allow-leak",
            help="Keep rows that share a document or a text with the training data. The report warns about them.",
        ),
    ] = False,
    html_out: Annotated[
        Path | None,
        typer.Option(
            "--html", help="Write a page with tables, plots and the most costly errors.", rich_help_panel=OUTPUT
        ),
    ] = None,
    json_out: JsonReport = None,
    markdown_out: MarkdownReport = None,
    errors: Annotated[
        int,
        typer.Option(
            min=0,
            help="Number of errors that the HTML and JSON reports list, the most costly first.",
            rich_help_panel=OUTPUT,
        ),
    ] = 25,
    no_texts: Annotated[
        bool,
        typer.Option(
            "--no-texts",
            help="List these errors without their sentences, so that the report can be published.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Measure how well a model labels text that it was not trained on.

    For example:

        communique evaluate communique-small coded.csv
        communique evaluate runs/my-model coded.csv --drop-shared --html report.html
    """
    from ..data.standoff import read_corpora
    from ..evaluation.evaluate import Shared
    from ..evaluation.evaluate import evaluate as run
    from ..io.atomic import replacing
    from ..io.output import check_outputs
    from ..io.paths import list_files
    from ..models.folder import read_codebook, read_info
    from ..text.language import UNDETERMINED

    if drop_shared and allow_leak:
        raise typer.BadParameter(
            "--drop-shared leaves out the rows that --allow-leak keeps. Use only one of the two",
            param_hint="--allow-leak",
        )
    files = list_files(corpus)
    check_outputs([json_out, markdown_out, html_out], inputs=(*files, texts), overwrite=overwrite)
    conditions = [condition(text) for text in exclude or ()]
    if html_out is not None:
        require_extra("matplotlib", "an HTML report (--html)", extra="analysis")
    info = read_info(model)
    columns = named_columns(text_column, label_column, document_column, language_column)
    book = read_codebook(model, info)
    labels = label_translation(label_map)
    found, messages = read_corpora(files, book, texts, columns=columns, labels=labels, encoding=encoding, sheet=sheet)
    for line in (*messages, *found.notes):
        note(line)
    n = len(found)
    found = found.where(lambda s: not any(getattr(s, field) == value for field, value in conditions))
    if conditions:
        note(f"{counted(n - len(found), 'row')} left out by --exclude {' '.join(exclude or ())}")
    if len(found) and all(s.language == UNDETERMINED for s in found):
        note(
            "No row names its language, so the report has no scores by language. If the texts are in several languages, add a "
            "column 'language', or name the column with --language-column"
        )
    names = ", ".join(Path(name).name for name in found.files) or " ".join(corpus)
    data = names + "".join(f", without {text}" for text in exclude or ())
    shared: Shared = "drop" if drop_shared else "allow" if allow_leak else "refuse"
    evaluation = run(model, found, data=data, shared=shared, errors=errors, seed=seed)
    for line in evaluation.warnings:
        note(line)
    markdown = evaluation.to_markdown()
    show(markdown)
    if json_out is not None:
        content = evaluation.to_dict(texts=not no_texts)
        with replacing(json_out) as handle:
            handle.write(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    if markdown_out is not None:
        with replacing(markdown_out) as handle:
            handle.write(markdown)
    if html_out is not None:
        from ..evaluation.html import render_html

        with replacing(html_out) as handle:
            handle.write(render_html(evaluation, texts=not no_texts))
    for written in (json_out, markdown_out, html_out):
        if written is not None:
            note(f"report: {written}")
