"""`communique sample`: draw sentences for people to code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..reporting.format import counted
from .common import (
    INPUT,
    OUTPUT,
    DocumentColumn,
    EncodingOption,
    Overwrite,
    SheetOption,
    TextColumn,
    UsageError,
    cli_errors,
    note,
    show,
)
from .sample_input import Labels, Reading, leave_out, read_input

if TYPE_CHECKING:
    from ..sampling.design import Design
    from ..sampling.planning import Plan
    from ..sampling.population import Population

Form = Literal["sheet", "label-studio", "doccano", "prodigy"]

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
            "it was trained on are left out. Default: the shipped model."
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
    from ..annotation.assignments import planned_files, write_assignments
    from ..annotation.tasks import companion
    from ..io.output import check_outputs
    from ..sampling.design import SUFFIX, draw_sample, training_sample
    from ..sampling.frame import LEFT_OUT, write_left_out

    wished = None if width is None else _as_width(width)
    _check(n, wished, out, form, purpose, coder, exclude, coded, report, prevalence)
    if out is not None:
        check_outputs(
            planned_files(out, form, coder or []),
            inputs=(*paths, report, codebook, *(exclude or ()), *(coded or ())),
            overwrite=overwrite,
        )
    reading = Reading(
        text_column, document_column, columns_from_filename, split, language, input_format, encoding, sheet
    )
    labels = Labels(model, codebook)
    population, texts = read_input(paths, reading, labels)
    if purpose == "training":
        population.require_predictions("--for training")
    groups, kinds = _split(by), _split(strata)
    frame = leave_out(population, purpose, groups, missing_group, coded or [], labels)
    drawn: Design | None = None
    plan: Plan | None = None
    expected = _as_proportions(prevalence, population)
    if wished is not None:
        plan = _show_plan(frame.population, wished, design, groups, kinds, allocation, per_document, report, expected)
    if purpose == "training" and n is not None and out is not None:
        book = labels.of(population)
        drawn = training_sample(
            frame, n, book, by=groups, exclude=_documents(exclude), model_shown=show_model, seed=seed
        )
        if len(drawn.rows) < n:
            note(f"only {counted(len(drawn.rows), 'different text')} could be chosen instead of {n}")
    elif out is not None or plan is not None:
        drawn = draw_sample(
            frame,
            n or (plan.n if plan else 0),
            # A plan without a sample does not use the codebook.
            labels.of(population) if out is not None else labels.any(),
            design=design,
            by=groups,
            strata=kinds,
            allocation=allocation,
            per_group=plan.per_group if plan and n is None else None,
            texts=texts,
            reading=reading.options(),
            per_document=per_document,
            documents_by_size=first_stage == "size",
            model_shown=show_model,
            seed=seed,
        )
        _foresee(frame.population, drawn, report, expected)
    if out is None or drawn is None:
        return
    if not population.has_index and population.previous.null_count == len(population):
        note(
            f"{population.path}: no row has a position in its document, so coders cannot see the preceding sentence. To show it, "
            "add a column 'index' (1, 2, 3, ...) or a column 'previous' to the table that was labelled, and label it again"
        )
    written = write_assignments(out, form, frame.population, drawn, drawn.codebook, coders=coder or [], seed=seed)
    if frame.left_out:
        write_left_out(companion(out, LEFT_OUT), population, frame.left_out)
        written.append(companion(out, LEFT_OUT))
    drawn.dump(companion(out, SUFFIX))
    for line in drawn.describe():
        note(line)
    note(
        f"written: {', '.join(map(str, written))}. Keep {companion(out, SUFFIX)} for `communique agree`, but do not "
        "show it to the coders"
    )
    if texts:
        command = shlex.join(["communique", "label", *paths, *reading.options(), "-o", "labelled.parquet"])
        note(
            f"After coding, label the same texts with the same options: {command}. Then name {companion(out, SUFFIX)} with "
            "`communique estimate --design`"
        )


def _as_width(text: str) -> float:
    from ..sampling.planning import as_width

    try:
        return as_width(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--width") from None


def _as_proportions(texts: list[str] | None, population: Population) -> dict[str, float] | None:
    from ..sampling.planning import as_proportions

    try:
        return as_proportions(texts, population.names) if texts else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--prevalence") from None


def _check(
    n: int | None,
    width: float | None,
    out: Path | None,
    form: str,
    purpose: str,
    coder: list[str] | None,
    exclude: list[Path] | None,
    coded: list[Path] | None,
    report: Path | None,
    prevalence: list[str] | None,
) -> None:
    """Check that the options go together.

    Raises:
        UsageError: They do not.
    """
    if n is None and width is None:
        raise UsageError("the number of sentences is missing. Add -n NUMBER, or --width WIDTH to plan for an interval")
    if out is None and width is None:
        raise UsageError("the output file is missing. Add -o FILE")
    for option, given in (("--report", report), ("--prevalence", prevalence)):
        if given and width is None:
            raise typer.BadParameter("this is only used to plan for a width. Add --width", param_hint=option)
    if report is not None and prevalence:
        raise typer.BadParameter(
            "the report already contains proportions. Omit one of --prevalence and --report", param_hint="--prevalence"
        )
    if purpose == "training" and width is not None:
        raise typer.BadParameter(
            "a sample for training cannot be used for estimates. Omit --width", param_hint="--width"
        )
    for option, paths in (("--exclude", exclude), ("--coded", coded)):
        if paths and purpose != "training":
            raise typer.BadParameter(
                "sentences that are left out would change the population. Use this option only with --for training",
                param_hint=option,
            )
    for name in coder or ():
        if not name.strip() or name.startswith(".") or len(name) > 60 or not re.fullmatch(r"[\w .@+-]+", name):
            raise typer.BadParameter(
                f"{name!r} cannot be part of a file name. Use up to 60 letters, digits, spaces and . - _ @ +",
                param_hint="--coder",
            )
    if coder and form != "sheet":
        raise typer.BadParameter(
            f"{form} manages coders itself. Use this option only with --format sheet", param_hint="--coder"
        )


def _split(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _show_plan(
    population: Population,
    width: float,
    design: str | None,
    groups: list[str],
    kinds: list[str],
    allocation: str,
    per_document: int,
    report: Path | None,
    expected: dict[str, float] | None,
) -> Plan:
    """Print how many sentences are required, and return the plan."""
    from ..sampling.planning import plan_sample
    from ..sampling.size import read_rates

    rates = read_rates(report) if report else {}
    plan = plan_sample(
        population,
        width,
        design=design,
        by=groups,
        strata=kinds,
        allocation=allocation,
        per_document=per_document,
        rates=rates,
        proportions=expected,
    )
    show(
        f"Sentences required for 95 % intervals of width {width:g} (proportions in these sentences, "
        "`communique estimate --target finite-population`):"
    )
    *parts, total = plan.lines
    for line in parts:
        show(line)
    if rates:
        rates_used = "; ".join(
            f"{label} precision {rates[label][0]:.2f}, recall {rates[label][1]:.2f}"
            if label in rates
            else f"{label} not measured, from the model's probabilities"
            for label in population.names
        )
        show(f"{total}, if the model makes as many errors here as in {report} ({rates_used}).")
    elif expected or not population.has_predictions:
        show(f"{total}. With predictions, fewer sentences are needed: run `communique label` first to plan with them.")
    else:
        show(
            f"{total}. This number relies on the model's probabilities. To check them, use measured "
            "error rates (--report) or code a pilot sample of 100 sentences."
        )
    return plan


def _foresee(population: Population, drawn: Design, report: Path | None, expected: dict[str, float] | None) -> None:
    """Print warnings about groups that `communique estimate` would refuse or call doubtful."""
    from ..estimation.foresight import foresee
    from ..sampling.size import read_rates

    for line in foresee(population, drawn, rates=read_rates(report) if report else None, proportions=expected):
        note(line)


def _documents(paths: list[Path] | None) -> set[str]:
    """Return the documents of all sentences in some design files."""
    from ..sampling.design import Design

    return {row.document for path in paths or () for row in Design.load(path).rows}
