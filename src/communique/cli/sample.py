"""`communique sample`: draw sentences for people to code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from .common import (
    INPUT,
    OUTPUT,
    DocumentColumn,
    EncodingOption,
    Overwrite,
    SheetOption,
    TextColumn,
    checked,
    cli_errors,
    model_callback,
)
from .sample_input import Labels, leave_out, read_input
from .sample_request import Form, Request, note_next_steps, plan_and_draw, write

#: Title of the panel of options that decide how sentences are drawn.
DESIGN = "Design"


@cli_errors
def sample(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Output of `communique label -o`, or texts that are not labelled yet: documents, tables, folders or globs."
        ),
    ],
    n: Annotated[int | None, typer.Option("-n", min=1, help="Number of sentences to draw.")] = None,
    width: Annotated[
        str | None,
        typer.Option(
            help="Print how many sentences 95 % intervals of this width require, such as 0.05. With --by, plan for each group. "
            "With -o and without -n, draw that many."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="File in which to save a sheet (.xlsx, .csv) or the tasks of a coding tool (.json, .jsonl).",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    form: Annotated[
        Form,
        typer.Option(
            "--format", help="Format for the coders: a sheet, or tasks for a coding tool.", rich_help_panel=OUTPUT
        ),
    ] = "sheet",
    purpose: Annotated[
        Literal["estimate", "training"],
        typer.Option(
            "--for",
            help="estimate: draw at random with known inclusion probabilities. "
            "training: choose the sentences from which the model can learn most.",
        ),
    ] = "estimate",
    design: Annotated[
        Literal["simple", "stratified", "two-stage"] | None,
        typer.Option(
            help="Sampling design. Default: stratified with --by or --strata, otherwise simple.",
            rich_help_panel=DESIGN,
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="Columns that define groups, such as country,year. Each group becomes a stratum.",
            rich_help_panel=DESIGN,
        ),
    ] = None,
    missing_group: Annotated[
        Literal["refuse", "drop", "keep"],
        typer.Option(
            help="What to do if a column of --by is empty in some rows. refuse: stop. drop: leave these rows out of the sample and "
            "of the estimates. keep: treat them as the group (missing).",
            rich_help_panel=DESIGN,
        ),
    ] = "refuse",
    strata: Annotated[
        str | None,
        typer.Option(
            help="Further strata, separated by commas: predicted (the predicted labels), uncertainty (of the model), or columns.",
            rich_help_panel=DESIGN,
        ),
    ] = None,
    allocation: Annotated[
        Literal["proportional", "optimal", "equal"],
        typer.Option(help="How to divide the sentences among the strata.", rich_help_panel=DESIGN),
    ] = "proportional",
    per_document: Annotated[
        int,
        typer.Option(min=1, help="Number of sentences per document in a two-stage design.", rich_help_panel=DESIGN),
    ] = 5,
    first_stage: Annotated[
        Literal["size", "equal"],
        typer.Option(
            help="How to draw documents in a two-stage design: with probability proportional to size, or with equal probability.",
            rich_help_panel=DESIGN,
        ),
    ] = "size",
    exclude: Annotated[
        list[Path] | None,
        typer.Option(
            help="With --for training, leave out the documents of this design file. Can be repeated.",
            rich_help_panel=DESIGN,
        ),
    ] = None,
    coded: Annotated[
        list[Path] | None,
        typer.Option(
            help="With --for training, leave out the sentences of this coded sheet, gold, export of a coding tool, or design file. "
            "Can be repeated.",
            rich_help_panel=DESIGN,
        ),
    ] = None,
    trained_documents: Annotated[
        bool,
        typer.Option(
            "--trained-documents",
            help="With --for training, choose only from the documents on which the model was trained. The other documents remain "
            "for estimates.",
            rich_help_panel=DESIGN,
        ),
    ] = False,
    prevalence: Annotated[
        list[str] | None,
        typer.Option(
            help="Expected proportion of all labels (0.1) or of one label (criticism=0.1), to plan for --width without "
            "predictions. Can be repeated. Default for texts without predictions: 0.5, which needs most sentences.",
        ),
    ] = None,
    show_model: Annotated[
        bool,
        typer.Option("--show-model", help="Show the predicted labels to the coders.", rich_help_panel=OUTPUT),
    ] = False,
    coder: Annotated[
        list[str] | None,
        typer.Option(
            help="Write a separate sheet for the coder of this name. Can be repeated.", rich_help_panel=OUTPUT
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the model that assigned the labels, or will assign them. Its codebook is used, and the sentences that "
            "it was trained on are left out. Default: the shipped model, communique-small.",
            callback=model_callback,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Output of `communique evaluate --json`. Its precision and recall are then used to plan for --width."
        ),
    ] = None,
    codebook: Annotated[
        Path | None, typer.Option(help="Codebook of the labels. Default: the codebook of the model.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw and of the order of the rows.")] = 0,
    text_column: TextColumn = None,
    document_column: DocumentColumn = None,
    columns_from_filename: Annotated[
        str | None,
        typer.Option(
            help="Add columns with parts of file names, such as '{country}_{session}_{year}' for USA_77_2022.txt.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    split: Annotated[
        bool | None,
        typer.Option(
            "--split/--no-split",
            help="Split each row of a table of texts into sentences, or draw each row as one sentence. "
            "Default: draw each row as one sentence, but refuse a table in which many rows contain whole texts.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(
            help="Language of all texts (BCP 47 code, such as fr). Default: identified for each text.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    input_format: Annotated[
        str | None,
        typer.Option(
            help="Format of standard input and of named files of texts, such as jsonl or csv. Default: recognised by the suffix.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    encoding: EncodingOption = None,
    sheet: SheetOption = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw sentences for people to code, and record the probability with which each sentence was drawn.

    For example:

        communique sample speeches.csv --split --codebook mine.yaml -n 300 --by country -o sheet.xlsx
        communique sample labels.parquet --width 0.05 --by country
        communique sample labels.parquet -n 400 --by country --coder anna --coder ben -o sheet.xlsx
    """
    from ..labelling.reading import TextReading
    from ..text.language_codes import normalize_language

    request = Request(
        n=n,
        width=None if width is None else checked(_width, width, "--width"),
        out=out,
        form=form,
        purpose=purpose,
        design=design,
        by=_split(by),
        strata=_split(strata),
        allocation=allocation,
        per_document=per_document,
        by_size=first_stage == "size",
        exclude=exclude or [],
        coded=coded or [],
        trained_documents=trained_documents,
        prevalence=prevalence or [],
        show_model=show_model,
        coders=coder or [],
        report=report,
        seed=seed,
    )
    request.check()
    if out is not None:
        request.check_outputs((*paths, codebook), overwrite=overwrite)
    reading = TextReading(
        text_column=text_column,
        document_column=document_column,
        columns_from_filename=columns_from_filename,
        language=language and checked(normalize_language, language, "--language"),
        form=input_format,
        encoding=encoding,
        sheet=sheet,
        split=split,
    )
    labels = Labels(model, codebook)
    population, texts = read_input(paths, reading, labels)
    frame = leave_out(population, purpose, request.by, missing_group, request.coded, labels)
    drawn = plan_and_draw(request, frame, labels, texts, reading)
    if out is None or drawn is None:
        return
    write(request, out, population, frame, drawn)
    if texts:
        note_next_steps(paths, reading, labels, out)


def _width(text: str) -> float:
    from ..sampling.planning import as_width

    return as_width(text)


def _split(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]
